"""`qutiperf check`: findings as lines or JSON, exit codes, the seal."""

import json
from pathlib import Path

import pytest

from qutiperf.cli import main
from tests.submission.good_tree import ROUND, build


def test_a_good_tree_is_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path)
    assert main(["check", str(tmp_path), "--round", ROUND]) == 0
    text = "3 results, 3 without an error of their own; errors 0, warnings 0, notes 0, not checked 0\n"
    assert capsys.readouterr().out == text


def test_a_finding_is_one_line_with_its_file_line_rule_source_and_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submitter = build(tmp_path)
    (submitter / "machines/board.json").write_text("{\n}{")
    assert main(["check", str(tmp_path), "--round", ROUND]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == (
        "error: closed/Acme/machines/board.json:2: is not JSON: Extra data; "
        "it must be a flat JSON object in UTF-8 [json]"
    )


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submitter = build(tmp_path)
    (submitter / "code/main.py").unlink()
    (submitter / "code").rmdir()
    assert main(["check", str(tmp_path), "--round", ROUND, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["results"], found["error"]) == (False, 3, 1)
    assert found["findings"] == [
        {
            "severity": "error",
            "rule": "code-missing",
            "path": "closed/Acme",
            "line": None,
            "what": "lacks code or src/, the code that ran",
            "cure": "add the code",
            "source": "https://example.org/checker",
        }
    ]
    assert [row["scenario"] for row in found["rows"]] == ["MultiStream", "Offline", "SingleStream"]


def test_seal_only_without_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submitter = build(tmp_path)
    (submitter / "machines/board.json").rename(submitter / "machines/aside")
    assert main(["check", str(tmp_path), "--round", ROUND, "--seal"]) == 1
    assert not (tmp_path / "qutiperf-seal.json").exists()
    (submitter / "machines/aside").rename(submitter / "machines/board.json")
    assert main(["check", str(tmp_path), "--round", ROUND, "--seal"]) == 0
    assert (tmp_path / "qutiperf-seal.json").exists()
    assert "sealed: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent", "--round", "v6.0"], "absent: is not a folder; name the folder that holds closed/"),
        ([".", "--round", "v7.7"], "no round named 'v7.7'"),
        ([".", "--round", "v6.0", "--unavailable", "absent"], "--unavailable absent: there is no such file"),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
