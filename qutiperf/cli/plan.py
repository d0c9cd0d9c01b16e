"""`qutiperf plan SWEEP`: what `run` would measure, and how long it would take."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.cli.sweep_options import OnlyRuns, Out, Power, ProfileName, Set, Sustained, overrides_of

if TYPE_CHECKING:
    from qutiperf.results.table import Row
    from qutiperf.run.effort import Effort
    from qutiperf.run.sweep import PlannedSweep

_SHOWN = {
    "sut": "sut",
    "workload": "workload",
    "threads": "threads",
    "streams": "streams",
    "operating_mode": "mode",
}
_ALWAYS = ("workload", "runs", "done", "about")
_NOT_PARAMETERS = (
    *("run_id", "load", "scenario", "mode", "repeat", "batch_size"),
    *("predicted_throughput_ips", "estimated_s", "done", "left_out"),
)


def plan(
    sweep: Annotated[str, typer.Argument(help="A shipped sweep (quickstart) or a sweep file.")],
    out: Out = None,
    settings: Set = None,
    profile: ProfileName = None,
    only: OnlyRuns = None,
    sustained: Sustained = None,
    power: Power = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a row for each run as JSON.")] = False,
) -> None:
    """Show what a sweep would measure, in which order, for how long, and what cannot be measured.

    Nothing is measured and nothing is written. Runs that are done are read from the results folder.
    """
    from qutiperf.api.sweeps import default_folder
    from qutiperf.run.sweep import plan_sweep

    planned = plan_sweep(sweep, overrides_of(settings, profile, sustained), power or ())
    print_plan(planned.only(only or []), out or default_folder(planned.sweep), as_json=as_json)


def print_plan(
    planned: "PlannedSweep",
    folder: Path,
    *,
    as_json: bool,
    again: bool = False,
    effort: "Effort | None" = None,
) -> None:
    """The plan of a sweep, a line for each load of a model."""
    from dataclasses import asdict

    from qutiperf.api.plans import outline
    from qutiperf.units import format_duration

    budget_s = effort.budget.seconds if effort is not None and effort.strategy == "full" else None
    outlined = outline(planned, folder, again=again, budget_s=budget_s)
    if as_json:
        console.out_json({"sweep": planned.sweep.name, **asdict(outlined)})
        return
    loads: dict[object, list[Row]] = {}
    for row in outlined.runs:
        loads.setdefault(row["load"], []).append(row)
    _print_loads(planned.sweep.name, list(loads.values()))
    for line in outlined.skipped:
        console.out_line(line)
    count, done = len(outlined.runs), sum(bool(row["done"]) for row in outlined.runs)
    loaded = "1 load" if len(loads) == 1 else f"{len(loads):,} loads"
    runs = "1 run" if count == 1 else f"{count:,} runs"
    duration = format_duration(outlined.estimated_s)
    prepared = f", {format_duration(outlined.preparation_s)} of it to prepare samples"
    console.out_line(
        f"{runs} in {loaded} of a model, {done:,} done; the rest takes about {duration}"
        f"{prepared if outlined.preparation_s >= 1 else ''}"
    )
    left_out = sum(row["left_out"] is not None for row in outlined.runs)
    if left_out:
        console.out_line(f"{left_out:,} of them were left out before: qutiperf show {folder} --left-out")
    if outlined.runs_in_budget is not None:
        missing = count - done
        console.out_line(f"about {outlined.runs_in_budget:,} of the {missing:,} fit into the budget")
    if effort is not None and effort.strategy == "pareto":
        console.out_line("pareto measures fewer, after short probes: those that may be on the front")


def _print_loads(title: str, loads: "Sequence[Sequence[Row]]") -> None:
    """Parameters that all loads share are named once above the table."""
    lines = [_line(rows) for rows in loads]
    same = [
        name for name in lines[0] if name not in _ALWAYS and len({str(line[name]) for line in lines}) == 1
    ]
    common = [f"{name} {lines[0][name]}" for name in same if lines[0][name] not in (None, "")]
    if common:
        console.out_line(f"all: {', '.join(common)}")
    shown = [name for name in lines[0] if name not in same]
    console.table(title, shown, [[line[name] for name in shown] for line in lines])


def _line(rows: "Sequence[Row]") -> dict[str, object]:
    from qutiperf.units import format_duration

    first = rows[0]
    other = [f"{name} {first[name]}" for name in first if name not in _SHOWN and name not in _NOT_PARAMETERS]
    predicted = [value for row in rows if isinstance(value := row["predicted_throughput_ips"], float)]
    left_s = sum(float(str(row["estimated_s"])) for row in rows if not row["done"])
    return {
        **{title: first.get(name) for name, title in _SHOWN.items()},
        "other": ", ".join(other),
        "runs": _runs(rows),
        "done": sum(bool(row["done"]) for row in rows),
        "predicted ips up to": max(predicted, default=None),
        "about": format_duration(left_s),
    }


def _runs(rows: "Sequence[Row]") -> str:
    """`accuracy; Offline 1,8,64 x 3`."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        name = "accuracy" if row["mode"] == "AccuracyOnly" else f"{row['scenario']} batch"
        parts.setdefault(name, []).append(row)
    texts = []
    for name, mine in sorted(parts.items()):
        repeats = len({row["repeat"] for row in mine})
        if name == "accuracy":
            texts.append(name)
            continue
        batches = ",".join(map(str, sorted({int(str(row["batch_size"])) for row in mine})))
        texts.append(f"{name} {batches}{f' x {repeats}' if repeats > 1 else ''}")
    return "; ".join(texts)
