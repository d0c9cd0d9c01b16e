"""`submit` and `audit` on the command line: one line for each obstacle, exit codes, JSON."""

import json
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.spec.catalog import names
from tests.conftest import fails
from tests.submission.good_tree import ROUND
from tests.submission.recorded import results, workload

WRITE = ["--round", ROUND, "--submitter", "Acme"]


def test_a_tree_is_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = results(tmp_path / "results", ("Offline",)), tmp_path / "tree"
    command = ["submit", str(folder), *WRITE, "--division", "open", "--out", str(out)]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out}: 1 results of Acme for v9.9, open",
        "Result not verified by MLCommons Association.",
    ]
    assert main(["check", str(out), "--round", ROUND]) == 0
    capsys.readouterr()
    assert main([*command, "--json"]) == 2  # it is there now
    report = json.loads(capsys.readouterr().out)
    assert report["tree"] is None
    assert [row["where"] for row in report["obstacles"]] == [f"--out {out}"]


def test_a_rehearsed_tree_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = (
        results(tmp_path / "results", ("Offline",), load=workload(rehearsal=True)),
        tmp_path / "tree",
    )
    assert main(["submit", str(folder), *WRITE, "--division", "open", "--out", str(out)]) == 0
    assert "REHEARSAL: never submit this tree" in capsys.readouterr().out
    assert main(["check", str(out), "--round", ROUND]) == 1
    assert main(["check", str(out), "--round", ROUND, "--rehearsal"]) == 0


def test_what_is_missing_is_said_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "results", ("SingleStream",), tests=())
    out = tmp_path / "tree"
    assert main(["submit", str(folder), *WRITE, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("qutiperf: board, digits-99") for line in lines[:4])
    assert lines[4] == "nothing was written"
    assert not out.exists()


def test_status_lists_commands_and_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "results", ("SingleStream",))
    assert main(["submit", str(folder), "--status", "--round", ROUND]) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{ROUND}, closed: 2 obstacles, about 60 min of measurement")
    command = "qutiperf submit RESULTS --complete --round v9.9 --division closed (about 30 min)"
    assert rest == [
        f"  board, digits-99: edge requires {name}, which was not measured; {command}"
        for name in ("MultiStream", "Offline")
    ]
    assert main(["submit", str(folder), "--status", "--round", ROUND, "--infer"]) == 0
    assert capsys.readouterr().out == f"{ROUND}, closed: nothing is missing\n"
    assert main(["submit", str(folder), "--status", "--json"]) == 1
    assert list(json.loads(capsys.readouterr().out)["rounds"])[-1] == names("round")[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing: --round, --submitter, --out; qutiperf submit RESULTS --round v6.1"),
        (["--round", "v6.1", "--out", "x"], "missing: --submitter"),
        ([*WRITE, "--out", "x", "--field", "cooling"], "--field: 'cooling' is not NAME=TEXT"),
        ([*WRITE, "--out", "x", "--field", "a=1", "--field", "a=2"], "--field: a is given twice"),
        ([*WRITE, "--out", "x", "--power", "Batch=x"], "'Batch' is not a scenario; allowed: MultiStream"),
        ([*WRITE, "--out", "x", "--scenario", "Offline,x"], "'x' is not a scenario"),
        ([*WRITE, "--out", "x"], "is not a results folder"),
        (["--round", "v0.1", "--submitter", "A", "--out", "x"], "no round named 'v0.1'"),
        ([*WRITE, "--out", "x", "--sut", "none"], "no sut named 'none'"),
    ],
)
def test_bad_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in fails(capsys, ["submit", str(tmp_path), *arguments], 2)


def test_audit_judges_what_was_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "results", ("Offline",))
    assert main(["audit", str(folder), "--round", ROUND]) == 0  # all tests have runs: none is started
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:2] for line in lines[:2]] == [["pass", "TEST01"], ["pass", "TEST04"]]
    assert lines[2] == "Result not verified by MLCommons Association."
    kept = sorted(path.name for path in folder.glob("audit/*/*.verdict.json"))
    assert len(kept) == 2
    assert main(["audit", str(folder), "--round", ROUND, "--only", "TEST04", "--json"]) == 0
    [verdict] = json.loads(capsys.readouterr().out)
    assert (verdict["audit"], verdict["outcome"]) == ("TEST04", "pass")


def test_audit_names_tests_that_were_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "results", ("Offline",), tests=("TEST01",))
    assert main(["audit", str(folder), "--round", ROUND, "--judge"]) == 1
    assert "inconclusive: TEST04" in capsys.readouterr().out
    message = fails(capsys, ["audit", str(folder), "--round", "v6.1", "--judge"], 2)
    assert "holds no valid submission run of v6.1 that has a compliance test" in message
    assert "--only: 'TEST99' is not an audit" in fails(
        capsys, ["audit", str(folder), "--round", ROUND, "--only", "TEST99"], 2
    )
