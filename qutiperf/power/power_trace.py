"""What a meter recorded, and its evaluation over a window of time."""

import bisect
import csv
import itertools
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qutiperf.power.meter import Rail, Reading
from qutiperf.power.stamped_lines import HEADER
from qutiperf.units import NANOSECONDS_PER_SECOND, seconds_from_ns

# More than any board or processor takes: a step of a counter that needs more is not a wrap but a reset.
MOST_WATTS = 5000.0


@dataclass(frozen=True, slots=True)
class MeterWindow:
    """From and to, UTC in ns since 1970."""

    begin_ns: int
    end_ns: int

    @property
    def duration_s(self) -> float:
        return seconds_from_ns(self.end_ns - self.begin_ns)


@dataclass(frozen=True, slots=True)
class RailEnergy:
    """One rail over a window. `energy_j` is None if its readings do not cover the window.

    `largest_gap_s` is the longest time without a reading, `end_gap_s` the longer of the two steps in which an
    end was interpolated. `backwards` counts falls of a counter that are not a wrap, `standing_s` is the
    longest time for which the value was the same. `changes` are those of the value in all `known_s` seconds
    that are recorded; `update_s` is the documented time between two values, else that of these changes.
    """

    rail: Rail
    energy_j: float | None
    readings: int
    largest_gap_s: float | None
    end_gap_s: float | None
    wraps: int
    backwards: int
    standing_s: float
    update_s: float | None
    changes: int
    known_s: float


@dataclass(slots=True)
class PowerTrace:
    """The readings of one meter by rail, in the order of their time; another of the same moment is dropped.

    `stamped`: the source gives the times, so that every reading is a new value.
    """

    rails: list[Rail]
    stamped: bool = False
    times: "dict[str, array[int]]" = field(default_factory=dict)
    values: "dict[str, array[float]]" = field(default_factory=dict)
    unexpected: set[str] = field(default_factory=set)

    def add(self, reading: Reading) -> None:
        if all(rail.name != reading.rail for rail in self.rails):
            self.unexpected.add(reading.rail)
            return
        times = self.times.setdefault(reading.rail, array("q"))
        values = self.values.setdefault(reading.rail, array("d"))
        if times and reading.time_ns <= times[-1]:
            return
        times.append(reading.time_ns)
        values.append(reading.value)

    def forget(self, before_ns: int) -> None:
        """Drops readings before a moment."""
        for rail, times in self.times.items():
            count = bisect.bisect_left(times, before_ns)
            del times[:count], self.values[rail][:count]

    def over(self, window: MeterWindow) -> list[RailEnergy]:
        """Every rail over a window."""
        return [self._rail_over(rail, window) for rail in self.rails]

    def _of(self, rail: Rail) -> "tuple[array[int], array[float]]":
        return self.times.get(rail.name, array("q")), self.values.get(rail.name, array("d"))

    def readings(self, rail: Rail, window: MeterWindow) -> list[Reading]:
        """Those of a rail within a window."""
        times, values = self._of(rail)
        first, last = bisect.bisect_left(times, window.begin_ns), bisect.bisect_right(times, window.end_ns)
        return [Reading(times[index], rail.name, values[index]) for index in range(first, last)]

    def _rail_over(self, rail: Rail, window: MeterWindow) -> RailEnergy:
        times, values = self._of(rail)
        first = max(bisect.bisect_right(times, window.begin_ns) - 1, 0)
        last = bisect.bisect_left(times, window.end_ns) + 1
        part_times, part_values = times[first:last], values[first:last]
        covered = (
            len(part_times) > 1
            and window.duration_s > 0
            and part_times[0] <= window.begin_ns
            and part_times[-1] >= window.end_ns
        )
        wraps, backwards, counted = 0, 0, list(part_values)
        if rail.quantity == "energy":
            counted, wraps, backwards = unwrapped(part_times, part_values, rail.wraps_at_j)
        gaps = [seconds_from_ns(after - before) for before, after in itertools.pairwise(part_times)]
        return RailEnergy(
            rail=rail,
            energy_j=_energy(rail, part_times, counted, window) if covered else None,
            readings=sum(window.begin_ns <= time <= window.end_ns for time in part_times),
            largest_gap_s=max(gaps, default=None),
            end_gap_s=max(gaps[0], gaps[-1]) if gaps else None,
            wraps=wraps,
            backwards=backwards,
            standing_s=_standing_s(part_times, part_values),
            update_s=rail.update_s or _update_s(times, values, stamped=self.stamped),
            changes=_changes(values),
            known_s=seconds_from_ns(times[-1] - times[0]) if times else 0.0,
        )


