"""What must hold before a sweep is measured on boards."""

from qutiperf import host
from qutiperf.errors import InputError
from qutiperf.executors.hosts_file import RackHost
from qutiperf.power.registry import AUTO, NONE
from qutiperf.run.metering import check_power
from qutiperf.run.plan import Group
from qutiperf.run.possible import Devices
from qutiperf.spec.sut import Power, SystemUnderTest

_METERS_HERE = ("rapl", "hwmon", "ina", "nvml", "amdsmi")  # they measure the machine that reads them


def check_same_kind(sut: str, boards: Devices, where: str) -> None:
    """Raises InputError if the boards that run a system are not of one kind."""
    first, *others = boards
    for other in others:
        if host.fingerprint(boards[first]) != host.fingerprint(boards[other]):
            both = f"hosts '{first}' and '{other}' both run '{sut}'"
            what = f"{both} but are not of one kind: {_difference(boards[first], boards[other])}"
            raise InputError(what, where=where, cure="give each kind of board its own system in suts")


def _difference(one: host.Facts, other: host.Facts) -> str:
    names = ("machine", "cpu_model", "cores", "memory_gb", "system")
    return ", ".join(
        f"{name} {one.get(name)} and {other.get(name)}" for name in names if one.get(name) != other.get(name)
    )


def check_before(group: Group) -> None:
    """Raises InputError for a condition of this machine that is meant for the board."""
    for run in group.runs:
        for key in ("temperature_below_c", "battery_above_percent"):
            if run.inputs.before is not None and getattr(run.inputs.before, key) is not None:
                cure = "leave it out, or set before.pause_s"
                where = f"sweep {run.inputs.sweep}: before.{key}"
                raise InputError("is looked up on this machine, not on a board", where=where, cure=cure)


def check_mode(group: Group) -> None:
    mode = group.sut.operating_modes[group.operating_mode]
    for key, value in (("governor", mode.governor), ("cores", mode.cores)):
        if value is not None:
            where = f"{group.sut.name}: operating_modes.{group.operating_mode}.{key}"
            raise InputError(
                "is a setting of this machine, not of a board", where=where, cure="use enter and leave"
            )


def powers_of(
    suts: dict[str, SystemUnderTest], able: dict[str, list[RackHost]], where: str
) -> dict[str, Power]:
    """The meter of each board that has one; raises InputError for a meter that measures another machine."""
    powers = {}
    for name, specs in able.items():
        for spec in specs:
            own = spec.power is not None
            power = suts[name].power.model_copy(update={"meter": spec.power} if own else {})
            place = f"{where}: {spec.name}" if own else name
            check_power(power, place)
            here = next((each for each in power.meters if each.partition(":")[0] in _METERS_HERE), None)
            if here is not None:
                cure = "name a meter of the board, such as redfish:https://BMC, or none"
                raise InputError(
                    f"power: {here} measures this machine, not the board", where=place, cure=cure
                )
            if not own and len(specs) > 1 and power.meters not in ([AUTO], [NONE]):
                cure = f"give each of its hosts its own power in {where}"
                raise InputError(f"power: {len(specs)} boards have one meter", where=name, cure=cure)
            if own:
                powers[spec.name] = power
    return powers
