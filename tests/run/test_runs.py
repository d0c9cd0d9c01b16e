"""Whole runs from the command line: results, failures, resuming, interruption."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main as qutiperf
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store, read_record
from qutiperf.results.sustained import read_intervals
from qutiperf.run import watch, worker_events
from tests.conftest import FAULTY, SutFile

SweepFile = Callable[..., Path]
SIMULATED = "simulated"
TIMES = "options: {latency_us: 400, latency_per_input_us: 100}\n"


def run(sweep: Path, out: Path, *more: str) -> int:
    return qutiperf(["run", str(sweep), "--out", str(out), *more], debug=True)


def failures(out: Path) -> list[RunRecord]:
    return [record for record in Store.open(out).records() if record.failure]


@pytest.mark.slow
def test_a_simulated_device_is_measured_as_fast_as_it_is(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(SIMULATED, extra=TIMES), "[SingleStream, MultiStream, Offline]")
    assert run(sweep, out) == 0
    records = {
        record.point.scenario.value: record
        for record in Store.open(out).latest()
        if record.point.mode.value == "PerformanceOnly"
    }
    assert all(record.valid for record in records.values())
    single, multi, offline = records["SingleStream"], records["MultiStream"], records["Offline"]
    assert single.figures.compute_latency_p50_ms == pytest.approx(0.5, rel=1e-3)
    assert multi.figures.compute_latency_p50_ms == pytest.approx(1.2, rel=1e-3)
    assert offline.figures.compute_throughput_ips == pytest.approx(8 / 0.0012, rel=0.05)
    assert offline.figures.system_latency_p50_ms is None
    for record in (single, multi):
        assert record.figures.system_latency_p50_ms is not None
        assert record.figures.system_latency_p50_ms >= (record.figures.compute_latency_p50_ms or 0)
    assert single.observed is not None
    assert single.observed.compute_clock == "device"
    assert single.harness_tax is not None


@pytest.mark.slow
@pytest.mark.parametrize("streams", [1, 2])
def test_batches_of_offline_are_full_however_slow_they_are(
    streams: int, sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sut = sut_file(SIMULATED, extra="options: {latency_per_input_us: 3000}\n")
    sweep = sweep_file(sut, extra="modes: [PerformanceOnly]\n")
    settings = ["settings.min_duration_s=0.05", "deployment.batch_size=64", f"deployment.streams={streams}"]
    assert run(sweep, out, *(word for each in settings for word in ("--set", each))) == 0
    [record] = Store.open(out).latest()
    assert record.figures.compute_latency_p50_ms == pytest.approx(64 * 3, rel=0.01)
    assert record.figures.compute_latency_p99_ms == pytest.approx(64 * 3, rel=0.01)
    assert record.observed is not None
    assert record.observed.inputs == 3 * 64 * streams


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["MultiStream", "Server"])
def test_phases_add_up_to_what_loadgen_saw(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, scenario: str
) -> None:
    out = tmp_path / "results"
    assert run(sweep_file(sut_file(SIMULATED, extra=TIMES), f"[{scenario}]"), out) == 0
    record = next(r for r in Store.open(out).latest() if r.point.mode.value == "PerformanceOnly")
    assert record.observed is not None
    assert record.loadgen is not None
    phases = record.observed.phases
    assert ("late" in phases) is (scenario == "Server")
    parts = sum(time.mean_ns for name, time in phases.items() if name != "total")
    assert parts == pytest.approx(phases["total"].mean_ns, rel=1e-6)
    assert parts == pytest.approx(record.loadgen.latency_ns["mean"], rel=0.1)


@pytest.mark.slow
def test_records_are_whole(sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert run(sweep_file(sut_file(SIMULATED, extra=TIMES)), out) == 0
    folders = Store.open(out).run_folders()
    assert len(folders) == 2
    for folder in folders:
        record = read_record(folder)
        assert folder.name == f"{record.run_id}-{record.attempt}"
        names = {path.name for path in folder.iterdir()}
        assert {
            "record.json",
            "phases.npz",
            "environment.csv",
            "mlperf_log_detail.txt",
            "mlperf_log_summary.txt",
        } <= names
        assert {"sut:device", "workload:digits-mlp-12.5-fp32", "scenario:Offline"} <= set(
            record.inputs.files_sha256
        )
    assert not (out / ".staging").exists()


@pytest.mark.slow
def test_adapter_options_are_shown_where_they_differ(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(SIMULATED), extra="modes: [PerformanceOnly]\n")
    assert run(sweep, out, "--set", "deployment.latency_us=100.0,200.0") == 0
    capsys.readouterr()
    assert qutiperf(["show", str(out)], debug=False) == 0
    shown = capsys.readouterr().out
    assert "latency_us" in shown
    assert "200" in shown


@pytest.mark.slow
def test_a_test_that_ends_too_early_is_repeated_until_its_estimate_holds(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(f"{FAULTY}:SpeedsUp"), "[Offline]", "modes: [PerformanceOnly]\n")
    assert run(sweep, out) == 0
    [record] = Store.open(out).records()
    assert record.observed is not None
    assert record.observed.probe is not None
    assert record.valid
    assert 2 < record.observed.probe.attempts <= 5


@pytest.mark.slow
def test_resuming_repeats_nothing_valid_and_retries_failures_once(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    sut_file(SIMULATED, name="healthy", extra=TIMES)
    faulty = sut_file(f"{FAULTY}:RaisesInInfer")
    sweep = sweep_file(f"{faulty}, {tmp_path / 'healthy.yaml'}", extra="modes: [PerformanceOnly]\n")
    for expected in (2, 3, 3):
        assert run(sweep, out) == 4
        assert len(list(Store.open(out).records())) == expected
    assert sorted(record.attempt for record in failures(out)) == [1, 2]
    assert "2 of 2 runs are done already" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_sweep_keeps_what_it_has(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(
        sut_file(SIMULATED, extra=TIMES), "[Offline, MultiStream]", "modes: [PerformanceOnly]\n"
    )
    command = [
        sys.executable,
        "-m",
        "qutiperf",
        "run",
        str(sweep),
        "--out",
        str(out),
        "--set",
        "settings.min_duration_s=1.5",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob("*-1/record.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in error
    [record] = Store.open(out).records()
    assert record.valid
    assert not (out / ".staging").exists()


@pytest.mark.slow
def test_accuracy_beside_performance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sweep_file: SweepFile
) -> None:
    out = tmp_path / "results"
    assert run(sweep_file("cpu-onnxruntime", extra=""), out, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    accuracy, offline = rows
    assert accuracy["mode"] == "AccuracyOnly"
    assert offline["top1_percent"] == accuracy["top1_percent"] > 90
    assert offline["top5_percent"] == accuracy["top5_percent"] > 99
    assert offline["valid"] is True


@pytest.mark.slow
def test_end_to_end_serial_and_pipelined(tmp_path: Path, sweep_file: SweepFile) -> None:
    for feed in (0, 1):
        out = tmp_path / f"feed{feed}"
        sweep = sweep_file("cpu-onnxruntime", "[Offline, MultiStream]")
        assert (
            run(sweep, out, "--set", "settings.end_to_end=true", "--set", f"settings.feed_threads={feed}")
            == 0
        )
        for record in Store.open(out).latest():
            assert record.observed is not None
            assert record.observed.phases["prepare"].p50_ns > 1000
            if record.point.mode.value == "AccuracyOnly":
                assert (record.figures.top1_percent or 0) > 90


@pytest.mark.slow
def test_server_finds_its_rate(sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(SIMULATED, extra=TIMES), "[Server]", "modes: [PerformanceOnly]\n")
    assert (
        run(
            sweep,
            out,
            "--set",
            "settings.server_target_latency_ms=20",
            "--set",
            "settings.min_query_count=300",
        )
        == 0
    )
    [record] = Store.open(out).records()
    assert record.loadgen is not None
    rate = record.loadgen.completed_samples_per_second
    assert rate is not None
    assert 200 < rate < 8 / 0.0012


@pytest.mark.slow
def test_the_example_adapter_agrees_with_onnxruntime(tmp_path: Path, sweep_file: SweepFile) -> None:
    out = tmp_path / "results"
    sweep = sweep_file("examples/my_adapter, cpu-onnxruntime")
    assert run(sweep, out) == 0
    records = Store.open(out).latest()
    accuracies = {
        r.point.sut: r.figures.top1_percent for r in records if r.point.mode.value == "AccuracyOnly"
    }
    assert accuracies["my_adapter"] == accuracies["cpu-onnxruntime"] == 98.2
    [example] = [
        r for r in records if r.point.sut == "my_adapter" and r.point.mode.value == "PerformanceOnly"
    ]
    assert example.valid
    assert "adapter:my_adapter.py" in example.inputs.files_sha256


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "note"),
    [
        ("Exits", "the process ended with exit status 5 before the run was done"),
        ("RaisesInInfer", "RuntimeError: the device was lost"),
        ("Hangs", "a call of the adapter did not return within 1 s"),
    ],
)
def test_a_check_of_accuracy_that_fails_leaves_the_run_as_it_is(
    sut_file: SutFile,
    sweep_file: SweepFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    adapter: str,
    note: str,
) -> None:
    """63 batches answer 500 samples; the next one is that of the check."""
    for module in (worker_events, watch):
        monkeypatch.setattr(module, "CHECK_LIMIT_S", 1.0)
    sut = sut_file(f"{FAULTY}:{adapter}", extra="options: {good_batches: 63}\n")
    assert run(sweep_file(sut, extra="modes: [AccuracyOnly]\n"), tmp_path / "results") == 0
    [record] = Store.open(tmp_path / "results").records()
    assert (record.valid, record.failure, record.close_failure) == (True, None, None)
    assert record.figures.top1_percent is not None
    assert record.accuracy_check is not None
    assert record.accuracy_check.note == f"not checked: {note}"
    assert record.accuracy_check.samples is None


@pytest.mark.slow
def test_a_held_run_keeps_its_throughput_over_time(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(SIMULATED, extra=TIMES), "[SingleStream, Offline]")
    assert run(sweep, out, "--sustained", "3s") == 0
    held = [record for record in Store.open(out).latest() if record.point.mode.value == "PerformanceOnly"]
    assert len(held) == 2
    for record in held:
        assert record.point.settings.sustained_s == record.point.settings.min_duration_s == 3
        folder = out / f"{record.run_id}-{record.attempt}"
        intervals = read_intervals(folder / "sustained.csv")
        assert record.sustained is not None
        assert record.loadgen is not None
        assert record.observed is not None
        assert sum(each.inputs for each in intervals) == record.observed.inputs
        assert record.sustained.intervals == len(intervals) >= 20
        assert record.sustained.held_s == pytest.approx(record.loadgen.duration_s, rel=0.05)
        assert record.sustained.window_s == pytest.approx(record.sustained.held_s / 10)
        assert 0 <= record.sustained.begin_s < record.elapsed_s
    assert run(sweep, out) == 0, "runs that are not held are others"
    assert len(Store.open(out).latest()) == 5
    capsys.readouterr()
    assert qutiperf(["show", str(out)], debug=True) == 0
    assert "last/first" in capsys.readouterr().out
    assert qutiperf(["explain", str(out), "--all"], debug=True) == 0
    assert "valid: held: held for 3" in capsys.readouterr().out


@pytest.mark.slow
def test_a_hold_that_needs_more_memory_than_there_is_fails_with_the_cure(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    assert (
        run(sweep_file(sut_file(SIMULATED), extra="modes: PerformanceOnly\n"), out, "--sustained", "9h") == 4
    )
    [record] = failures(out)
    assert record.failure is not None
    assert "queries for a run of 32400 s" in record.failure.reason
    assert "hold it for less" in record.failure.reason


@pytest.mark.slow
def test_the_record_says_what_was_answered_before_the_test(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(SIMULATED, extra=TIMES), "[SingleStream, MultiStream, Offline]")
    assert run(sweep, out, "--set", "settings.warm_up_s=0.6") == 0
    records = Store.open(out).latest()
    assert len(records) == 4
    for record in records:
        assert record.observed is not None
        warm_up = record.observed.warm_up
        if record.point.mode.value == "AccuracyOnly":
            assert warm_up is None
            continue
        assert warm_up is not None
        assert 0.6 <= warm_up.seconds < record.elapsed_s
        # a batch of 8 takes 1.2 ms, a single input 0.5 ms
        most = warm_up.seconds * (2000 if record.point.scenario.value == "SingleStream" else 8 / 0.0012)
        assert most / 10 < warm_up.inputs <= most * 1.01
