"""Waits until the machine is cool, idle and charged enough for a run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from qutiperf.errors import RunError, SetupError
from qutiperf.results.record import Waited
from qutiperf.spec.before import Before
from qutiperf.surroundings import temperature_c
from qutiperf.units import format_duration, format_number

_LOOK_S = 1.0
_SHORT_PAUSE_S = 10.0  # not worth a note
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: the current value, and whether it may be above or has to be below the bound."""

    key: str
    name: str
    unit: str
    value: float | None
    bound: float
    below: bool

    @property
    def holds(self) -> bool:
        if self.value is None:
            return False
        return self.value < self.bound if self.below else self.value > self.bound

    @property
    def text(self) -> str:
        """`the temperature is 71 °C, not below 60 °C`."""
        side = "below" if self.below else "above"
        now = "unknown" if self.value is None else f"{format_number(self.value, 3)} {self.unit}"
        return f"{self.name} is {now}, not {side} {format_number(self.bound, 3)} {self.unit}"


class Readiness:
    """The conditions of this machine; files are below `root`, so that a recorded tree can stand in."""

    def __init__(self, before: Before, root: Path = Path("/"), pause: Sleep = sleep) -> None:
        self._before, self._root, self._pause = before, root, pause
        self._busy = _cpu_times(root)

    def look(self) -> list[Condition]:
        """All conditions now; the use of the cores is that of the time since the last look."""
        return list(self._conditions())

    def _conditions(self) -> Iterator[Condition]:
        before = self._before
        if (bound := before.temperature_below_c) is not None:
            value = temperature_c(self._root)
            yield Condition("temperature_below_c", "the temperature", "°C", value, bound, below=True)
        if (bound := before.busy_below_percent) is not None:
            name = "the use of the cores"
            yield Condition("busy_below_percent", name, "%", self._busy_percent(), bound, below=True)
        if (bound := before.battery_above_percent) is not None:
            value = battery_percent(self._root)
            yield Condition("battery_above_percent", "the battery", "%", value, bound, below=False)

    def _busy_percent(self) -> float | None:
        earlier, self._busy = self._busy, _cpu_times(self._root)
        if earlier is None or self._busy is None:
            return None
        busy, whole = self._busy[0] - earlier[0], self._busy[1] - earlier[1]
        return 100 * busy / whole if whole > 0 else None

    def wait(self, announce: Callable[[str], None]) -> Waited:
        """Pauses, then waits until all conditions hold at once; `announce` gets a line if that takes long.

        Raises RunError if they do not hold within the limit.
        """
        before, started = self._before, monotonic()
        if before.pause_s >= _SHORT_PAUSE_S:
            announce(f"pauses for {format_duration(before.pause_s)}")
        if before.pause_s:
            self._pause(before.pause_s)
        if not before.has_conditions:
            return Waited(seconds=round(monotonic() - started, 3))
        waited_s, announced = 0.0, False
        self.look()  # the use of the cores is measured from here on
        while True:
            self._pause(_LOOK_S)
            conditions = self.look()
            missed = [each for each in conditions if not each.holds]
            if not missed:
                met = {each.key: each.value for each in conditions if each.value is not None}
                return Waited(seconds=round(monotonic() - started, 3), met=met)
            waited_s += _LOOK_S
            if waited_s > before.wait_limit_s:
                raise _never_ready(missed, before)
            if not announced:
                reason = "; ".join(each.text for each in missed)
                announce(f"waits up to {format_duration(before.wait_limit_s)}: {reason}")
                announced = True


def _never_ready(missed: list[Condition], before: Before) -> RunError:
    what = f"was not started: after {format_duration(before.wait_limit_s)}, "
    reasons = " and ".join(each.text for each in missed)
    keys = ", ".join(f"before.{each.key}" for each in missed)
    return RunError(what + reasons, cure=f"see {keys} and before.wait_limit_s")


def check_before(before: Before | None, root: Path = Path("/")) -> None:
    """Raises SetupError for a condition whose value this machine does not report."""
    if before is None:
        return
    sources: dict[str, Callable[[Path], object]] = {
        "temperature_below_c": temperature_c,
        "busy_below_percent": _cpu_times,
        "battery_above_percent": battery_percent,
    }
    for key, source in sources.items():
        if getattr(before, key) is not None and source(root) is None:
            what = "this machine does not report it"
            raise SetupError(what, where=f"before.{key}", cure="leave this condition out")


def battery_percent(root: Path = Path("/")) -> float | None:
    """Charge of the emptiest battery of the machine, not of a mouse; None without one.

    The files are those of https://docs.kernel.org/power/power_supply_class.html.
    """
    charges = []
    for folder in sorted((root / "sys/class/power_supply").glob("*")):
        if _text(folder / "type") == "Battery" and _text(folder / "scope") != "Device":
            charge = _text(folder / "capacity")
            charges += [float(charge)] if charge.isascii() and charge.isdigit() else []
    return min(charges, default=None)


def _cpu_times(root: Path) -> tuple[float, float] | None:
    """Busy and all ticks of all cores: user nice system idle iowait irq softirq steal (man 5 proc_stat)."""
    name, *fields = _text(root / "proc/stat").partition("\n")[0].split() or [""]
    if name != "cpu" or len(fields) < 8 or not all(each.isascii() and each.isdigit() for each in fields[:8]):
        return None
    ticks = [float(each) for each in fields[:8]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
