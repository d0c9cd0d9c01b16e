"""Explanations from Python: the same as the command line prints."""

import json
from pathlib import Path

import pytest

import qutiperf
from qutiperf.cli import main
from qutiperf.results.store import Store
from tests.places import DATA, LOGS

OLD = DATA / "results_862dfec"
LATE = LOGS / "offline_target_qps_low"


def test_logs_of_anybody(capsys: pytest.CaptureFixture[str]) -> None:
    [explanation] = qutiperf.explain(LATE)
    assert explanation.run_id is None
    assert explanation.needs_attention
    [finding] = [finding for finding in explanation.findings if finding.kind == "invalid"]
    assert (finding.setting, finding.value) == ("settings.target_qps", 998)
    assert main(["explain", str(LATE)], debug=True) == 0
    assert capsys.readouterr().out == f"{explanation}\n\n"
    with pytest.raises(qutiperf.InputError, match="no round named 'v9'"):
        qutiperf.explain(LATE, round_name="v9")


def test_a_results_folder_and_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    explanations = qutiperf.explain(str(OLD))
    assert main(["explain", str(OLD), "--json"], debug=True) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry.run_id for entry in explanations] == [entry["run_id"] for entry in entries]
    assert len(explanations) > 1
    first = explanations[0]
    [alone] = qutiperf.explain(OLD / f"{first.run_id}-1")
    assert alone == first


def test_nothing_to_explain(tmp_path: Path) -> None:
    with pytest.raises(qutiperf.InputError):
        qutiperf.explain(tmp_path)


def test_damaged_parts_are_warned_of(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results")
    (store.folder / "0123456789ab-1").mkdir()
    with pytest.warns(UserWarning, match="0123456789ab-1"):
        assert qutiperf.explain(store.folder) == []
