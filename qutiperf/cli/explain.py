"""`qutiperf explain RESULTS|LOGS`: why a run is INVALID, slow or unstable, and what to change."""

from pathlib import Path

import typer

from qutiperf.cli import console


def explain(
    where: Path = typer.Argument(
        help="A results folder, one run's folder, or any folder with mlperf_log_*.txt."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print an array of objects."),
) -> None:
    """Explain why runs are INVALID, slow or unstable: the rule, the setting to change, the value, the minutes."""
    console.out(str(where) + str(as_json))
