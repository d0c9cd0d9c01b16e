"""Whether this machine is quiet: load of others, clock, temperature, throttling, steal, memory pressure."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import psutil

EnvironmentRow = dict[str, float | None]
_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal")
_MICROSECONDS_PER_SECOND = 1e6
_LOOK_S = 0.5


class Surroundings:
    """The machine between two samples; files are below `root`, so that a recorded tree can stand in."""

    COLUMNS = (
        *("elapsed_s", "foreign_cpu_percent", "load_1min", "cpu_frequency_mhz", "cpu_frequency_max_mhz"),
        *("temperature_c", "throttle_count", "steal_percent", "memory_pressure_percent"),
    )

    def __init__(self, root: Path = Path("/")) -> None:
        self._pressure = root / "proc/pressure/memory"
        self._temperatures = _temperature_files(root / "sys/class")
        self._throttles = sorted(
            (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        )
        self._busy, self._time, self._steal = _cpu_seconds()
        self._stalled_us, self._moment = _stalled_us(self._pressure), monotonic()
        self._throttled = _sum_of(self._throttles)

    def look(self, own_cpu_s: float, elapsed_s: float) -> EnvironmentRow:
        """The state since the last sample; `own_cpu_s` is left out of the CPU time of other processes.

        Percentages are of all cores, except for memory pressure, which is the share of the time in which a
        task waited for memory. `throttle_count` are the events of the period.
        """
        frequencies = [each.current for each in psutil.cpu_freq(percpu=True) or ()]
        return {
            "elapsed_s": round(elapsed_s, 3),
            **self._shares(own_cpu_s),
            "load_1min": round(os.getloadavg()[0], 2),
            "cpu_frequency_mhz": sum(frequencies) / len(frequencies) if frequencies else None,
            "cpu_frequency_max_mhz": max(frequencies, default=None),
            "temperature_c": _hottest(self._temperatures),
            "throttle_count": self._throttle_count(),
            "memory_pressure_percent": self._memory_pressure(),
        }

    def _shares(self, own_cpu_s: float) -> EnvironmentRow:
        busy, time, steal = _cpu_seconds()
        period = time - self._time
        foreign = max(busy - self._busy - own_cpu_s, 0.0)
        stolen = max(steal - self._steal, 0.0)
        self._busy, self._time, self._steal = busy, time, steal
        return {
            "foreign_cpu_percent": _percent(foreign, period),
            "steal_percent": _percent(stolen, period),
        }

    def _throttle_count(self) -> float | None:
        before, self._throttled = self._throttled, _sum_of(self._throttles)
        return max(self._throttled - before, 0) if self._throttles else None

    def _memory_pressure(self) -> float | None:
        before, moment = self._stalled_us, self._moment
        self._stalled_us, self._moment = _stalled_us(self._pressure), monotonic()
        if before is None or self._stalled_us is None:
            return None
        stalled_s = max(self._stalled_us - before, 0) / _MICROSECONDS_PER_SECOND
        share = _percent(stalled_s, self._moment - moment)
        return None if share is None else min(share, 100.0)


@dataclass(frozen=True, slots=True)
class Disturbances:
    """The state of the machine over a window; None if the system does not report it.

    `clock_percent` is the lowest clock of the fastest core, of its highest in the window.
    """

    foreign_cpu_percent: float | None = None
    steal_percent: float | None = None
    memory_pressure_percent: float | None = None
    throttle_count: float | None = None
    clock_percent: float | None = None
    temperature_c: float | None = None


def disturbances(rows: Sequence[EnvironmentRow], begin_s: float, end_s: float) -> Disturbances:
    """Means of the samples' periods that overlap a window, weighted by the overlap; times as `elapsed_s`."""
    parts: list[tuple[float, EnvironmentRow]] = []
    before = 0.0
    for row in rows:
        until = row.get("elapsed_s") or 0.0
        if (overlap := min(until, end_s) - max(before, begin_s)) > 0:
            parts.append((overlap, row))
        before = until
    clocks = [clock for _, row in parts if (clock := row.get("cpu_frequency_max_mhz"))]
    throttles = [count for _, row in parts if (count := row.get("throttle_count")) is not None]
    temperatures = [value for _, row in parts if (value := row.get("temperature_c")) is not None]
    return Disturbances(
        foreign_cpu_percent=_weighted(parts, "foreign_cpu_percent"),
        steal_percent=_weighted(parts, "steal_percent"),
        memory_pressure_percent=_weighted(parts, "memory_pressure_percent"),
        throttle_count=sum(throttles) if throttles else None,
        clock_percent=_percent(min(clocks), max(clocks)) if len(clocks) > 2 else None,
        temperature_c=max(temperatures, default=None),
    )


def temperature_c(root: Path = Path("/")) -> float | None:
    """The temperature of the processor now, as in a row; None if the machine does not report one."""
    return _hottest(_temperature_files(root / "sys/class"))


def look_around(root: Path = Path("/")) -> EnvironmentRow:
    """The state of the machine now, over half a second."""
    around = Surroundings(root)
    sleep(_LOOK_S)
    return around.look(0.0, _LOOK_S)


def _weighted(parts: Sequence[tuple[float, EnvironmentRow]], name: str) -> float | None:
    """None if one of the periods has no value."""
    values = [(weight, row.get(name)) for weight, row in parts]
    known = [(weight, value) for weight, value in values if value is not None]
    whole = sum(weight for weight, _ in known)
    return (
        sum(weight * value for weight, value in known) / whole
        if known and len(known) == len(values)
        else None
    )


def _percent(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 1) if whole > 0 else None


def _cpu_seconds() -> tuple[float, float, float]:
    """Busy, all and stolen CPU time of all cores; stolen time was another guest's, so it is not busy."""
    times = psutil.cpu_times()
    steal = float(getattr(times, "steal", 0.0))
    idle = times.idle + getattr(times, "iowait", 0.0) + steal
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - idle, total, steal


def _temperature_files(classes: Path) -> list[Path]:
    """Those of the processor: its hwmon chip, else the thermal zones of a board."""
    chips = [path.parent for path in classes.glob("hwmon/hwmon*/name") if _text(path).strip() in _CPU_CHIPS]
    inputs = [path for chip in chips for path in sorted(chip.glob("temp*_input"))]
    return inputs or sorted(classes.glob("thermal/thermal_zone*/temp"))


def _hottest(files: Sequence[Path]) -> float | None:
    return max(map(_celsius, files), default=None)


def _celsius(path: Path) -> float:
    return _number(path) / 1000


def _sum_of(paths: Sequence[Path]) -> int:
    return sum(map(_number, paths))


def _number(path: Path) -> int:
    """0 for a file that cannot be read now, as a sensor of a core that is off."""
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else 0


def _stalled_us(path: Path) -> int | None:
    """`some avg10=0.00 avg60=0.00 avg300=0.00 total=1234` (https://docs.kernel.org/accounting/psi.html)."""
    fields: Mapping[str, str] = dict(
        part.partition("=")[::2] for part in _text(path).partition("\n")[0].split()[1:]
    )
    total = fields.get("total", "")
    return int(total) if total.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
