"""Inputs over the time of a held run: nothing is lost, memory is bounded."""

import numpy as np
import pytest

from qutiperf.harness.interval_series import HoldClock, IntervalSeries, intervals_of
from qutiperf.harness.phases import PhaseRecorder

SECOND = 1_000_000_000


def series_of(clock: HoldClock, ends_ns: list[int], inputs: int = 4) -> IntervalSeries:
    series = IntervalSeries(clock)
    ends = np.array(ends_ns, np.int64)
    series.add(np.full(len(ends), 5 * SECOND, np.int64), ends, np.full(len(ends), inputs, np.int64))
    return series


@pytest.mark.parametrize(("hold_s", "interval_s"), [(6.0, 0.1), (60.0, 1.0), (36_000.0, 1.0)])
def test_an_interval_is_a_sixtieth_of_the_hold_and_a_second_at_most(hold_s: float, interval_s: float) -> None:
    assert HoldClock(hold_s).interval_ns == round(interval_s * SECOND)


def test_streams_are_added_from_the_first_query_on() -> None:
    clock = HoldClock(60)
    tenths = [5 * SECOND + number * SECOND // 10 for number in range(1, 100)]
    both = [series_of(clock, tenths), series_of(clock, tenths[:49])]
    intervals = intervals_of(both)
    assert [each.inputs for each in intervals] == [72, 80, 80, 80, 80, 40, 40, 40, 40, 40]
    assert sum(each.inputs for each in intervals) == 4 * (99 + 49)
    assert intervals[0].begin_s == 0
    assert intervals[-1].end_s == 9.9
    assert intervals[1].throughput_ips == 80


def test_a_last_interval_of_less_than_half_joins_the_one_before() -> None:
    ends = [5 * SECOND + number * SECOND // 10 for number in range(1, 33)]
    intervals = intervals_of([series_of(HoldClock(60), ends)])
    assert [(each.end_s, each.inputs) for each in intervals] == [(1.0, 36), (2.0, 40), (3.2, 52)]


def test_intervals_of_few_batches_are_joined() -> None:
    ends = [5 * SECOND + number * 2 * SECOND for number in range(1, 301)]
    intervals = intervals_of([series_of(HoldClock(600), ends)])
    assert {each.end_s - each.begin_s for each in intervals[:-1]} == {16.0}
    assert sum(each.inputs for each in intervals) == 1200


def test_memory_is_bounded_for_a_hold_of_any_length() -> None:
    series = IntervalSeries(HoldClock(60))
    for hour in range(24):
        ends = np.arange(1, 3601, dtype=np.int64) * SECOND + 3600 * SECOND * hour
        series.add(np.zeros(3600, np.int64), ends, np.ones(3600, np.int64))
    assert series.inputs.nbytes == 8 * 8192
    assert series.interval_ns == 16 * SECOND
    assert sum(each.inputs for each in intervals_of([series])) == 24 * 3600


def test_a_stream_that_answered_nothing_does_not_count() -> None:
    assert intervals_of([IntervalSeries(HoldClock(60))]) == []


def test_a_recorder_counts_every_batch_once() -> None:
    recorder = PhaseRecorder()
    recorder.series = IntervalSeries(HoldClock(60))
    for number in range(10_000):
        start = SECOND + number * 1_000_000
        recorder.record(start, start, start, start, start + 900_000, start + 1_000_000, None, 2)
    recorder.fold()
    intervals = intervals_of([recorder.series])
    assert [each.inputs for each in intervals] == [1998, *[2000] * 8, 2002]
    assert intervals[-1].end_s == 10.0
