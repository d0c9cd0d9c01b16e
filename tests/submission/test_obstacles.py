"""What keeps a tree from being written: all of it is listed, and nothing is left half-written."""

import json
import shutil
from pathlib import Path

import pytest

from qutiperf.submission.options import SubmissionOptions, folder_problem, safe_folder
from qutiperf.submission.submit import prepare, write_tree
from tests.submission.good_tree import ROUND
from tests.submission.recorded import results, system, workload
from tests.submission.test_submit import OPEN, changed_record, obstacles, timed_run


def test_everything_that_is_wrong_is_listed_at_once(tmp_path: Path) -> None:
    """A bad name, a folder that is taken, unknown and missing fields, a missing run, a wrong round."""
    bare = system(description={"status": "sold out"})
    folder = results(tmp_path / "results", ("SingleStream", "Offline"), bare)
    shutil.rmtree(folder / "audit" / "TEST04")
    for path in folder.iterdir():
        if (path / "record.json").is_file() and '"AccuracyOnly"' in (path / "record.json").read_text():
            shutil.rmtree(path)
    taken = tmp_path / "tree"
    (taken / "closed").mkdir(parents=True)
    options = SubmissionOptions(ROUND, "closed", "a/b", {"coling": "air"})
    lines = obstacles(folder, options, taken)
    starts = [
        "--submitter: 'a/b' cannot name a folder",
        f"--out {taken}: holds another tree (closed/)",
        "--field coling: is not a field of the round",
        "board, digits-99, SingleStream: run",
        "board, digits-99, SingleStream: TEST01 inconclusive: there is no accuracy run",
        "board, digits-99, SingleStream: TEST04 inconclusive: the test has not been run",
        "board, digits-99, Offline: run",
        "board, digits-99, Offline: TEST01 inconclusive: there is no accuracy run",
        "board, digits-99, Offline: TEST04 inconclusive: the test has not been run",
        "system board: 1 fields are not known: system_type; add to the SUT file",
        "system board: status is 'sold out'; allowed: available; preview; rdi",
    ]
    assert len(lines) == len(starts)
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert not list(tmp_path.glob(".qutiperf-*"))


def test_fields_that_nobody_gave_are_named_with_the_cure(tmp_path: Path) -> None:
    bare = system(description={"status": "sold out"}, title="")
    folder = results(
        tmp_path / "results",
        ("Offline",),
        bare,
        workload(variant=workload().variant.model_copy(update={"tuning": None})),
    )
    lines = obstacles(folder, OPEN)
    assert lines == [
        "system board: 2 fields are not known: system_type, system_name; add to the SUT file "
        "`description: {system_type: ..., system_name: ...}`, or give --field NAME=TEXT for each",
        "system board: status is 'sold out'; allowed: available; preview; rdi",
        "board, digits-recorded: 1 fields of measurements.json are not known: retraining; give "
        "--field retraining=..., or set variant in the workload before measuring",
    ]


def test_an_invalid_run_is_never_taken(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("Offline",))
    run = timed_run(folder, "Offline")
    loadgen = json.loads((run / "record.json").read_text())["loadgen"]
    changed_record(run, valid=False, loadgen={**loadgen, "invalid_reasons": ["too short"]})
    [line] = obstacles(folder, OPEN)
    assert f"run {run.name[:-2]} is INVALID: too short" in line


def test_every_log_that_is_missing_is_listed(tmp_path: Path) -> None:
    """At once, with what else is wrong, and not only the first of them."""
    folder = results(tmp_path / "results", ("SingleStream", "Offline"), tests=())
    lost = []
    for scenario, name in (("SingleStream", "mlperf_log_summary.txt"), ("Offline", "mlperf_log_detail.txt")):
        run = timed_run(folder, scenario)
        (run / name).unlink()
        lost.append(f"{scenario}: run {run.name[:-2]} lacks {name}; ")
    options = SubmissionOptions(ROUND, "open", "a b")
    lines = obstacles(folder, options)
    assert lines[0].startswith("--submitter: ")
    assert [
        line.partition(", digits-recorded, ")[2][: len(text)]
        for line, text in zip(lines[1:], lost, strict=True)
    ] == lost
    assert len(lines) == 3


def test_a_run_of_another_round_is_never_taken(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("Offline",))
    run = timed_run(folder, "Offline")
    loadgen = json.loads((run / "record.json").read_text())["loadgen"]
    seeds = {
        "qsl_rng_seed": 2465351861681999779,
        "sample_index_rng_seed": 14276810075590677512,
        "schedule_rng_seed": 3936089224930324775,
    }
    changed_record(run, loadgen={**loadgen, "seeds": seeds})
    [line] = obstacles(folder, OPEN)
    assert (
        "was measured with LoadGen 6.0.17, which has the seeds of v6.0; v9.9 needs mlcommons-loadgen" in line
    )


def test_runs_of_two_hosts_models_or_versions_do_not_mix(tmp_path: Path) -> None:
    folder = results(tmp_path / "results", ("SingleStream", "Offline"), tests=())
    run = timed_run(folder, "Offline")
    data = json.loads((run / "record.json").read_text())
    changed_record(
        run,
        host={**data["host"], "hostname": "other", "cores": 2},
        versions={**data["versions"], "onnxruntime": "1.20.0"},
    )
    assert obstacles(folder, OPEN) == [
        "system board: its runs come from 2 different hosts (board, other); give the results of one host, "
        "or measure again",
        "system board: its runs have onnxruntime 1.20.0 and 1.32.0; measure all of them with one version",
    ]
    changed_record(run, inputs={**data["inputs"], "files_sha256": {"model:digits.onnx": "ef" * 32}})
    [line] = [line for line in obstacles(folder, OPEN) if "accuracy" in line]
    assert "has no valid accuracy run of the same system, model and LoadGen" in line


def test_a_tree_with_an_error_is_not_written(tmp_path: Path) -> None:
    """An edited log passes the choice, and `check` stops it."""
    folder = results(tmp_path / "results", ("Offline",))
    log = timed_run(folder, "Offline") / "mlperf_log_summary.txt"
    log.write_text(log.read_text().replace("Samples per second: ", "Samples per second: 9"))
    out = tmp_path / "tree"
    done, report = write_tree(prepare([folder], OPEN, out), out)
    assert not done
    assert [each.rule for each in report.findings if each.severity == "error"] == ["summary-differs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


def test_a_failed_copy_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = results(tmp_path / "results", ("Offline",))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    from qutiperf.errors import SetupError

    with pytest.raises(SetupError, match="No space left on device"):
        write_tree(prepare([folder], OPEN, None), tmp_path / "tree")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", ".x", "a b", "a\nb", "é", "x" * 101, "a\\b", "\0"])
def test_names_that_cannot_be_a_folder(name: str) -> None:
    assert folder_problem(name) is not None
    assert folder_problem(safe_folder(name)) is None


def test_names_that_can(tmp_path: Path) -> None:
    assert folder_problem("GATE_Overflow-1") is None
    assert safe_folder("examples/my board (v2)") == "examples-my-board--v2"
