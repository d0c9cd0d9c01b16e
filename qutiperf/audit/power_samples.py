"""spl.txt: the samples of PTDaemon, SPEC's recorder for power meters, read as a stream."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from qutiperf.audit.log_checks import moment

_LABELS = {0: "Time", 2: "Watts", 4: "Volts", 6: "Amps", 8: "PF", 10: "Mark"}
_FIRST_CHANNEL, _CHANNEL_FIELDS, _LONGEST_LINE_BYTES = 12, 9, 4096
# PTDaemon stops a measurement after 500,000 samples
_MOST_SAMPLES = 600_000
# a meter rounds each figure, and averages its power factor apart from its volts and amps
_PRODUCT_TOLERANCE, _SUM_TOLERANCE, _ROUNDING_W = 0.05, 0.001, 0.5


@dataclass(frozen=True, slots=True)
class LoggedWindow:
    """The time between LoadGen's power_begin and power_end, in UTC."""

    begin: datetime
    end: datetime

    @property
    def duration_s(self) -> float:
        return (self.end - self.begin).total_seconds()


@dataclass(slots=True)
class PowerMean:
    """Mean, least and most of the samples that hold a reading; a meter that fails writes 0 W or less."""

    count: int = 0
    read_count: int = 0
    sum_w: float = 0.0
    least_w: float = math.inf
    most_w: float = -math.inf

    def take(self, watts: float) -> None:
        self.count += 1
        if watts > 0 and math.isfinite(watts):
            self.read_count += 1
            self.sum_w += watts
            self.least_w, self.most_w = min(self.least_w, watts), max(self.most_w, watts)

    @property
    def mean_w(self) -> float | None:
        return self.sum_w / self.read_count if self.read_count else None


@dataclass(slots=True)
class PowerSamples:
    """`inside` are the samples of the window; of each fault the first line is kept, counted from 1.

    `longest_gap_s` is that between two samples of which one is inside, ends of the window included.
    """

    whole: PowerMean = field(default_factory=PowerMean)
    inside: PowerMean = field(default_factory=PowerMean)
    longest_gap_s: float = 0.0
    gap_line: int | None = None
    unreadable: int | None = None
    disordered: int | None = None
    other_mark: tuple[int, str] | None = None
    contradiction: tuple[int, str] | None = None
    too_many: bool = False


def read_power_samples(path: Path, window: LoggedWindow, mark: str) -> PowerSamples:
    """`mark` is the measurement's name in each line; raises OSError."""
    samples = PowerSamples()
    last: datetime | None = None
    number = 0
    with path.open("rb") as stream:
        while line := stream.readline(_LONGEST_LINE_BYTES):
            number += 1
            if not line.strip():
                continue
            if samples.whole.count >= _MOST_SAMPLES:
                samples.too_many = True
                break
            taken_at = _take_line(samples, line, number, window, mark)
            if taken_at is not None:
                _take_gap(samples, last, taken_at, number, window)
                last = taken_at
    _take_gap(samples, last, None, number, window)
    return samples


def _take_line(
    samples: PowerSamples, line: bytes, number: int, window: LoggedWindow, mark: str
) -> datetime | None:
    fields = line.decode("utf-8", errors="replace").strip().split(",")
    taken_at = moment(fields[1]) if len(fields) > max(_LABELS) else None
    if taken_at is None or any(fields[index] != label for index, label in _LABELS.items()):
        samples.unreadable = samples.unreadable or number
        return None
    try:
        watts, volts, amps, factor = (float(fields[index]) for index in (3, 5, 7, 9))
        channels = [float(each) for each in fields[_FIRST_CHANNEL + 2 :: _CHANNEL_FIELDS]]
    except ValueError:
        samples.unreadable = samples.unreadable or number
        return None
    own_mark = fields[11] if len(fields) > 11 else ""
    if own_mark != mark and samples.other_mark is None:
        samples.other_mark = number, own_mark[:80]
    samples.whole.take(watts)
    if window.begin < taken_at < window.end:
        samples.inside.take(watts)
    if samples.contradiction is None and (what := _contradiction(watts, volts * amps * factor, channels)):
        samples.contradiction = number, what
    return taken_at


def _contradiction(watts: float, product_w: float, channels: Sequence[float]) -> str | None:
    """A sample whose figures cannot be of one reading; failed readings are not looked at."""
    if not watts > 0 or any(not each > 0 for each in channels):
        return None
    if channels:
        total = sum(channels)
        if abs(total - watts) > _SUM_TOLERANCE * watts + _ROUNDING_W:
            return f"{watts:g} W, and its channels add up to {total:g} W"
    elif abs(product_w - watts) > _PRODUCT_TOLERANCE * watts + _ROUNDING_W:
        return f"{watts:g} W, and volts, amps and power factor make {product_w:.6g} W"
    return None


def _take_gap(
    samples: PowerSamples, last: datetime | None, now: datetime | None, number: int, window: LoggedWindow
) -> None:
    """`last` and `now` are None before the first sample and after the last."""
    if last is not None and now is not None and now < last:
        samples.disordered = samples.disordered or number
        return
    begin = window.begin if last is None else max(last, window.begin)
    end = window.end if now is None else min(now, window.end)
    gap_s = (end - begin).total_seconds()
    if gap_s > samples.longest_gap_s:
        samples.longest_gap_s, samples.gap_line = gap_s, number
