"""A run that is held for long: its throughput over time, and when it throttled."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qutiperf.regular_file import unreadable
from qutiperf.results.record import Sustained, ThrottleSign
from qutiperf.surroundings import EnvironmentRow

SUSTAINED_CSV = "sustained.csv"
COLUMNS = ("begin_s", "end_s", "inputs", "throughput_ips")
SLOW_CLOCK_SHARE = 0.8  # of the highest clock so far
FOREIGN_PERCENT = 10.0
_WINDOW_S = 60.0
_WINDOW_SHARE = 0.1
_MOST_BYTES = 16 << 20
_LEAST_INTERVALS = 10  # below that there is no noise to compare a drop with
_SMOOTHED = 5  # intervals of a running median, and of the shortest drop
_DROP_SHARE = 0.05
_DROP_SIGMAS = 3.0
_ROWS = 3  # of environment.csv in sequence, for a clock that fell

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """Inputs answered between two moments, in seconds since the first query was issued."""

    begin_s: float
    end_s: float
    inputs: int

    @property
    def throughput_ips(self) -> float:
        return self.inputs / (self.end_s - self.begin_s)


def write_intervals(path: Path, intervals: Iterable[Interval]) -> None:
    """One line for each interval; raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for each in intervals:
            seconds = f"{each.begin_s:.6f}", f"{each.end_s:.6f}"
            writer.writerow([*seconds, each.inputs, f"{each.throughput_ips:.6g}"])


