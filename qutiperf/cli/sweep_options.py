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
Power = Annotated[
    list[str] | None,
    typer.Option(
        help="Power meter: rapl, ina, redfish:https://BMC, none (`qutiperf list meters`). "
        "Repeated, the others check the first. Default: that of the sweep or SUT file."
    ),
]
Sustained = Annotated[
    str | None,
    typer.Option(help="Hold every performance run for 90s, 30m or 1h30m, and keep its throughput over time."),
]
OnlyRuns = Annotated[
    list[str] | None,
    typer.Option(help="Only these runs: scenario=Offline, batch_size=8,16, workload=digits-*; repeatable."),
]


def overrides_of(settings: list[str] | None, profile: str | None, sustained: str | None) -> list[str]:
    """Keys of the sweep that the options set, in the form of --set; raises InputError."""
    from qutiperf.spec.duration import seconds_of_option

    overrides = [*(settings or []), *([f"profile={profile}"] if profile else [])]
    if sustained is not None:
        overrides.append(f"settings.sustained_s={seconds_of_option('--sustained', sustained):.12g}")
    return overrides
