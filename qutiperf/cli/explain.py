"""`qutiperf explain RESULTS|LOGS`: why a run is INVALID, slow or unstable, and what to change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qutiperf.api.explanations import Explanation


def explain(
    where: Annotated[
        Path, typer.Argument(help="A results folder, one run's folder, or any folder with mlperf_log_*.txt.")
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Also valid runs, and runs of files that have changed since.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print an array of objects, one a run.")] = False,
) -> None:
    """Explain why runs are INVALID, slow or unstable: rule, setting to change, value, cost."""
    from qutiperf.api.explanations import explanations, selection_at
    from qutiperf.cli.results import report_selection

    selection = selection_at(where, everything=everything)
    if selection is not None:
        report_selection(selection)
    entries = list(explanations(where, selection))
    if as_json:
        console.out_json([_object(entry) for entry in entries])
    else:
        _print(entries, everything=everything or len(entries) == 1)


def _object(entry: "Explanation") -> dict[str, object]:
    from qutiperf.explain import to_dict

    findings = [to_dict(finding) for finding in entry.findings]
    return {"run": entry.name, "run_id": entry.run_id, "findings": findings}


def _print(entries: "Sequence[Explanation]", *, everything: bool) -> None:
    shown = [entry for entry in entries if everything or entry.needs_attention]
    for entry in shown:
        console.out(f"{entry}\n")
    if len(shown) < len(entries):
        console.out(
            f"{len(entries) - len(shown)} of {len(entries)} runs are valid and undisturbed (--all shows them)"
        )
