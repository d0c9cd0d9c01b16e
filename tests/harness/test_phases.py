"""The recorder: phases add up to the total, buffers stay bounded."""

from pathlib import Path

import numpy as np

from qutiperf.harness.phases import PHASES, TOTAL, PhaseRecorder, combine


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
        "queue": 10,
        "prepare": 20,
        "gather": 30,
        "transfer": 0,
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


def test_a_device_clock_cannot_exceed_the_wall() -> None:
    assert combine([recorded(10, compute_ns=999)]).histograms["compute"].mean() == 100


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
