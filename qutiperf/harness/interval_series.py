"""Inputs answered over the time of a held run: counted when stamps are folded, in bounded memory."""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qutiperf.results.sustained import Interval
from qutiperf.units import ns_from_seconds, seconds_from_ns

Integers = npt.NDArray[np.int64]
_MOST = 8192  # intervals of a stream, before pairs of them are joined
_SHARE = 60  # of a short hold: its interval
_LONGEST_NS = 1_000_000_000
_BATCHES = 8  # on average in an interval of the result, so that a batch more or less is not a jump
_FEWEST = 20  # intervals that are not joined further for that


class HoldClock:
    """The begin of a held run, which all of its streams count from: the first query that was issued.

    LoadGen prepares all queries after it has loaded the samples, which can take many seconds.
    """

    def __init__(self, hold_s: float) -> None:
        self.interval_ns = max(min(ns_from_seconds(hold_s / _SHARE), _LONGEST_NS), 1)
        self._lock, self._start_ns = threading.Lock(), -1

    def start_ns(self, issued: int) -> int:
        """The perf_counter_ns of the begin, which the stream that counts first gives."""
        with self._lock:
            if self._start_ns < 0:
                self._start_ns = issued
            return self._start_ns


class IntervalSeries:
    """The inputs and batches of one stream, by the interval in which they were answered."""

    def __init__(self, clock: HoldClock) -> None:
        self._clock = clock
        self.interval_ns = clock.interval_ns
        self.inputs = np.zeros(_MOST, np.int64)
        self.batches = np.zeros(_MOST, np.int64)
        self.last_ns = 0

    def add(self, issued: Integers, completed: Integers, inputs: Integers) -> None:
        """Counts batches by their perf_counter_ns of completion; at least one."""
        since = np.maximum(completed - self._clock.start_ns(int(issued[0])), 0)
        last_ns = int(since.max())
        while last_ns >= _MOST * self.interval_ns:
            self.coarsen()
        places = since // self.interval_ns
        self.inputs += np.bincount(places, inputs, _MOST).astype(np.int64)
        self.batches += np.bincount(places, None, _MOST)
        self.last_ns = max(self.last_ns, last_ns)

    def coarsen(self) -> None:
        """Joins pairs of intervals."""
        for counts in (self.inputs, self.batches):
            counts[: _MOST // 2] = counts[::2] + counts[1::2]
            counts[_MOST // 2 :] = 0
        self.interval_ns *= 2


def intervals_of(series: Sequence[IntervalSeries]) -> list[Interval]:
    """The streams of a run together; the last interval ends with the last answer, or joins the one before."""
    used = [each for each in series if each.last_ns]
    if not used:
        return []
    coarsest = max(each.interval_ns for each in used)
    for each in used:
        while each.interval_ns < coarsest:
            each.coarsen()
    last_ns = max(each.last_ns for each in used)
    count = last_ns // coarsest + 1
    inputs = sum((each.inputs for each in used), np.zeros(_MOST, np.int64))[:count]
    batches = sum((each.batches for each in used), np.zeros(_MOST, np.int64))[:count]
    while len(inputs) >= 2 * _FEWEST and batches.sum() < _BATCHES * len(batches):
        inputs, batches, coarsest = _pairs(inputs), _pairs(batches), 2 * coarsest
    bounds = [*range(0, len(inputs) * coarsest, coarsest), last_ns]
    if len(inputs) > 1 and bounds[-1] - bounds[-2] < coarsest // 2:
        inputs = np.append(inputs[:-2], inputs[-2:].sum())
        del bounds[-2]
    return [
        Interval(seconds_from_ns(begin), seconds_from_ns(end), int(each))
        for begin, end, each in zip(bounds[:-1], bounds[1:], inputs, strict=True)
    ]


def _pairs(counts: Integers) -> Integers:
    even = np.append(counts, 0) if len(counts) % 2 else counts
    joined: Integers = even[::2] + even[1::2]
    return joined
