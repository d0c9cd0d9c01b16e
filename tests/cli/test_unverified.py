"""Every output of results says that MLCommons has not reviewed them."""

import json
import shutil
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.unverified import UNVERIFIED
from tests.places import DATA, PACKAGE

RESULTS = str(DATA / "results_862dfec")


def test_the_sentence_is_the_one_that_mlcommons_asks_for() -> None:
    assert UNVERIFIED == "Result not verified by MLCommons Association."
    owners = [path for path in PACKAGE.rglob("*.py") if UNVERIFIED in path.read_text()]
    assert owners == [PACKAGE / "unverified.py"]


@pytest.mark.parametrize(
    "words",
    [
        ["show", RESULTS],
        ["show", RESULTS, "--all"],
        ["best", RESULTS, "--maximise", "system_throughput_ips"],
        ["compare", RESULTS, RESULTS],
    ],
)
def test_verbs_that_print_results(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(words, debug=True)
    assert UNVERIFIED in capsys.readouterr().out.splitlines()


def test_audits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a copy, as verdicts are kept in the results folder."""
    shutil.copytree(RESULTS, tmp_path / "results")
    main(["audit", str(tmp_path / "results"), "--only", "consistency"], debug=True)
    assert UNVERIFIED in capsys.readouterr().out.splitlines()


def test_the_best_setting_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["best", RESULTS, "--maximise", "system_throughput_ips", "--json"], debug=True)
    assert json.loads(capsys.readouterr().out)["note"] == UNVERIFIED


def test_every_page_of_a_report_and_its_data(tmp_path: Path) -> None:
    site = tmp_path / "site"
    main(["report", RESULTS, "--out", str(site)], debug=True)
    pages = [*site.rglob("*.html"), site / "data" / "datapackage.json"]
    assert len(pages) > 10
    assert [path for path in pages if UNVERIFIED not in path.read_text()] == []


def test_a_figure_of_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "front.svg"
    main(["plot", RESULTS, "--out", str(path)], debug=True)
    assert capsys.readouterr().out.splitlines() == [str(path), UNVERIFIED]
