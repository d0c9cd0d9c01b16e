"""The power sensors of one hwmon chip, and the files that give each."""

import re
from dataclasses import dataclass
from pathlib import Path

from qutiperf.power.meter import Quantity
from qutiperf.power.sysfs_number import read_number, read_text

INA_CHIPS = ("ina3221", "ina238", "ina237", "ina228", "ina219", "ina226", "ina230", "ina231", "ina260")
_FROM_MICRO = 1e-6
_PER_UNIT_OF_MILLI = 1000
_CHANNELS = (1, 2, 3)  # of an INA3221: in4 to in6 are shunt voltages, in7 and curr4 are sums
_UNUSED = "NC"  # the label of a channel that is not connected


@dataclass(frozen=True, slots=True)
class HwmonSensor:
    """The product of the numbers in `paths` and `factor` is in joules or watts."""

    label: str
    quantity: Quantity
    paths: tuple[Path, ...]
    factor: float
    update_s: float | None


def sensors_in(folder: Path) -> list[HwmonSensor]:
    """Energy counters, else power, else voltage times current: the most direct that the chip has."""
    update_ms = read_number(folder / "update_interval")
    update_s = update_ms / _PER_UNIT_OF_MILLI if update_ms else None
    counters = [
        HwmonSensor(_label(folder, "energy", number), "energy", (path,), _FROM_MICRO, update_s)
        for number, path in _inputs(folder, "energy")
    ]
    gauges = [
        HwmonSensor(_label(folder, "power", number), "power", (path,), _FROM_MICRO, update_s)
        for number, path in _inputs(folder, "power")
    ]
    return counters or gauges or _products(folder, update_s)


def _inputs(folder: Path, kind: str) -> list[tuple[int, Path]]:
    """`power1_input`, or `power1_average` where the chip has only that, by number."""
    paths: dict[int, Path] = {}
    for suffix in ("average", "input"):
        for path in folder.glob(f"{kind}[0-9]*_{suffix}"):
            if match := re.fullmatch(rf"{kind}(\d+)_{suffix}", path.name):
                paths[int(match[1])] = path
    return sorted(paths.items())


def _label(folder: Path, kind: str, number: int) -> str:
    """The label of the sensor, else that of the voltage of the same number, else `ina238 power1`."""
    own = read_text(folder / f"{kind}{number}_label") or read_text(folder / f"in{number}_label")
    return own or f"{read_text(folder / 'name')} {kind}{number}"


def _products(folder: Path, update_s: float | None) -> list[HwmonSensor]:
    """Voltage (mV) times current (mA) of each channel; only INA chips pair them by their number."""
    chip = read_text(folder / "name")
    sensors = []
    for number in _CHANNELS if chip in INA_CHIPS else ():
        paths = (folder / f"in{number}_input", folder / f"curr{number}_input")
        label = _label(folder, "in", number)
        if label != _UNUSED and all(path.exists() for path in paths):
            factor = _FROM_MICRO  # mV times mA
            sensors.append(HwmonSensor(label, "power", paths, factor, update_s))
    return sensors
