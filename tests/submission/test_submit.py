"""Trees from finished runs: complete, accepted by `check`, or not written at all."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from qutiperf.audit.new_runs import keep_verdict
from qutiperf.audit.stored_run import stored_runs
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.mlperf_logs import read_result
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sut import SystemUnderTest, load_sut
from qutiperf.spec.workload import load_workload
from qutiperf.submission.check import check_tree
from qutiperf.submission.options import SubmissionOptions
from qutiperf.submission.submit import Prepared, prepare, write_tree
from tests.submission import good_tree, recorded
from tests.submission.good_tree import ROUND
from tests.submission.recorded import logs_of, results, system, workload

CLOSED = SubmissionOptions(ROUND, "closed", "Acme")
OPEN = SubmissionOptions(ROUND, "open", "Acme")
LOGS = ("mlperf_log_detail.txt", "mlperf_log_summary.txt")


def written(folder: Path, out: Path, options: SubmissionOptions = CLOSED) -> Path:
    prepared = prepare([folder], options, out)
    assert [str(each) for each in prepared.obstacles] == []
    done, report = write_tree(prepared, out)
    assert [str(each) for each in report.findings if each.severity == "error"] == []
    assert done
    return out


def obstacles(folder: Path, options: SubmissionOptions = CLOSED, out: Path | None = None) -> list[str]:
    return [str(each) for each in prepare([folder], options, out).obstacles]


def files(root: Path) -> set[str]:
    """Without the package's own modules and shipped files."""
    paths = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return {path for path in paths if "/code/qutiperf/" not in path}


def test_a_closed_tree_has_every_file(tmp_path: Path) -> None:
    out = written(results(tmp_path / "results"), tmp_path / "tree")
    expected = {"machines/board.json", "documentation/calibration.md"}
    expected |= {
        f"documentation/qutibench/{name}" for name in ("README.md", "settings.json", "submitted.json")
    }
    expected |= {
        "code/README.md",
        "code/board-digits-recorded.yaml",
        "code/sut/board.yaml",
        "code/workloads/digits-recorded.yaml",
    }
    for scenario in good_tree.SCENARIOS:
        place = f"board/digits-99/{scenario}"
        expected |= {f"runs/{place}/performance/run_1/{name}" for name in LOGS}
        names = (*LOGS, "accuracy.txt", "mlperf_log_accuracy.json")
        expected |= {f"runs/{place}/accuracy/{name}" for name in names}
        expected |= {f"settings/{place}/{name}" for name in ("board.json", "user.conf", "README.md")}
        for test in ("TEST01", "TEST04"):
            expected |= {f"audits/{place}/{test}/performance/run_1/{name}" for name in LOGS}
            expected.add(f"audits/{place}/{test}/verify_performance.txt")
        expected.add(f"audits/{place}/TEST01/verify_accuracy.txt")
        expected |= {f"audits/{place}/TEST01/accuracy/{name}" for name in names[2:]}
    assert files(out) == {f"closed/Acme/{name}" for name in expected}


def test_a_tree_has_the_verdicts_of_audits_on_its_runs(tmp_path: Path) -> None:
    folder = results(tmp_path / "results")
    runs, _ = stored_runs([folder])
    for run in runs:
        run_id, scenario = run.record.run_id, run.record.point.scenario
        passed = AuditVerdict(
            audit="repeat", run_id=run_id, scenario=scenario, outcome="pass", evidence=["as fast"]
        )
        keep_verdict(run, passed)
        keep_verdict(run, passed.model_copy(update={"audit": "replay", "outcome": "fail"}))
        damaged = folder / "audit/replay" / f"{run.folder.name}.verdict.json"
        damaged.write_text(damaged.read_text().replace("fail", "failed"))
    out = written(folder, tmp_path / "tree")
    audits = json.loads((out / "closed/Acme/documentation/qutibench/audits.json").read_text())
    assert {(each["audit"], each["outcome"], each["evidence"][0]) for each in audits} == {
        ("repeat", "pass", "as fast")
    }
    submitted = json.loads((out / "closed/Acme/documentation/qutibench/submitted.json").read_text())
    ids = {each[key] for each in submitted for key in ("run_id", "accuracy_run_id")}
    assert {each["run_id"] for each in audits} == ids


def test_accuracy_is_written_as_the_official_scripts_write_it(tmp_path: Path) -> None:
    """good_tree computes the same from the answers themselves."""
    out = written(results(tmp_path / "results"), tmp_path / "tree")
    for scenario in good_tree.SCENARIOS:
        folder = out / "closed/Acme/runs/board/digits-99" / scenario / "accuracy"
        other = tmp_path / scenario
        good_tree.copy(logs_of(scenario) / "accuracy", other)
        assert (folder / "accuracy.txt").read_text() == good_tree.score(other)
        log = (folder / "mlperf_log_accuracy.json").read_bytes()
        assert log == (other / "mlperf_log_accuracy.json").read_bytes()
        assert len(log) == 4096 + 7 + 4096


