"""`qutiperf explain RESULTS|LOGS`: why a run is INVALID, slow or unstable, and what to change."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.explain import Explained


def explain(
    where: Annotated[
        Path, typer.Argument(help="A results folder, one run's folder, or any folder with mlperf_log_*.txt.")
    ],
    details: Annotated[
        bool, typer.Option("--details", help="Every run with findings by itself, instead of a summary.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every run by itself, also valid ones and those of changed files.")
    ] = False,
    mlperf_round: Annotated[
        str | None, typer.Option("--round", help="Compare the seeds with those of this MLPerf round: v6.1.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an array of objects, one for every run.")
    ] = False,
) -> None:
    """Explain why runs failed, are INVALID, slow or unstable: cause, cure, cost.

    Several runs are summed up by cause; one run is explained in full, as every run is with --details.
    """
    from qutiperf.api.explanations import explained, selection_at
    from qutiperf.cli.results import report_selection
    from qutiperf.explain import to_dict

    selection = selection_at(where, everything=everything)
    if selection is not None:
        report_selection(selection)
    runs = explained(where, selection, mlperf_round)
    if as_json:
        console.out_json(
            [
                {"run": run.name, "run_id": run.run_id, "findings": [to_dict(each) for each in run.findings]}
                for run in runs
            ]
        )
    elif everything or len(runs) == 1:
        _print_runs(runs)
    elif details:
        _print_runs([run for run in runs if run.needs_attention])
        _print_rest(runs)
    else:
        _print_summary(runs)


def _print_runs(runs: "Sequence[Explained]") -> None:
    from qutiperf.explain import render

    for run in runs:
        console.out_line(run.name)
        console.out(f"{_indented(render(run.findings))}\n")


def _print_summary(runs: "Sequence[Explained]") -> None:
    from qutiperf.explain import causes, render_causes

    listed = causes(runs)
    affected = sum(run.needs_attention for run in runs)
    if listed:
        count = "1 cause" if len(listed) == 1 else f"{len(listed)} causes"
        console.out(f"{affected} of {len(runs)} runs have findings, from {count}:\n")
        for cause in listed:
            console.out(f"{render_causes([cause])}\n")
        console.out("--details explains each of these runs.")
    _print_rest(runs)


def _print_rest(runs: "Sequence[Explained]") -> None:
    quiet = sum(not run.needs_attention for run in runs)
    if quiet:
        subject = f"All {len(runs)} runs are" if quiet == len(runs) else f"{quiet} of {len(runs)} runs are"
        console.out(f"{subject} valid and undisturbed (--all shows them).")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
