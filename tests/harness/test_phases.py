"""The recorder: phases add up to the total, buffers stay bounded."""

from pathlib import Path

import numpy as np
import pytest

from qutiperf.harness.phases import PHASES, TOTAL, PhaseRecorder, Phases, combine


def recorded(batches: int, compute_ns: int | None = None) -> PhaseRecorder:
    recorder = PhaseRecorder()
    for number in range(batches):
        start = 1_000_000 * number
        recorder.record(start, start + 10, start + 30, start + 60, start + 160, start + 200, compute_ns, 4)
    return recorder


def test_phases_add_up() -> None:
    phases = combine([recorded(5000)])
    means = {name: phases.histograms[name].mean() for name in (*PHASES, TOTAL)}
    assert means == {
        "late": None,
        "queue": 10,
        "prepare": 20,
        "gather": 30,
        "transfer": None,
        "compute": 100,
        "respond": 40,
        "total": 200,
    }
    assert phases.inputs == 20_000
    assert phases.compute_throughput_ips == 4e9 / 100
    assert not phases.device_clock


def test_a_device_clock_parts_compute_from_transfer() -> None:
    phases = combine([recorded(10, compute_ns=70)])
    assert phases.histograms["compute"].mean() == 70
    assert phases.histograms["transfer"].mean() == 30
    assert phases.device_clock


def mixed(*compute_ns: int | None) -> Phases:
    """Calls of 1 ms each, the device's clock as given."""
    recorder = PhaseRecorder()
    for time in compute_ns:
        recorder.record(0, 10, 30, 60, 1_000_060, 1_000_100, time, 4)
    return combine([recorder])


@pytest.mark.parametrize("impossible", [0, -1000, -2, 1_012_100, 10**18])
def test_an_impossible_device_clock_makes_the_run_one_by_the_host(impossible: int) -> None:
    phases = mixed(700_000, impossible, 700_000)
    assert phases.impossible_clocks == 1
    assert not phases.device_clock
    assert phases.histograms["compute"].minimum == phases.histograms["compute"].maximum == 1_000_000
    assert phases.histograms["transfer"].count == 0
    assert phases.compute_throughput_ips == 4e9 / 1_000_000


def test_a_device_clock_may_run_a_little_fast() -> None:
    phases = mixed(1_011_900, 700_000)
    assert phases.impossible_clocks == 0
    assert phases.device_clock
    assert phases.histograms["compute"].maximum == 1_000_000


def test_a_batch_without_device_time_makes_the_run_one_by_the_host() -> None:
    phases = mixed(700_000, None)
    assert (phases.impossible_clocks, phases.device_clock) == (0, False)
    assert phases.histograms["compute"].minimum == 1_000_000


def test_queries_of_a_batch_are_timed_one_by_one() -> None:
    recorder = PhaseRecorder()
    recorder.queries([0, 2], [100, 300])
    recorder.record(100, 400, 400, 410, 450, 460, None, 2)
    recorder.queries([1], [220])
    recorder.record(220, 500, 500, 510, 550, 560, None, 1)
    phases = combine([recorder], np.array([0, 110, 200]))
    sums = {name: histogram.total for name, histogram in phases.histograms.items() if histogram.count}
    assert {name: phases.histograms[name].count for name in sums} == dict.fromkeys(sums, 3)
    assert sums["late"] == 0 + (220 - 110 - 100) + 0
    assert sums["queue"] == (400 - 100) + (400 - 300) + (500 - 220)
    assert sums["total"] == sum(value for name, value in sums.items() if name != "total")
    assert phases.inputs == 3


def test_without_a_schedule_queries_are_timed_from_their_issue() -> None:
    recorder = PhaseRecorder()
    recorder.queries([0, 1], [100, 300])
    recorder.record(100, 400, 400, 410, 450, 460, None, 2)
    phases = combine([recorder])
    assert phases.histograms["late"].count == 0
    assert phases.histograms["total"].total == 360 + 160


def test_throughput_adds_over_streams_that_worked() -> None:
    phases = combine([recorded(10), recorded(20), recorded(0)])
    assert phases.compute_throughput_ips == 2 * 4e9 / 100


def test_windows_stay_bounded_and_lose_nothing() -> None:
    recorder = recorded(4096 * 100)
    phases = combine([recorder])
    assert len(phases.windows) < 128
    assert sum(window[2] for window in phases.windows) == phases.inputs == 4096 * 400
    assert phases.unsteadiness_percent() == 0


def test_unsteadiness_sees_a_slow_part() -> None:
    recorder = PhaseRecorder()
    for number in range(1000):
        compute = 100 if number < 800 else 150
        recorder.record(number, number, number, number, number + compute, number + compute, None, 1)
    assert combine([recorder]).unsteadiness_percent() == 50


def test_short_runs_have_no_unsteadiness() -> None:
    assert combine([recorded(3)]).unsteadiness_percent() is None


def test_saving_keeps_counts(tmp_path: Path) -> None:
    phases = combine([recorded(10)])
    phases.save(tmp_path / "phases.npz")
    with np.load(tmp_path / "phases.npz") as saved:
        assert saved["compute_buckets"].tolist() == [100]
        assert saved["compute_counts"].tolist() == [10]
        assert saved["windows"].sum(axis=0)[2] == 40
