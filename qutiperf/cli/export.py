"""`qutiperf export DIR`: the shipped files, for editing."""

from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console


def export(
    folder: Annotated[
        Path, typer.Argument(help="New folder for copies of scenarios/, sut/, audit/, reports/.")
    ],
) -> None:
    """Copy the shipped scenarios, systems, audits and reports for editing."""
    from qutiperf import catalog

    for copied in catalog.export(folder):
        console.out(str(copied))
    console.note(f"run an edited sweep with: qutiperf run {folder}/scenarios/sweeps/quickstart.yaml")