def read_intervals(path: Path) -> list[Interval]:
    """Those of a sustained.csv; an empty list if the file is missing or damaged."""
    if unreadable(path, _MOST_BYTES):
        return []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [
                Interval(float(row["begin_s"]), float(row["end_s"]), int(row["inputs"]))
                for row in csv.DictReader(stream)
            ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []
    whole = all(np.isfinite((row.begin_s, row.end_s)).all() and row.end_s > row.begin_s for row in rows)
    return rows if whole else []


def sustained_of(
    intervals: Sequence[Interval], requested_s: float, rows: Sequence[EnvironmentRow], begin_s: float
) -> Sustained | None:
    """What a held run shows; None without intervals.

    `rows` are those of environment.csv; by their clock, the first query was issued at `begin_s`. The
    first and the last window are a minute, or a tenth of the run if that is shorter.
    """
    if not intervals:
        return None
    held_s = intervals[-1].end_s
    window_s = min(_WINDOW_S, _WINDOW_SHARE * held_s)
    meanwhile = _meanwhile(rows, begin_s, held_s)
    signs = sorted(
        [*_events(meanwhile), *_slow_clock(meanwhile), *_drop(intervals, window_s, meanwhile)],
        key=lambda sign: sign.at_s,
    )
    throttled = [sign.at_s for sign in signs if sign.kind != "other programs"]
    temperatures = [value for _, row in meanwhile if (value := row.get("temperature_c")) is not None]
    return Sustained(
        requested_s=requested_s,
        held_s=held_s,
        begin_s=begin_s,
        intervals=len(intervals),
        window_s=window_s,
        first_ips=throughput(intervals, 0.0, window_s),
        last_ips=throughput(intervals, held_s - window_s, held_s),
        throttled_s=min(throttled, default=None),
        signs=signs,
        first_temperature_c=temperatures[0] if temperatures else None,
        highest_temperature_c=max(temperatures, default=None),
    )


def throughput(intervals: Sequence[Interval], begin_s: float, end_s: float) -> float | None:
    """Inputs per second between two moments; intervals that overlap one count by their share."""
    inputs = 0.0
    for each in intervals:
        overlap = min(each.end_s, end_s) - max(each.begin_s, begin_s)
        if overlap > 0:
            inputs += each.inputs * overlap / (each.end_s - each.begin_s)
    return inputs / (end_s - begin_s) if end_s > begin_s else None


Moment = tuple[float, EnvironmentRow]


def _meanwhile(rows: Sequence[EnvironmentRow], begin_s: float, held_s: float) -> list[Moment]:
    """The samples of the machine during the hold, by its clock."""
    moments = [((row.get("elapsed_s") or 0.0) - begin_s, row) for row in rows]
    return [(moment, row) for moment, row in moments if 0 < moment <= held_s]


def _events(meanwhile: Sequence[Moment]) -> list[ThrottleSign]:
    """The first sample in which the processor counted throttling."""
    for moment, row in meanwhile:
        if count := row.get("throttle_count"):
            text = f"the processor reported throttling, {count:.0f} times in a second{_hot(row)}"
            return [ThrottleSign(kind="throttle count", at_s=round(moment, 3), text=text)]
    return []


def _slow_clock(meanwhile: Sequence[Moment]) -> list[ThrottleSign]:
    """The first of three samples in sequence whose clock is below 80 % of the highest before them."""
    highest, slow = 0.0, 0
    for number, (_, row) in enumerate(meanwhile):
        clock = row.get("cpu_frequency_max_mhz")
        if not clock:
            continue
        slow = slow + 1 if clock < SLOW_CLOCK_SHARE * highest else 0
        highest = max(highest, clock)
        if slow == _ROWS:
            moment, first = meanwhile[number - _ROWS + 1]
            share = 100 * (first.get("cpu_frequency_max_mhz") or clock) / highest
            text = f"the clock of the fastest core fell to {share:.0f} % of its highest{_hot(first)}"
            return [ThrottleSign(kind="clock", at_s=round(moment, 3), text=text)]
    return []


def _hot(row: EnvironmentRow) -> str:
    temperature = row.get("temperature_c")
    return "" if temperature is None else f" at {temperature:.0f} °C"


def _drop(intervals: Sequence[Interval], window_s: float, meanwhile: Sequence[Moment]) -> list[ThrottleSign]:
    """The first five intervals in sequence below the start by 5 % and by three standard deviations.

    The noise is that between neighbouring intervals, so that a drift does not count as noise.
    """
    rates = np.array([each.throughput_ips for each in intervals])
    if len(rates) < _LEAST_INTERVALS:
        return []
    started = [rate for each, rate in zip(intervals, rates, strict=True) if each.end_s <= window_s]
    level = float(np.median(started if len(started) >= _SMOOTHED else rates[:_SMOOTHED]))
    steps = np.diff(rates)
    sigma = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / 2**0.5
    least = level - max(_DROP_SHARE * level, _DROP_SIGMAS * sigma)
    low = _running_median(rates) < least
    run = 0
    for number, below in enumerate(low):
        run = run + 1 if below else 0
        if run == _SMOOTHED:
            return [_fallen(intervals, rates, level, number - _SMOOTHED + 1, low, meanwhile)]
    return []


def _running_median(rates: Numbers) -> Numbers:
    """Of each five values; of fewer at both ends."""
    half = _SMOOTHED // 2
    return np.array(
        [np.median(rates[max(place - half, 0) : place + half + 1]) for place in range(len(rates))]
    )


def _fallen(
    intervals: Sequence[Interval],
    rates: Numbers,
    level: float,
    first: int,
    low: npt.NDArray[np.bool_],
    meanwhile: Sequence[Moment],
) -> ThrottleSign:
    """The sign for a drop from an interval on; a drop with other programs running may be theirs."""
    rest = np.flatnonzero(~low[first:])
    last = first + int(rest[0]) - 1 if len(rest) else len(rates) - 1
    begin_s, end_s = intervals[first].begin_s, intervals[last].end_s
    percent = 100 * (1 - float(np.median(rates[first : last + 1])) / level)
    until = "to the end" if last == len(rates) - 1 else f"until {end_s:.0f} s"
    text = f"throughput was {percent:.0f} % lower than at the start, {until}"
    foreign = [
        value
        for moment, row in meanwhile
        if begin_s < moment <= end_s and (value := row.get("foreign_cpu_percent")) is not None
    ]
    others = float(np.mean(foreign)) if foreign else 0.0
    if others > FOREIGN_PERCENT:
        text += f", while other processes used {others:.0f} % of the cores"
        return ThrottleSign(kind="other programs", at_s=round(begin_s, 3), text=text)
    return ThrottleSign(kind="throughput", at_s=round(begin_s, 3), text=text)