def test_compliance_texts_are_those_of_the_official_scripts(tmp_path: Path) -> None:
    out = written(results(tmp_path / "results"), tmp_path / "tree")
    folder = out / "closed/Acme/audits/board/digits-99/SingleStream"
    lines = (folder / "TEST01/verify_accuracy.txt").read_text().splitlines()
    assert lines[:3] == [
        "Verifying accuracy. This might take a while...",
        "Reading accuracy mode results...",
        "Reading performance mode results...",
    ]
    sampled = good_tree.entries(good_tree.LOGS / "SingleStream/TEST01/mlperf_log_accuracy.json")
    assert lines[3:] == [
        "num_acc_log_entries = 256",
        "num_acc_log_duplicate_keys = 0",
        "num_acc_log_data_mismatch = 0",
        f"num_perf_log_entries = {len(sampled)}",
        f"num_perf_log_qsl_idx_match = {len(sampled)}",
        "num_perf_log_data_mismatch = 0",
        "num_missing_qsl_idxs = 0",
        "TEST PASS",
        "",
    ]
    values = good_tree.values(good_tree.LOGS / "SingleStream/performance")
    first = f"Reference score = {float(str(values['early_stopping_latency_ss']))}"
    assert (folder / "TEST01/verify_performance.txt").read_text().splitlines()[:2] == [
        "Verifying performance.",
        first,
    ]


def test_the_system_is_described_by_machine_and_file(tmp_path: Path) -> None:
    """The record comes from another machine than this, so nothing of this one is in it."""
    options = SubmissionOptions(ROUND, "closed", "Acme", {"hw_notes": "a  note"})
    out = written(results(tmp_path / "results"), tmp_path / "tree", options)
    assert json.loads((out / "closed/Acme/machines/board.json").read_text()) == {
        "division": "closed",
        "submitter": "Acme",
        "status": "available",
        "system_type": "edge",
        "system_name": "one board",
        "number_of_nodes": "1",
        "hw_notes": "a note",
    }


def test_an_open_tree_maps_its_workload(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("Offline",), tests=())
    out = written(folder, tmp_path / "tree", OPEN)
    assert json.loads((out / "open/Acme/model_mapping.json").read_text()) == {"digits-recorded": "digits-99"}
    assert (out / "open/Acme/runs/board/digits-recorded/Offline/performance/run_1").is_dir()
    assert not (out / "open/Acme/audits").exists()


def test_an_inferred_scenario_has_the_logs_of_another(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("SingleStream",))
    assert len(obstacles(folder)) == 2  # MultiStream and Offline
    options = SubmissionOptions(ROUND, "closed", "Acme", infer=True)
    prepared = prepare([folder], options, None)
    assert prepared.choice.notes == [
        "board, digits-99: MultiStream is inferred from SingleStream",
        "board, digits-99: Offline is inferred from SingleStream",
    ]
    out = written(folder, tmp_path / "tree", options)
    runs = out / "closed/Acme/runs/board/digits-99"
    log = "performance/run_1/mlperf_log_detail.txt"
    assert (runs / "Offline" / log).read_bytes() == (runs / "SingleStream" / log).read_bytes()
    text = (out / "closed/Acme/settings/board/digits-99/Offline/README.md").read_text()
    assert "Inferred from the SingleStream run, whose logs stand here; not measured." in text


def test_a_scenario_that_may_not_be_inferred_is_missing(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("Offline",))
    options = SubmissionOptions(ROUND, "closed", "Acme", infer=True)
    [first, second] = obstacles(folder, options)
    assert "SingleStream was not measured, and no other scenario may stand for it" in first
    assert "MultiStream was not measured" in second


def test_only_runs_that_are_named_are_taken(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("SingleStream", "Offline"), tests=())
    name = timed_run(folder, "Offline").name[:-2]
    prepared = prepare([folder], SubmissionOptions(ROUND, "open", "Acme", run_ids=(name,)), None)
    assert prepared.obstacles == []
    assert [each.scenario for each in prepared.choice.benchmarks[0].scenarios] == ["Offline"]
    lines = obstacles(folder, SubmissionOptions(ROUND, "open", "Acme", run_ids=("123456789abc",)))
    assert lines[0].startswith("RESULTS: holds no performance run of the submission profile")
    assert lines[1] == "--run 123456789abc: is not a run of these results; `qutiperf show` lists them"


