"""Results of MLPerf Endpoints, which have no LoadGen logs: recognised, so that none is passed in silence."""

from collections.abc import Iterator, Sequence

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree
from qutiperf.spec.round_rules import RoundRules
from qutiperf.submission.entries import SubmissionEntry

_OF_AN_ENTRY = ("config.yaml", "performance/result_summary.json")
# https://docs.mlcommons.org/endpoints-submission-docs/reference/package-layout/
_OF_A_BUNDLE = ("point.yaml", "result_summary.json")
_MOST_NAMED = 20
_CURE = "check it with MLCommons' submission-checker for Endpoints"


def is_endpoints(tree: FileTree, entry: SubmissionEntry, rules: RoundRules) -> bool:
    """Whether a scenario folder of an inference round holds such a result."""
    folder, run = entry.at(rules.layout.scenario), entry.at(rules.layout.performance)
    has_log = f"{run}/mlperf_log_detail.txt" in tree.files
    return not has_log and any(f"{folder}/{name}" in tree.files for name in _OF_AN_ENTRY)


def bundle_folders(tree: FileTree, rules: RoundRules, entries: Sequence[SubmissionEntry]) -> list[str]:
    """Folders of points outside all entries: a bundle of Endpoints has a layout of its own."""
    own = {entry.at(rules.layout.scenario) for entry in entries}
    folders = {
        folder
        for path in tree.files
        if path.endswith(_OF_A_BUNDLE) and not _is_below(folder := path.rpartition("/")[0], own)
    }
    return sorted(folders)


def _is_below(folder: str, entries: set[str]) -> bool:
    parts = folder.split("/")
    return any("/".join(parts[:count]) in entries for count in range(1, len(parts) + 1))


def endpoints_finding(folder: str) -> AuditFinding:
    what = "is an Endpoints result, which has no LoadGen logs"
    return FindingMaker(folder, {}).not_checked("endpoints", what, _CURE)


def bundle_findings(folders: Sequence[str]) -> Iterator[AuditFinding]:
    for folder in folders[:_MOST_NAMED]:
        yield endpoints_finding(folder or ".")
    if len(folders) > _MOST_NAMED:
        make = FindingMaker(folders[_MOST_NAMED], {})
        what = f"is an Endpoints result, and so are {len(folders) - _MOST_NAMED - 1:,} more"
        yield make.not_checked("endpoints", what, _CURE)
