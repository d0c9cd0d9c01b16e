"""documentation/qutibench/submitted.json: which log of the tree is which run, checked against the logs."""

import hashlib
import json
from collections.abc import Iterator

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree, read_bounded

FOLDER = "documentation/qutibench"
SUBMITTED = "submitted.json"
_MOST_BYTES = 50_000_000
_CURE = "write the tree again with `qutiperf submit`"


def submitted_findings(tree: FileTree, submitter: str, sources: dict[str, str]) -> Iterator[AuditFinding]:
    """Whether the list has the logs that are in the submitter's folder; nothing where there is no list."""
    path = f"{submitter}/{FOLDER}/{SUBMITTED}"
    if path not in tree.files:
        return
    make = FindingMaker(path, sources)
    try:
        entries = json.loads(read_bounded(tree.path(path), _MOST_BYTES))
        listed = [(str(entry["log"]), str(entry["log_sha256"])) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        yield make.error("qutibench", "is not a list of submitted runs", _CURE)
        return
    for log, digest in listed:
        if f"{submitter}/{log}" not in tree.files:
            yield make.error("qutibench", f"names {log}, which is not in the tree", _CURE)
        elif _sha256(tree, f"{submitter}/{log}") != digest:
            yield make.error("qutibench", f"{log} is not the log that was submitted", _CURE)


def _sha256(tree: FileTree, path: str) -> str | None:
    try:
        with tree.path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
