"""Answers to each sample: written and read one by one, exported, and refused when damaged."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest

import qutiperf
from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.results.answers import ANSWERS, SampleAnswer, read_answers, without_answers, write_answers
from qutiperf.results.store import Store
from qutiperf.spec.scenario import Mode
from tests.conftest import fails
from tests.results.test_metrics import a_record

THREE = [
    SampleAnswer(0, 3, [3], True),
    SampleAnswer(1, 4, [9], False),
    SampleAnswer(2, None, [0.5, "é"], None),
]
LINES = """\
{"kind": "answers", "schema_version": 1}
{"sample": 0, "label": 3, "values": [3], "correct": true}
{"sample": 1, "label": 4, "values": [9], "correct": false}
{"sample": 2, "label": null, "values": [0.5, "\\u00e9"], "correct": null}
{"count": 3}
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two accuracy runs with answers, and one without."""
    store = Store.create(tmp_path / "results")
    for number, run_id in enumerate(("a" * 12, "b" * 12, "c" * 12)):
        staged = store.stage() / "run"
        staged.mkdir()
        if number < 2:
            write_answers(staged / ANSWERS, [THREE[0], SampleAnswer(1, 4, [9 - 5 * number], number == 1)])
        batch = number + 1  # else the later runs would supersede the earlier ones
        store.place(staged, a_record(run_id=run_id, mode=Mode.ACCURACY, batch_size=batch, valid=True))
    return tmp_path / "results"


def test_a_file_has_a_header_and_an_end(tmp_path: Path) -> None:
    write_answers(tmp_path / "a", THREE)
    assert (tmp_path / "a").read_text() == LINES
    assert list(read_answers(tmp_path / "a")) == THREE


def test_no_answers_make_no_file(tmp_path: Path) -> None:
    write_answers(tmp_path / "a", [])
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_answers_are_not_gathered_in_memory(tmp_path: Path) -> None:
    """Each is written before the next is made, and read before the next is parsed."""
    file = tmp_path / "a"

    def made() -> Iterator[SampleAnswer]:
        for number in range(60_000):
            if number == 50_000:
                assert file.stat().st_size > 1_000_000
            yield SampleAnswer(number, number % 10, [number % 10], True)

    write_answers(file, made())
    assert sum(1 for _ in read_answers(file)) == 60_000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is incomplete: 0 answers and no end"),
        ("{", "line 1: "),
        ("[]\n", "line 1: is not an object"),
        ('{"kind": "sut", "schema_version": 1}\n', "line 1: is not the header of answers"),
        (LINES.replace('"schema_version": 1', '"schema_version": 2'), "has schema_version 2"),
        (LINES.replace('"schema_version": 1', '"schema_version": true'), "has schema_version true"),
        (LINES[: LINES.index('{"count"')], "is incomplete: 3 answers and no end"),
        (LINES.replace('"count": 3', '"count": 4'), "is incomplete: 3 answers and no end"),
        (LINES[:-20], "line 4: "),
        (LINES + LINES, "line 6: something follows the end"),
        (LINES.replace('"sample": 1', '"sample": "1"'), "line 3: is not an answer with sample, label"),
        (LINES.replace("[9]", "9"), "line 3: is not an answer"),
        (LINES.replace("[9]", "[[9]]"), "line 3: is not an answer"),
        (LINES.replace('"correct": false', '"correct": 0'), "line 3: is not an answer"),
        (LINES.replace('"label": 4, ', ""), "line 3: is not an answer"),
        ("[" * 100_000, "line 1: "),
        ('{"kind": "answers", "schema_version": 1}\n\xff\xfe', "line "),
    ],
)
def test_damage_is_one_line_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a").write_text(text, encoding="latin-1" if "\xff" in text else "utf-8")
    with pytest.raises(InputError) as caught:
        list(read_answers(tmp_path / "a"))
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "missing"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "a").mkdir()
    with pytest.raises(InputError):
        list(read_answers(tmp_path / "a"))


def test_answers_are_exported_by_sample(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(results), "--answers", "--csv"], debug=True) == 0
    assert capsys.readouterr().out == (
        "run_id,sut,workload,sample,label,answer,correct\n"
        "aaaaaaaaaaaa,cpu-onnxruntime,digits-mlp-25-fp32,0,3,3,True\n"
        "aaaaaaaaaaaa,cpu-onnxruntime,digits-mlp-25-fp32,1,4,9,False\n"
        "bbbbbbbbbbbb,cpu-onnxruntime,digits-mlp-25-fp32,0,3,3,True\n"
        "bbbbbbbbbbbb,cpu-onnxruntime,digits-mlp-25-fp32,1,4,4,True\n"
    )
    assert main(["show", str(results), "--answers", "--json"], debug=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["run_id"][0], row["sample"], row["answer"], row["correct"]) for row in rows] == [
        ("a", 0, 3, True),
        ("a", 1, 9, False),
        ("b", 0, 3, True),
        ("b", 1, 4, True),
    ]
    assert main(["show", str(results), "--answers"], debug=True) == 0
    table = capsys.readouterr().out
    assert "50" in table
    assert "100" in table


def test_a_damaged_file_is_named_and_left_out(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / f"{'a' * 12}-1" / ANSWERS
    path.write_text(LINES[:-5])
    assert main(["show", str(results), "--answers", "--json"], debug=True) == 0
    captured = capsys.readouterr()
    assert {row["run_id"] for row in json.loads(captured.out)} == {"b" * 12}
    [line] = captured.err.splitlines()
    assert line.startswith(f"qutiperf: {path}: line 5: ")
    with pytest.warns(UserWarning, match="line 5"):
        assert set(qutiperf.answers(results)["run_id"]) == {"b" * 12}


def test_all_files_damaged_are_an_empty_list(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        (results / f"{name * 12}-1" / ANSWERS).write_text("")
    assert main(["show", str(results), "--answers", "--json"], debug=True) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_folder_without_answers_says_how_to_keep_them(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        (results / f"{name * 12}-1" / ANSWERS).unlink()
    line = fails(capsys, ["show", str(results), "--answers"], 2)
    assert "has no answers to samples; `qutiperf run ... --keep-answers` into this folder keeps them" in line
    with pytest.raises(InputError, match="has no answers to samples"):
        qutiperf.answers(results)


def test_answers_and_summary_are_two_forms(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = fails(capsys, ["show", str(results), "--answers", "--summary"], 2)
    assert "--answers and --summary are two forms of output" in line


def test_runs_can_be_compared_with_pandas(results: Path) -> None:
    answers = qutiperf.answers(results)
    assert dict(answers.dtypes.astype(str)) == {
        "run_id": "string",
        "sut": "string",
        "workload": "string",
        "sample": "Int64",
        "label": "Int64",
        "answer": "Int64",
        "correct": "boolean",
    }
    table = answers.pivot(index="sample", columns="run_id", values="answer")
    assert table[table.nunique(axis="columns") > 1].index.tolist() == [1]
    assert isinstance(qutiperf.answers(results, "b" * 12), pandas.DataFrame)
    assert qutiperf.answers(results, "b" * 12)["answer"].tolist() == [3, 4]
    with pytest.raises(InputError, match="no answers of a run 'cccccccccccc'"):
        qutiperf.answers(results, "c" * 12)


def test_only_runs_without_answers_lack_them(results: Path) -> None:
    assert without_answers(results, Store.open(results).records()) == {"c" * 12}
