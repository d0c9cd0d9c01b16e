"""Published logs that look wrong and are lawful have no finding; those that contradict themselves have."""

import pytest

from qutiperf.audit.accuracy import read_accuracy_log, read_accuracy_text
from qutiperf.audit.evidence import evidence_in
from tests.places import DATA

TRAPS = DATA / "traps"


def findings(name: str) -> list[str]:
    folder = TRAPS / name
    names = frozenset(path.name for path in folder.iterdir())
    return [f"{each.rule}: {each.what}" for each in evidence_in(folder, name, names).findings({})]


@pytest.mark.parametrize(
    "name", ["time_before_start", "mean_overflows", "no_error_count", "invalid_test06", "server_tokens"]
)
def test_lawful_logs_have_no_finding(name: str) -> None:
    assert findings(name) == []


def test_a_summary_of_other_settings() -> None:
    assert findings("summary_of_other_settings") == [
        "summary-differs: has 0 where the detail log has 600000 (effective_min_duration_ms)",
        "summary-differs: has 5000 where the detail log has 1 (effective_min_query_count)",
    ]


def test_a_log_in_which_every_flag_is_true() -> None:
    assert findings("every_flag_true") == [
        "log-errors: num_errors is 0, and 90 lines are marked as errors",
        "summary-differs: has 0 where the detail log has True (effective_print_timestamps)",
        "summary-differs: has 0 where the detail log has True (effective_performance_issue_unique)",
        "summary-differs: has 0 where the detail log has True (effective_performance_issue_same)",
        "summary-differs: counts 0 errors, the detail log 90",
    ]


def test_a_cut_log_with_other_line_ends() -> None:
    folder = TRAPS / "cut_with_crlf"
    log = read_accuracy_log(folder / "mlperf_log_accuracy.json")
    assert (log.cut, log.entry_count, log.starts_as_list, log.ends_as_list) == (True, None, True, True)
    text = read_accuracy_text(folder / "accuracy.txt")
    assert text.hash is not None
    assert len(text.hash) == 64


def test_sources_are_named() -> None:
    page = (TRAPS / "SOURCES.md").read_text()
    assert {path.name for path in TRAPS.iterdir() if path.is_dir()} == {
        line.split("|")[1].strip()
        for line in page.splitlines()
        if line.startswith("| ") and "folder" not in line
    }
