"""Trees of a shipped round from runs of ten minutes: tests/data/rehearsal_v6.1."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from qutiperf.audit.compliance import folder_of_test
from qutiperf.results.store import Store, read_record
from qutiperf.submission.check import check_tree
from qutiperf.submission.options import SubmissionOptions
from qutiperf.submission.submit import prepare, write_tree
from tests.places import TESTS

pytestmark = pytest.mark.slow
ARCHIVE = TESTS / "data" / "rehearsal_v6.1" / "runs.tar.xz"
SCENARIOS = ("SingleStream", "MultiStream", "Offline")
# What a tree has to be given on any machine but the one that measured.
FIELDS = {
    "host_processors_per_node": "1",
    "host_processor_core_count": "2",
    "host_storage_capacity": "275 GB",
    "host_storage_type": "virtual disk",
    "host_network_card_count": "1",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of the recorded runs."""
    scratch, folder = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("real") / "results"
    with tarfile.open(ARCHIVE) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 has none
        archive.extractall(scratch)
    Store.create(folder)  # before folders of tests are in it
    for run in sorted((scratch / "pack").glob("*/*")):
        target = folder if run.name in ("performance", "accuracy") else folder_of_test(folder, run.name)
        Store.create(target)
        record = read_record(run)
        shutil.move(run, target / f"{record.run_id}-{record.attempt}")
    return folder


@pytest.mark.parametrize("division", ["closed", "open"])
def test_a_whole_round(results: Path, tmp_path: Path, division: str) -> None:
    out = tmp_path / "tree"
    prepared = prepare([results], SubmissionOptions("v6.1", division, "Acme", FIELDS), out)
    assert [str(each) for each in prepared.obstacles] == []
    done, report = write_tree(prepared, out)
    assert (done, report.results, report.clean) == (True, 3, 3)
    assert {each.rule for each in report.findings} == {"rehearsal"}
    assert [each.rule for each in check_tree(out, "v6.1").findings] == ["rehearsal"]
    folder = "resnet50" if division == "closed" else "resnet50-rehearsal"
    submitter = out / division / "Acme"
    for scenario in SCENARIOS:
        place = submitter / "results" / "rehearsal" / folder / scenario
        text = (place / "accuracy" / "accuracy.txt").read_text()
        assert text.startswith("accuracy=100.000%, good=50000, total=50000\n\nhash=")
        assert (place / "accuracy" / "mlperf_log_accuracy.json").stat().st_size == 8199
        assert json.loads((place / "measurements.json").read_text())["retraining"] == "none"
        assert (place / "TEST04" / "verify_performance.txt").read_text().endswith("TEST PASS\n")
    assert (submitter / "src" / "qutiperf" / "cli" / "submit.py").is_file()
    assert (submitter / "src" / "qutiperf" / "_catalog" / "scenarios" / "offline.yaml").is_file()
    described = json.loads((submitter / "systems" / "rehearsal.json").read_text())
    assert described["system_name"] == "REHEARSAL, a simulated accelerator"


def test_another_round_is_refused_with_its_loadgen(results: Path) -> None:
    options = SubmissionOptions("v6.0", "open", "Acme", FIELDS)
    lines = [str(each) for each in prepare([results], options, None).obstacles]
    assert len(lines) == 3
    assert all("which has the seeds of v6.1; v6.0 needs mlcommons-loadgen==6.0.15" in line for line in lines)


def test_one_scenario_stands_for_all_of_an_edge_system(results: Path, tmp_path: Path) -> None:
    options = SubmissionOptions("v6.1", "closed", "Acme", FIELDS, scenarios=("SingleStream",), infer=True)
    assert prepare([results], options, None).obstacles == []
    only = [run for run in (results.iterdir()) if (run / "record.json").is_file()]
    kept = {run.name for run in only if read_record(run).point.scenario.value == "SingleStream"}
    smaller = tmp_path / "results"
    shutil.copytree(results, smaller)
    for run in only:
        if run.name not in kept:
            shutil.rmtree(smaller / run.name)
    options = SubmissionOptions("v6.1", "closed", "Acme", FIELDS, infer=True)
    done, report = write_tree(prepare([smaller], options, None), tmp_path / "tree")
    assert (done, report.results, report.clean) == (True, 3, 3)
