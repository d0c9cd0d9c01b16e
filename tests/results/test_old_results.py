"""Results folders that older versions wrote stay readable, and their run ids stay what they were."""

import json
import shutil
from pathlib import Path

import pytest

from qutiperf import host
from qutiperf.cli import main
from qutiperf.results.store import Store
from qutiperf.run.plan import gather, make_plan
from qutiperf.run.unfinished import runs_to_measure
from qutiperf.spec.sweep import load_sweep
from tests.places import DATA

OLD = DATA / "results_862dfec"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "results"))


def test_show_prints_the_figures_that_the_old_version_printed(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(results), "--json"], debug=False) == 0
    rows = json.loads(capsys.readouterr().out)
    expected = json.loads((DATA / "results_862dfec.json").read_text())
    assert len(rows) == len(expected) == 8
    for row, old in zip(rows, expected, strict=True):
        for name, value in old.items():
            if value is not None:
                assert row[name] == value, name


@pytest.mark.parametrize("arguments", [["explain"], ["analyse", "pareto"], ["show"]])
def test_verbs_read_it(results: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, str(results)], debug=False) == 0
    assert "digits-mlp" in capsys.readouterr().out


def test_the_same_sweep_on_the_same_host_has_the_same_run_ids_and_nothing_left_to_run(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(results)
    [machine] = {json.dumps(record.host) for record in store.records()}
    monkeypatch.setattr(host, "available_cores", lambda: json.loads(machine)["cores"])
    sweep, _ = load_sweep(str(DATA / "results_862dfec.yaml"), [])
    groups = make_plan(sweep, gather(sweep), json.loads(machine)).groups
    attempts = store.attempts()
    for group in groups:
        assert {run.run_id for run in group.runs} <= set(attempts)
        assert runs_to_measure(group, attempts) == []
