"""Records explained from the command line: what they and their folders know reaches the findings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.mlperf_logs import read_result
from qutiperf.results.record import AccuracyCheck, Failure, Figures, Observed, RunRecord, StoredPrediction
from qutiperf.results.store import Store
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Profile
from tests.places import LOGS
from tests.results.test_metrics import a_record

UNSTEADY = "compute time per input varied by 31 % over the run"
Finding = dict[str, object]
Explain = Callable[..., list[Finding]]


def stored(folder: Path, *records: RunRecord, loads: str = "") -> Path:
    """A results folder of these records; `loads` are the load averages in every environment.csv."""
    store = Store.create(folder)
    for record in records:
        staged = store.stage() / "run"
        staged.mkdir()
        rows = "".join(f"{number}.0,0.0,{load},2000.0\n" for number, load in enumerate(loads.split()))
        header = "elapsed_s,foreign_cpu_percent,load_1min,cpu_frequency_mhz\n"
        (staged / "environment.csv").write_text(header + rows, encoding="utf-8")
        store.place(staged, record)
    return folder


@pytest.fixture
def explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    """The findings of one record, from `explain --json`."""

    def of(record: RunRecord, *options: str, loads: str = "") -> list[Finding]:
        folder = stored(tmp_path / "results", record, loads=loads)
        assert main(["explain", str(folder), "--json", *options], debug=True) == 0
        [run] = json.loads(capsys.readouterr().out)
        assert run["run_id"] == record.run_id
        findings: list[Finding] = run["findings"]
        return findings

    return of


def measured(kind: str = "offline_valid", batch_size: int = 8, **more: object) -> RunRecord:
    return a_record(batch_size=batch_size).model_copy(update={"loadgen": read_result(LOGS / kind), **more})


def submission(kind: str) -> RunRecord:
    point = a_record().point
    changed = Point.model_validate({**point.model_dump(), "profile": Profile.SUBMISSION})
    return measured(kind, point=changed)


def only(findings: list[Finding], rule: str) -> Finding:
    [found] = [finding for finding in findings if finding["rule"] == rule]
    return found


def test_the_load_during_an_unsteady_run_is_named(explained: Explain) -> None:
    record = measured(reasons=[UNSTEADY], quality="unstable", host={"cores": 4})
    finding = only(explained(record, loads="6.1 6.2 9.9"), "busy machine")
    assert finding["what"] == "the load average was 6.2 on 4 cores"
    assert str(finding["cure"]).startswith("stop other programs")


@pytest.mark.parametrize("loads", ["", "1.0 1.1 x", "0.5 9.0 0.6"])
def test_a_load_that_is_unknown_or_low_is_not_named(explained: Explain, loads: str) -> None:
    record = measured(reasons=[UNSTEADY], quality="unstable", host={"cores": 4})
    rules = [finding["rule"] for finding in explained(record, loads=loads)]
    assert rules == ["Offline", "unsteady times"]


def test_a_submission_run_needs_the_seeds_of_a_round(explained: Explain) -> None:
    finding = only(explained(submission("single_stream_valid")), "seeds are not those of v6.1")
    assert finding["what"] == "they are all 0"


def test_a_submission_run_with_the_seeds_of_a_round_is_fine(explained: Explain) -> None:
    assert [finding["kind"] for finding in explained(submission("submission_seeds_v5_1"))] == ["valid"]


def test_the_round_option_compares_the_seeds(explained: Explain) -> None:
    findings = explained(submission("submission_seeds_v5_1"), "--round", "v6.1")
    finding = only(findings, "seeds are not those of v6.1")
    assert (finding["what"], finding["command"]) == (
        "they are those of v5.1",
        "pip install 'mlcommons-loadgen==6.0.17'",
    )


def test_the_round_option_works_on_bare_logs(capsys: pytest.CaptureFixture[str]) -> None:
    logs = str(LOGS / "submission_seeds_v5_1")
    assert main(["explain", logs, "--round", "v6.1"], debug=True) == 0
    assert "seeds are not those of v6.1: they are those of v5.1" in capsys.readouterr().out
    assert main(["explain", logs, "--round", "v9"], debug=False) == 2
    assert "v9" in capsys.readouterr().err


def test_noise_is_answered_with_stopping_other_programs(explained: Explain) -> None:
    record = measured(reasons=["other processes used 76 % of the cores"], quality="noisy")
    [_, finding] = explained(record)
    assert (finding["kind"], finding["what"]) == ("noisy", "other processes used 76 % of the cores")
    assert str(finding["cure"]).startswith("stop other programs")
    assert finding["setting"] is None


def failed(kind: str, reason: str, log_tail: str, **more: object) -> RunRecord:
    failure = {"stage": "run", "kind": kind, "reason": reason, "log_tail": log_tail, **more}
    return a_record(failure=Failure.model_validate(failure), valid=False, reasons=[reason])


DELEGATE = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
OVERTIME = "no end after the time limit of 62 s; settings.time_limit_s sets another"


def test_a_time_limit_is_not_blamed_on_an_informational_line(explained: Explain) -> None:
    [finding] = explained(failed("time_limit", OVERTIME, DELEGATE))
    assert (finding["rule"], finding["what"]) == ("time limit during the run", OVERTIME)
    assert finding["because"] == "the run is slower than estimated, or the adapter hangs"
    assert (finding["setting"], finding["value"]) == ("settings.time_limit_s", 124)


def test_a_time_limit_keeps_an_error_of_the_log(explained: Explain) -> None:
    [finding] = explained(failed("time_limit", OVERTIME, f"ERROR: link lost\n{DELEGATE}"))
    assert finding["because"] == "the worker's log ends with: ERROR: link lost"


def test_other_limits_have_no_setting(explained: Explain) -> None:
    [finding] = explained(failed("time_limit", "the samples were not prepared within 600 s", ""))
    assert finding["setting"] is None


def test_a_crash_shows_the_end_of_its_log(explained: Explain) -> None:
    [finding] = explained(failed("crash", "killed by SIGABRT", f"{DELEGATE}\nfree(): invalid pointer"))
    assert finding["rule"] == "crash during the run"
    assert finding["because"] == "the worker's log ends with: free(): invalid pointer"


def test_a_missing_device_is_cured_by_the_setup(explained: Explain) -> None:
    [finding] = explained(failed("error", "no device /dev/apex_0", "", setup_missing=True))
    assert str(finding["cure"]).startswith("install or connect what is missing")


def test_a_failed_close_is_a_finding(explained: Explain) -> None:
    close = Failure(
        stage="close", kind="time_limit", reason="close() did not return within 30 s", log_tail=DELEGATE
    )
    finding = only(explained(measured(close_failure=close)), "close() failed")
    assert (finding["kind"], finding["what"]) == ("after_run", "close() did not return within 30 s")
    assert finding["because"] == ""
    assert str(finding["cure"]).startswith("fix the adapter's close()")


def test_processes_left_running_are_a_finding(explained: Explain) -> None:
    record = measured(left_running=["sleep 3471", "sleep 3471", "helper --fast"])
    finding = only(explained(record), "processes left running")
    assert finding["what"] == (
        "still running after close(), and killed: 'sleep 3471' (2 times), 'helper --fast'"
    )
    assert finding["cure"] == "stop them in the adapter's close()"


@pytest.mark.parametrize("count", [0, 1200])
def test_an_impossible_device_clock_is_a_finding(count: int, explained: Explain) -> None:
    observed = Observed(adapter={}, impossible_clocks=count)
    record = a_record(observed=observed, loadgen=read_result(LOGS / "offline_valid"))
    whats = [finding["what"] for finding in explained(record) if finding["rule"] == "impossible device clock"]
    fact = "the device's time of 1,200 batches was zero, or longer than the adapter's call"
    assert whats == ([fact] if count else [])


def test_a_throughput_above_the_prediction_is_a_finding(explained: Explain) -> None:
    prediction = StoredPrediction(
        model="plain", bound="memory", batch_size=8, predicted_throughput_ips=100.0, ops=1e6, peak_tops=1.0
    )
    record = measured(figures=Figures(compute_throughput_ips=682.0), prediction=prediction)
    finding = only(explained(record), "above the prediction")
    assert finding["what"] == (
        "measured compute throughput is 682 % of the predicted, so there is no efficiency"
    )
    assert finding["because"] == (
        "the plain model reads the weights from memory for every input, the device once per batch"
    )


def test_a_single_run_folder_knows_its_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = measured(reasons=[UNSTEADY], quality="unstable", host={"cores": 4})
    folder = stored(tmp_path / "results", record, loads="6.1 6.2 9.9")
    assert main(["explain", str(folder / f"{record.run_id}-1")], debug=True) == 0
    assert "busy machine: the load average was 6.2 on 4 cores" in capsys.readouterr().out


def test_a_suspect_accuracy_is_a_finding_with_the_setting(explained: Explain) -> None:
    reason = "suspect accuracy: set two keys"
    check = AccuracyCheck(settings={"model.output.label_offset": "1", "dataset.channel_order": "bgr"})
    record = measured("accuracy_complete", quality="suspect_accuracy", reasons=[reason], accuracy_check=check)
    findings = [finding for finding in explained(record) if finding["kind"] == "suspect"]
    assert [(each["setting"], each["value"], each["what"]) for each in findings] == [
        ("model.output.label_offset", "1", "set two keys"),
        ("dataset.channel_order", "bgr", "set two keys"),
    ]
    assert "in the file of the workload digits-mlp-25-fp32" in str(findings[0]["cure"])


def test_a_check_that_was_cut_short_is_a_note(explained: Explain) -> None:
    record = measured("accuracy_complete", accuracy_check=AccuracyCheck(note="not checked: it crashed"))
    [note] = [finding for finding in explained(record) if finding["kind"] == "note"]
    assert (note["rule"], note["what"]) == ("accuracy check incomplete", "not checked: it crashed")


def test_an_accuracy_near_chance_is_a_finding(explained: Explain) -> None:
    check = AccuracyCheck(total=10, total_right=1, near_chance=True)
    record = measured("accuracy_complete", reasons=["suspect accuracy: too low"], accuracy_check=check)
    [finding] = [finding for finding in explained(record) if finding["kind"] == "suspect"]
    assert (finding["rule"], finding["what"]) == ("accuracy near chance", "too low")


@pytest.mark.parametrize(
    ("kind", "cure"),
    [
        ("time_limit", "raise the time limit in the executor's options, then run the same command again"),
        ("error", "run the same command again"),
    ],
)
def test_a_job_that_ended_is_not_blamed_on_the_run(kind: str, cure: str, explained: Explain) -> None:
    failure = Failure.model_validate({"stage": "job", "kind": kind, "reason": "job 7_1 on n4 ended"})
    [finding] = explained(a_record().model_copy(update={"failure": failure, "valid": False}))
    assert (finding["what"], finding["cure"]) == ("job 7_1 on n4 ended", cure)
    assert finding["rule"] == f"{kind.replace('_', ' ')} of the job that measured it"