def test_runs_of_a_test_are_never_taken_for_performance_runs(tmp_path: Path) -> None:
    """TEST04 is faster where answers are kept, so it would be the best run."""
    folder = results(tmp_path / "results", ("Offline",))
    own = [each.name for each in folder.glob("*-1")]
    prepared = prepare([folder / "audit" / "TEST04", folder / "audit" / "TEST01", folder], OPEN, None)
    [chosen] = prepared.choice.benchmarks[0].scenarios
    assert chosen.performance.results == folder
    assert chosen.performance.folder.name in own
    alone = prepare([folder / "audit" / "TEST04"], OPEN, None)
    assert "holds no performance run of the submission profile" in str(alone.obstacles[0])


def test_an_exploration_is_enough_to_complete_a_submission(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("SingleStream", "Offline"), tests=())
    for run in folder.glob("*-1"):
        data = json.loads((run / "record.json").read_text())
        changed_record(run, point={**data["point"], "profile": "standard"})
    choice = prepare([folder], CLOSED, None).choice
    assert choice.benchmarks == []
    examples = {each.scenario: each.example.record.point.scenario.value for each in choice.incomplete}
    assert examples == {"SingleStream": "SingleStream", "MultiStream": "SingleStream", "Offline": "Offline"}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left, running = tmp_path / ".qutiperf-tree-999999999-x", tmp_path / f".qutiperf-tree-{os.getppid()}-x"
    for folder in (left, running):
        folder.mkdir()
        (folder / "file").write_text("")
    written(results(tmp_path / "results", ("Offline",), tests=()), tmp_path / "tree", OPEN)
    assert not left.exists()
    assert running.exists()


def changed_record(run: Path, **changes: object) -> None:
    data = json.loads((run / "record.json").read_text())
    (run / "record.json").write_text(json.dumps({**data, **changes}))


def timed_run(folder: Path, scenario: str) -> Path:
    runs, _ = stored_runs([folder])
    [run] = [
        each.folder
        for each in runs
        if each.record.point.mode is Mode.PERFORMANCE and each.record.point.scenario.value == scenario
    ]
    return run


def test_a_rehearsal_says_so_and_fails_without_the_flag(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", load=workload(rehearsal=True))
    out = written(folder, tmp_path / "tree")
    described = json.loads((out / "closed/Acme/machines/board.json").read_text())
    assert described["system_name"] == "REHEARSAL, one board"
    assert [each.rule for each in check_tree(out, ROUND).findings if each.severity == "error"] == [
        "rehearsal"
    ]
    assert check_tree(out, ROUND, rehearsal=True).passed


@pytest.mark.slow
def test_check_knows_which_log_was_submitted(tmp_path: Path) -> None:
    out = written(results(tmp_path / "results"), tmp_path / "tree")
    path = out / "closed/Acme/documentation/qutibench/submitted.json"
    entries = json.loads(path.read_text())
    log = out / "closed/Acme" / entries[0]["log"]
    assert entries[0]["log_sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    for text in (json.dumps([{**entries[0], "log_sha256": "0" * 64}]), "{}", "[1]", "nothing"):
        path.write_text(text)
        errors = [each for each in check_tree(out, ROUND).findings if each.severity == "error"]
        assert [each.rule for each in errors] == (["qutibench"] if text != "{}" else [])
    path.write_text(json.dumps([{**entries[0], "log": "runs/none"}]))
    assert not check_tree(out, ROUND).passed


def test_the_code_folder_measures_again_without_this_machines_folders(tmp_path: Path) -> None:
    own: SystemUnderTest = system(adapter=f"{tmp_path}/mine.py:Mine")
    (tmp_path / "mine.py").write_text("class Mine: ...\n")
    out = written(results(tmp_path / "results", ("Offline",), own, tests=()), tmp_path / "tree", OPEN)
    code = out / "open/Acme/code"
    again, file = load_sut(str(code / "sut/board.yaml"))
    assert Path(again.adapter.rpartition(":")[0]).resolve() == (code / "adapters/mine.py").resolve()
    assert again.model_copy(update={"adapter": own.adapter}) == own
    load, _ = load_workload(str(code / "workloads/digits-recorded.yaml"))
    assert load.model.file == str(code / "workloads/digits.onnx")
    text = "".join(
        path.read_text() for path in (code / "sut/board.yaml", code / "workloads/digits-recorded.yaml")
    )
    assert "/home" not in text
    assert str(tmp_path) not in text
    assert file.path.is_file()


def test_several_results_folders_make_one_tree(tmp_path: Path) -> None:
    folders = [results(tmp_path / name, (name,)) for name in good_tree.SCENARIOS]
    prepared: Prepared = prepare(folders, CLOSED, None)
    assert prepared.obstacles == []
    assert [each.scenario for each in prepared.choice.benchmarks[0].scenarios] == list(good_tree.SCENARIOS)
    assert read_result(good_tree.LOGS / "Offline/performance").validity == "VALID"
    assert recorded.HOST["hostname"] == "board"
