"""`qutiperf best` on the committed results of an older version."""

import json

import pytest

import qutiperf
from qutiperf.cli import main
from tests.conftest import fails
from tests.places import DATA

OLD = str(DATA / "results_862dfec")
THROUGHPUT = ["--maximise", "system_throughput_ips"]


def test_the_verdict_in_words_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["best", OLD, *THROUGHPUT, "--require", "scenario == Offline"]
    assert main(arguments, debug=True) == 0
    text = capsys.readouterr().out
    assert "digits-mlp-12.5-int8 on cpu-onnxruntime, Offline" in text
    assert "decided: no other setting is within the noise" in text
    assert main([*arguments, "--json"], debug=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["winner"]["batch_size"], data["runner_up"]["batch_size"]) == (
        "decided",
        8,
        1,
    )
    [requirement] = data["requirements"]
    assert (requirement["settings_that_meet_it"], requirement["cost_percent"]) == (2, 0.0)


def test_nobody_meets_all_requirements(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", OLD, *THROUGHPUT, "--require", "top1_percent >= 99.9"], debug=True) == 1
    assert "none of 5 settings meets all requirements" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name one figure to maximise or to minimise"),
        ([*THROUGHPUT, "--minimise", "top1_percent"], "name one figure to maximise or to minimise"),
        (["--maximise", "throughput"], "unknown figure 'throughput'"),
        (["--maximise", "sut"], "sut is not a figure"),
        ([*THROUGHPUT, "--require", "top1_percent >= 99% of fp32"], "no valid run of datatype fp32 has"),
    ],
)
def test_wrong_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in fails(capsys, ["best", OLD, *words], 2)


def test_from_python() -> None:
    choice = qutiperf.best(OLD, ["sut == cpu-*"], maximise="compute_throughput_ips")
    assert choice.winner is not None
    assert choice.winner.row["batch_size"] == 8
