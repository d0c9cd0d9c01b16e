"""Which meters there are, and which one a text such as `rapl` or `redfish:https://bmc` names."""

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from qutiperf.errors import InputError, SetupError
from qutiperf.power.meter import PowerMeter, Trial
from qutiperf.spec.config import nearest, shortened

NONE = "none"
AUTO = "auto"
_METERS: dict[str, str] = {
    "rapl": "qutiperf.power.rapl:Rapl",
    "hwmon": "qutiperf.power.hwmon:Hwmon",
    "ina": "qutiperf.power.hwmon:Ina",
    "redfish": "qutiperf.power.redfish:Redfish",
    "nvml": "qutiperf.power.nvml:Nvml",
    "amdsmi": "qutiperf.power.amd:AmdSmi",
    "joulescope": "qutiperf.power.joulescope:Joulescope",
    "file": "qutiperf.power.recorded:PowerFile",
    "command": "qutiperf.power.recorded:PowerCommand",
    "replay": "qutiperf.power.recorded:Replay",
}
_WITH_ARGUMENT = ("redfish", "file", "command", "replay")
_OF_FAMILY: dict[str, tuple[str, ...]] = {"cpu": ("rapl",), "gpu": ("nvml", "amdsmi")}


@dataclass(frozen=True, slots=True)
class MeterState:
    """A meter, how its code was tried, and whether it works on this machine: its rails, or the cure."""

    name: str
    title: str
    verified: Trial
    state: str


def meter_class(name: str) -> type[PowerMeter]:
    """Raises InputError for an unknown name."""
    if name not in _METERS:
        what = f"power: no meter named '{shortened(name, 40)}'"
        raise InputError(what, cure=nearest(name, [*_METERS, AUTO, NONE]))
    module, _, attribute = _METERS[name].partition(":")
    return cast(type[PowerMeter], getattr(import_module(module), attribute))


def make_meter(text: str) -> PowerMeter:
    """The meter of `name` or `name:argument`, not opened; raises InputError if the text is wrong."""
    name, _, argument = text.partition(":")
    made = meter_class(name)
    if name in _WITH_ARGUMENT and not argument.strip():
        examples = {"redfish": "redfish:https://BMC", "command": "command:PROGRAM ARGUMENTS"}
        cure = f"write {examples.get(name, f'{name}:PATH')}"
        raise InputError(f"power: {name} needs to know where it reads", cure=cure)
    return made(argument)


def automatic(family: str, *, over_network: bool) -> tuple[list[str], str]:
    """The meters to try for a platform's family; if there is none, the reason."""
    if over_network:
        return [], "the device is reached through a network: name its meter with --power"
    names = _OF_FAMILY.get(family, ())
    if not names:
        return [], f"no meter is chosen by itself for the family '{family}': name one with --power"
    return list(names), ""


def states() -> list[MeterState]:
    """Every meter; those that need no argument are opened for a moment."""
    listed = []
    for name in _METERS:
        made = meter_class(name)
        state = f"{name}:..." if name in _WITH_ARGUMENT else _state(name)
        listed.append(MeterState(name, made.title, made.verified, state))
    return listed


def _state(name: str) -> str:
    try:
        return "works: " + ", ".join(rail.name for rail in make_meter(name).open_and_close())
    except SetupError as error:
        return f"{error.what}; {error.cure}" if error.cure else error.what
