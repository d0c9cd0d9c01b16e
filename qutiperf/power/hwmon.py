"""Power sensors in Linux's hwmon: boards, power supplies, and the INA3221 and INA238 chips of Jetsons.

Layout: https://docs.kernel.org/hwmon/sysfs-interface.html (power in uW, energy in uJ, voltage in mV, current
in mA) and https://docs.kernel.org/hwmon/ina3221.html (no power file: voltage times current per channel).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import time_ns

from qutiperf.errors import SetupError
from qutiperf.power.hwmon_sensors import INA_CHIPS, HwmonSensor, sensors_in
from qutiperf.power.meter import SYSFS, Coverage, PowerMeter, Rail, Reading
from qutiperf.power.sysfs_number import NumberFile, read_text
from qutiperf.spec.config import nearest, shortened

# The rail that feeds the whole module, by board (Jetson Linux developer guide, power and performance)
_INPUT_RAILS = ("VDD_IN", "POM_5V_IN", "VIN", "VDD_MODULE")


class _Channel:
    """The files of one rail, and the value that they give together."""

    def __init__(self, rail: Rail, sensor: HwmonSensor) -> None:
        self.rail, self._factor = rail, sensor.factor
        self._files = [NumberFile(path) for path in sensor.paths]

    def value(self) -> float:
        product = self._factor
        for file in self._files:
            product *= file.read()
        return product


class Hwmon(PowerMeter):
    """`hwmon` where one chip measures power, `hwmon:CHIP` for one of several, `hwmon:CHIP@ROOT` elsewhere."""

    name = "hwmon"
    title = "power sensors of the board or its power supply (Linux hwmon)"
    verified = "replayed"

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        chip, _, root = argument.rpartition("@") if "@" in argument else (argument, "", "")
        self._chip, self._root = chip, Path(root) if root else SYSFS
        self._channels: list[_Channel] = []

    def start(self) -> list[Rail]:
        chips = {
            chip: sensors for chip, folders in self._chips().items() if (sensors := _sensors_of(folders))
        }
        chosen = self._chosen(chips)
        names = {sensor.label for sensor in chosen}
        total = next((name for name in _INPUT_RAILS if name in names), None)
        try:
            for sensor in chosen:
                counts = total is None or sensor.label == total
                rail = Rail(sensor.label, sensor.quantity, counts, update_s=sensor.update_s)
                self._channels.append(_Channel(rail, sensor))
            self.read()
        except OSError as error:
            cure = "run as root, or `sudo chmod a+r` the file until the next boot"
            what = f"cannot be read: {error.strerror or error}"
            raise SetupError(what, where=str(error.filename or self._folder), cure=cure) from None
        return [channel.rail for channel in self._channels]

    @property
    def _folder(self) -> Path:
        return self._root / "class/hwmon"

    def _chips(self) -> dict[str, list[Path]]:
        """Folders by the name of the chip; a board may have several of one kind."""
        chips: dict[str, list[Path]] = {}
        for folder in sorted(self._folder.glob("hwmon*")):
            if (name := read_text(folder / "name")) is not None:
                chips.setdefault(name, []).append(folder)
        return chips

    def _chosen(self, chips: Mapping[str, list[HwmonSensor]]) -> list[HwmonSensor]:
        """Raises SetupError unless one chip is meant: the rails of several may be inside each other."""
        if self._chip and self._chip in chips:
            return chips[self._chip]
        if self._chip:
            what = f"no chip '{shortened(self._chip, 40)}' that measures power"
            raise SetupError(what, where=str(self._folder), cure=nearest(self._chip, chips))
        if not chips:
            cure = "this machine has no power sensor there; `qutiperf list meters` shows other meters"
            raise SetupError("no chip measures power", where=str(self._folder), cure=cure)
        if len(chips) > 1:
            cure = " or ".join(f"--power hwmon:{chip}" for chip in chips)
            what = f"several chips measure power: {', '.join(chips)}"
            raise SetupError(what, where=str(self._folder), cure=cure)
        return next(iter(chips.values()))

    def read(self) -> list[Reading]:
        return [Reading(time_ns(), each.rail.name, each.value()) for each in self._channels]

    @property
    def coverage(self) -> Coverage:
        counted = [each.rail.name for each in self._channels if each.rail.counts]
        if len(counted) == 1 and counted[0] in _INPUT_RAILS:
            return "supply"
        return "device" if len(counted) > 1 else "part"

    def close(self) -> None:
        self._channels.clear()


class Ina(Hwmon):
    """`ina`: every INA chip of a board together, as on Jetsons; `ina:ROOT` for a sysfs elsewhere."""

    name = "ina"
    title = "INA3221 and INA238 sensors of a board, as on NVIDIA Jetsons"
    verified = "replayed"

    def __init__(self, argument: str) -> None:
        super().__init__(f"@{argument}" if argument else "")
        self.argument = argument

    def _chosen(self, chips: Mapping[str, list[HwmonSensor]]) -> list[HwmonSensor]:
        sensors = [sensor for chip in INA_CHIPS for sensor in chips.get(chip, [])]
        if not sensors:
            cure = (
                "the board needs its ina3221 or ina238 driver; `cat /sys/class/hwmon/*/name` lists the chips"
            )
            what = f"no INA chip: none of {', '.join(INA_CHIPS)}"
            raise SetupError(what, where=str(self._folder), cure=cure)
        return sensors


def _sensors_of(folders: list[Path]) -> list[HwmonSensor]:
    """The sensors of all chips of a kind, each with a name of its own."""
    sensors: list[HwmonSensor] = []
    for folder in folders:
        taken = {sensor.label for sensor in sensors}
        for sensor in sensors_in(folder):
            own = sensor.label if sensor.label not in taken else f"{folder.name}/{sensor.label}"
            sensors.append(replace(sensor, label=own))
    return sensors