def _energy(rail: Rail, times: Sequence[int], values: Sequence[float], window: MeterWindow) -> float:
    if rail.quantity == "energy":
        return interpolated(times, values, window.end_ns) - interpolated(times, values, window.begin_ns)
    return trapezoid(times, values, window)


def interpolated(times: Sequence[int], values: Sequence[float], moment_ns: int) -> float:
    """The value at a moment between the first and the last time, on the line between two readings."""
    after = min(max(bisect.bisect_left(times, moment_ns), 1), len(times) - 1)
    before = after - 1
    share = (moment_ns - times[before]) / (times[after] - times[before])
    return values[before] + share * (values[after] - values[before])


def trapezoid(times: Sequence[int], watts: Sequence[float], window: MeterWindow) -> float:
    """Joules of a window that the times cover; the power at its ends is interpolated."""
    inside = [index for index, time in enumerate(times) if window.begin_ns < time < window.end_ns]
    moments = [window.begin_ns, *(times[index] for index in inside), window.end_ns]
    powers = [
        interpolated(times, watts, window.begin_ns),
        *(watts[index] for index in inside),
        interpolated(times, watts, window.end_ns),
    ]
    return (
        sum(
            (powers[index] + powers[index + 1]) / 2 * (moments[index + 1] - moments[index])
            for index in range(len(moments) - 1)
        )
        / NANOSECONDS_PER_SECOND
    )


def unwrapped(
    times: Sequence[int], joules: Sequence[float], wraps_at_j: float | None
) -> tuple[list[float], int, int]:
    """A counter that never falls, the number of its wraps, and of its falls that cannot be wraps.

    A fall is a wrap if the energy from the last value to the end of the range and on to the new value is one
    that a device could take in the time. Any other fall is a reset, and adds nothing.
    """
    total, wraps, backwards = list(joules[:1]), 0, 0
    for index in range(1, len(joules)):
        step = joules[index] - joules[index - 1]
        if step < 0:
            elapsed_s = seconds_from_ns(times[index] - times[index - 1])
            around = step + wraps_at_j if wraps_at_j else -1.0
            if 0 <= around <= MOST_WATTS * elapsed_s:
                step, wraps = around, wraps + 1
            else:
                step, backwards = 0.0, backwards + 1
        total.append(total[-1] + step)
    return total, wraps, backwards


def _standing_s(times: Sequence[int], values: Sequence[float]) -> float:
    """The longest time between readings of one value in a row."""
    longest, since = 0, times[0] if times else 0
    for index in range(1, len(times)):
        if values[index] != values[index - 1]:
            since = times[index]
        longest = max(longest, times[index] - since)
    return seconds_from_ns(longest)


def _update_s(times: Sequence[int], values: Sequence[float], *, stamped: bool) -> float | None:
    """The median time between two values of the sensor; None with fewer than three."""
    changes = [
        times[index] for index in range(1, len(times)) if stamped or values[index] != values[index - 1]
    ]
    steps = sorted(after - before for before, after in itertools.pairwise(changes))
    return seconds_from_ns(steps[len(steps) // 2]) if len(steps) > 1 else None


def _changes(values: Sequence[float]) -> int:
    return sum(values[index] != values[index - 1] for index in range(1, len(values)))


def write_readings(path: Path, traces: Iterable[tuple[str, PowerTrace]], window: MeterWindow) -> None:
    """Power over time: the readings of every meter from a second before the window to one after it."""
    margin = NANOSECONDS_PER_SECOND
    around = MeterWindow(window.begin_ns - margin, window.end_ns + margin)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["meter", *HEADER])
        for meter, trace in traces:
            for rail in trace.rails:
                for reading in trace.readings(rail, around):
                    value = f"{reading.value:.6f}"
                    cells = ["", value] if rail.quantity == "energy" else [value, ""]
                    writer.writerow([meter, seconds_text(reading.time_ns), rail.name, *cells])


def seconds_text(time_ns: int) -> str:
    """Seconds since 1970 with nine decimals, exactly."""
    whole, rest = divmod(time_ns, NANOSECONDS_PER_SECOND)
    return f"{whole}.{rest:09d}"


def reading_of(line: str) -> Reading:
    """The reading of a line that the sampler wrote: time in ns, rail, value; raises ValueError."""
    time, value, rail = line.rstrip("\n").split(",", 2)
    return Reading(int(time), rail, float(value))


def line_of(reading: Reading) -> str:
    return f"{reading.time_ns},{reading.value!r},{reading.rail}\n"
