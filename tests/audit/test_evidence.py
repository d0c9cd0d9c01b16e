"""The same evidence from a record of ours as from a tree; LoadGen's own logs have no findings."""

import json
import shutil
from pathlib import Path

import pytest

from qutiperf.audit.evidence import DETAIL, SUMMARY, evidence_in, evidence_of_record
from qutiperf.audit.finding import AuditFinding
from qutiperf.audit.tree import list_tree
from tests.places import DATA, LOGS

RECORD = DATA / "results_862dfec" / "5a7223736c89-1"
KINDS = sorted(path.name for path in LOGS.iterdir())


def findings(folder: Path) -> list[AuditFinding]:
    names = frozenset(path.name for path in folder.iterdir())
    return list(evidence_in(folder, folder.name, names).findings({}))


@pytest.mark.parametrize("kind", KINDS)
def test_what_loadgen_wrote_has_no_finding(kind: str) -> None:
    """Valid and invalid runs, errors and audits, of 5.1.2 and 6.0.17: no log contradicts itself."""
    assert findings(LOGS / kind) == []


def test_a_record_of_ours() -> None:
    evidence = evidence_of_record(RECORD)
    assert evidence.trace is not None
    assert evidence.record is not None
    assert evidence.trace.scenario == "SingleStream"
    assert list(evidence.findings({})) == []


def test_an_edited_record(tmp_path: Path) -> None:
    folder = tmp_path / RECORD.name
    shutil.copytree(RECORD, folder)
    data = json.loads((folder / "record.json").read_text())
    data["figures"]["system_latency_p90_ms"] /= 2
    (folder / "record.json").write_text(json.dumps(data))
    (finding,) = evidence_of_record(folder).findings({})
    assert finding.rule == "record-differs"
    assert finding.what == "system_latency_p90_ms is 0.0181845, the log has 36,369 ns"


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"num_errors", "value": 0', '"num_errors", "value": 2', "log-errors"),
        (
            '"effective_max_duration_ms", "value": 0',
            '"effective_max_duration_ms", "value": 9',
            "log-settings",
        ),
        ('"result_validity", "value": "VALID"', '"result_validity", "value": "INVALID"', "log-verdict"),
        (":::MLLOG", ":::LOG", "log-unreadable"),
        ('"pid": ', '"pid": 1', "log-processes"),
    ],
)
def test_edits_are_named(old: str, new: str, rule: str, tmp_path: Path) -> None:
    for name in (DETAIL, SUMMARY):
        shutil.copy(LOGS / "single_stream_valid" / name, tmp_path / name)
    text = (tmp_path / DETAIL).read_text()
    assert old in text
    count = 1 if rule == "log-processes" else -1
    (tmp_path / DETAIL).write_text(text.replace(old, new, count))
    assert rule in [finding.rule for finding in findings(tmp_path)]


def test_the_rate_does_not_include_the_last_query(tmp_path: Path) -> None:
    """LoadGen divides by the time of the last issue; a stall of the last query is in the wall clock alone."""
    for name in (DETAIL, SUMMARY):
        shutil.copy(RECORD / name, tmp_path / name)
    assert findings(tmp_path) == []
    for name, old, new in ((DETAIL, "27778.1", "30000.1"), (SUMMARY, "27778.08", "30000.08")):
        text = (tmp_path / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new))
    assert [each.rule for each in findings(tmp_path)] == ["log-rate"]
    for name in (DETAIL, SUMMARY):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("472226", "24722260"))  # 25 ms of 300 ms
    assert findings(tmp_path) == []


@pytest.mark.parametrize(("end", "rules"), [("12.630", []), ("12.800", ["log-rate"])])
def test_short_queries_leave_time_between_them(end: str, rules: list[str], tmp_path: Path) -> None:
    """64 ms more than 787 queries of 630 us take are start, end and LoadGen's own work on a busy machine."""
    for name in (DETAIL, SUMMARY):
        shutil.copy(LOGS / "multi_stream_valid" / name, tmp_path / name)
    text = (tmp_path / DETAIL).read_text()
    assert "18:55:12.566" in text
    (tmp_path / DETAIL).write_text(text.replace("18:55:12.566", f"18:55:{end}"))
    assert [each.rule for each in findings(tmp_path)] == rules


def test_an_old_loadgen_is_not_checked_in_silence(tmp_path: Path) -> None:
    for name in (DETAIL, SUMMARY):
        shutil.copy(LOGS / "single_stream_valid" / name, tmp_path / name)
    text = (tmp_path / DETAIL).read_text()
    lines = [line for line in text.splitlines(keepends=True) if "sample_concatenate_permutation" not in line]
    (tmp_path / DETAIL).write_text("".join(lines).replace('"value": "6.0.17 @', '"value": "4.1 @'))
    assert [(each.severity, each.rule) for each in findings(tmp_path)] == [("not checked", "log-version")]


def test_a_tree_lists_without_following(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("abc")
    (tmp_path / "loop").symlink_to(tmp_path)
    tree = list_tree(tmp_path)
    assert (tree.files, tree.links, tree.subfolders("")) == ({"a/file": 3}, ["loop"], ["a"])
