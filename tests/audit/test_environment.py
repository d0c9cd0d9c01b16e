"""The audit of the machine's state: what environment.csv holds, and whether the record says so."""

import json
import shutil
from pathlib import Path

import pytest

from qutiperf import __version__
from qutiperf.audit.verdict import AuditVerdict
from tests.audit.test_finished_runs import OLD, SINGLE, audited
from tests.places import DATA

HEADER = (
    "elapsed_s,foreign_cpu_percent,load_1min,cpu_frequency_mhz,cpu_frequency_max_mhz,"
    "temperature_c,throttle_count,steal_percent,memory_pressure_percent"
)
assert DATA in OLD.parents


@pytest.fixture
def results(tmp_path: Path) -> Path:
    shutil.copytree(OLD, tmp_path / "results")
    return tmp_path / "results"


def judged(results: Path, text: str, **changes: object) -> AuditVerdict:
    """The verdict of a run with this environment.csv, and changes of its record."""
    folder = results / f"{SINGLE}-1"
    (folder / "environment.csv").write_text(text)
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, "quality": "noisy", **changes}))
    return audited("environment", results)[SINGLE]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("0.5,30,1,2400,2400,50,0,0,0", "other processes used 30 % of the cores"),
        ("0.5,0,1,2400,2400,50,0,9,0", "other guests of the host took 9 % of the CPU time"),
        ("0.5,0,1,2400,2400,50,3,0,0", "the processor was throttled 3 times"),
        ("0.5,0,1,2400,2400,50,0,0,40", "processes waited for memory 40 % of the time"),
        ("0.5,0,1,1200,1200,50,0,0,0", "its clock is 1,200 MHz, that of the system's runs 2,445 MHz"),
    ],
)
def test_a_disturbed_run_is_inconclusive(row: str, line: str, results: Path) -> None:
    verdict = judged(results, f"{HEADER}\n{row}\n")
    assert (verdict.outcome, verdict.evidence) == ("inconclusive", [line])
    assert "qutiperf doctor" in verdict.cure


def test_a_record_that_hides_a_disturbance_fails(results: Path) -> None:
    """The version that is named marks such a run as noisy."""
    text = f"{HEADER}\n0.5,30,1,2400,2400,50,0,0,0\n"
    verdict = judged(results, text, quality="ok", versions={"qutiperf": __version__})
    line = "other processes used 30 % of the cores, but the record calls the run ok"
    assert (verdict.outcome, verdict.evidence) == ("fail", [line])
    assert judged(results, text, versions={"qutiperf": "0.0.1"}, quality="ok").outcome == "inconclusive"


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\nsoon", f"{HEADER}\nnan,1", "\0", "a\n1,2,3"])
def test_a_damaged_environment_is_inconclusive(text: str, results: Path) -> None:
    verdict = judged(results, text)
    assert (verdict.outcome, verdict.evidence) == ("inconclusive", ["there is no readable environment.csv"])
