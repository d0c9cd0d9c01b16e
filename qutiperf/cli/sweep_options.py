"""Options that `run` and `plan` have in common."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path | None, typer.Option(help="Results folder; default results/<sweep>.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key of the sweep: deployment.batch_size=1,8,64"),
]
ProfileName = Annotated[str | None, typer.Option(help="submission, standard or test_run (short).")]
OnlyRuns = Annotated[
    list[str] | None,
    typer.Option(help="Only these runs: scenario=Offline, batch_size=8,16, workload=digits-*; repeatable."),
]
