"""Explains why a run failed or is INVALID, not submittable, slow or unstable, with cure and cost.

Works on records, or on the mlperf_log_* files of any folder; does not need LoadGen.
"""

from pathlib import Path

from qutiperf.explain.explained import Explained
from qutiperf.explain.finding import Context, Finding, render, to_dict
from qutiperf.explain.records import explain_record, explain_run_folder
from qutiperf.explain.summary import Cause, causes, render_causes
from qutiperf.explain.verdict import explain
from qutiperf.mlperf_logs import log_folders, read_result

__all__ = [
    "Cause",
    "Context",
    "Explained",
    "Finding",
    "causes",
    "explain",
    "explain_folder",
    "explain_record",
    "explain_run_folder",
    "render",
    "render_causes",
    "to_dict",
]


def explain_folder(path: Path, round_name: str | None = None) -> list[Explained]:
    """Every folder of LoadGen logs at or below `path`; raises InputError if a log cannot be read."""
    context = Context(round_name=round_name)
    return [
        Explained(str(folder), None, explain(read_result(folder), context)) for folder in log_folders(path)
    ]
