"""Adapters that fail in each of their methods are failed records, and the sweep goes on."""

from pathlib import Path

import pytest

from qutiperf.results.store import Store
from qutiperf.run import overhead, worker_end
from tests.conftest import FAULTY, SutFile
from tests.run.test_runs import SIMULATED, TIMES, SweepFile, failures, run

TOO_LONG = "did not end within the time limit of 2 s; settings.time_limit_s changes it"
EXITED = "the process ended with exit status 5 before the run was done"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "kind", "stage", "reason"),
    [
        ("RaisesInLoad", "error", "load", "RuntimeError: no such device: npu7"),
        ("RaisesInInfer", "error", "run", "RuntimeError: the device was lost"),
        ("WrongShape", "error", "run", "shape"),
        ("WrongBatch", "error", "run", "9"),
        ("NotANumber", "error", "run", "NaN"),
        ("Hangs", "time_limit", "run", TOO_LONG),
        ("Crashes", "crash", "run", "the process died of SIGSEGV (segmentation fault)"),
        ("Exits", "crash", "run", EXITED),
    ],
)
def test_faults_are_failed_records_and_the_sweep_goes_on(
    adapter: str, kind: str, stage: str, reason: str, sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sut_file(SIMULATED, name="healthy", extra=TIMES)
    faulty = sut_file(f"{FAULTY}:{adapter}")
    sweep = sweep_file(f"{faulty}, {tmp_path / 'healthy.yaml'}", extra="modes: [PerformanceOnly]\n")
    limit = ["--set", "settings.time_limit_s=2"] if adapter == "Hangs" else []
    assert run(sweep, out, *limit) == 4
    [failed] = failures(out)
    assert failed.failure is not None
    assert (failed.failure.kind, failed.failure.stage) == (kind, stage)
    assert reason in failed.failure.reason
    assert not failed.valid
    [healthy] = [record for record in Store.open(out).records() if record.point.sut == "healthy"]
    assert healthy.valid
    if adapter == "Crashes":
        assert "about to crash" in failed.failure.log_tail


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "kind", "reason"),
    [
        ("RaisesInClose", "error", "RuntimeError: the device does not let go"),
        pytest.param(
            "ExitsInClose",
            "crash",
            "the process ended with exit status 3 while the adapter was closed",
        ),
        pytest.param(
            "ExitsWellInClose",
            "crash",
            "the process ended with exit status 0 while the adapter was closed",
        ),
        pytest.param("LeavesInClose", "error", "SystemExit: 0"),
        pytest.param("HangsInClose", "time_limit", "close() did not return within 1 s"),
    ],
)
def test_a_close_that_fails_is_in_the_record_of_the_last_run(
    adapter: str,
    kind: str,
    reason: str,
    sut_file: SutFile,
    sweep_file: SweepFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(
        sut_file(f"{FAULTY}:{adapter}", extra="options: {good_batches: 1000000}\n"),
        "[SingleStream, Offline]",
        "modes: [PerformanceOnly]\n",
    )
    monkeypatch.setattr(worker_end, "CLOSE_LIMIT_S", 1)
    assert run(sweep, out) == 4
    first, last = sorted(Store.open(out).records(), key=lambda record: record.started_utc)
    assert (first.valid, last.valid, first.close_failure) == (True, True, None)
    assert last.close_failure is not None
    assert (last.close_failure.stage, last.close_failure.kind) == ("close", kind)
    assert last.close_failure.reason == reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "kind", "reason"),
    [
        pytest.param(
            "RaisesSilently",
            "error",
            "SilentError, whose text is not available: its __str__ raises ValueError",
        ),
        pytest.param("LongError", "error", f"RuntimeError: {'x' * 986} ..."),
        pytest.param("RaisesSurrogates", "error", "RuntimeError: \\udcff"),
        ("WritesToEveryPipe", "error", "something other than the worker wrote to its reply pipe"),
        pytest.param("DeletesItsFolder", "error", "mlperf_log_detail.txt: cannot be read"),
    ],
)
def test_hostile_adapters_are_failed_records(
    adapter: str, kind: str, reason: str, sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(f"{FAULTY}:{adapter}"), extra="modes: [PerformanceOnly]\n")
    assert run(sweep, out) == 4
    [failed] = failures(out)
    assert failed.failure is not None
    assert failed.failure.kind == kind
    assert reason in failed.failure.reason
    assert len(failed.failure.reason) < 1100


@pytest.mark.slow
def test_what_an_adapter_leaves_running_is_killed_and_recorded(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sut = sut_file(f"{FAULTY}:StartsChildren", extra="options: {good_batches: 1000000}\n")
    assert run(sweep_file(sut, extra="modes: [PerformanceOnly]\n"), out) == 0
    [record] = Store.open(out).records()
    assert record.left_running == ["sleep 3471", "sleep 3471"]
    assert record.close_failure is None


@pytest.mark.slow
def test_an_overhead_run_that_fails_does_not_end_the_sweep(
    sut_file: SutFile,
    sweep_file: SweepFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "results"
    broken = overhead._SUT.model_copy(update={"adapter": f"{FAULTY}:RaisesInLoad"})
    monkeypatch.setattr(overhead, "_SUT", broken)
    sweep = sweep_file(sut_file(SIMULATED, extra=TIMES), extra="modes: [PerformanceOnly]\n")
    assert run(sweep, out) == 0
    assert "the harness cannot measure itself: RuntimeError: no such device: npu7" in capsys.readouterr().err
    [record] = Store.open(out).records()
    assert record.harness_tax is None
    assert sorted(path.name for path in out.iterdir()) == [f"{record.run_id}-1", "qutiperf-results.json"]


@pytest.mark.slow
def test_what_the_machine_lacks_is_no_fault_of_the_device(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    """Exit code 3, and the runs are tried for as long as it takes."""
    out = tmp_path / "results"
    sweep = sweep_file(sut_file(f"{FAULTY}:LacksDevice"), extra="modes: [PerformanceOnly]\n")
    for attempt in (1, 2, 3):
        assert run(sweep, out) == 3
        found = failures(out)
        assert len(found) == attempt
        assert found[-1].reasons == ["no device npu7; plug it in"]


@pytest.mark.slow
def test_a_failure_ends_one_process_and_the_rest_is_done(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    sweep = sweep_file(
        sut_file(f"{FAULTY}:Crashes", extra="options: {good_batches: 100000}\n"), "[SingleStream, Offline]"
    )
    assert run(sweep, out, "--set", "deployment.good_batches=0,100000", "--set", "modes=PerformanceOnly") == 4
    outcome = {
        (r.point.scenario.value, r.point.deployment["good_batches"]): r.valid
        for r in Store.open(out).records()
    }
    assert outcome == {
        ("SingleStream", 0): False,
        ("Offline", 0): False,
        ("SingleStream", 100000): True,
        ("Offline", 100000): True,
    }
