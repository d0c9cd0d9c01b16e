"""`qutiperf microbench`: levels 1 and 2."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console, measured_layers
from qutiperf.cli.measured_layers import DEFAULT_SUT, JsonOption, SutOption, report_uncovered
from qutiperf.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qutiperf.results.record import RunRecord
    from qutiperf.run.sweep import PlannedSweep
    from qutiperf.spec.microbench import MicrobenchSuite, SuitePart
    from qutiperf.spec.sut import SystemUnderTest

app = typer.Typer(
    no_args_is_help=True, help="Measure layers, stacks and blocks, and predict networks by them."
)


@app.command("run")
def run(
    suite: Annotated[
        str | None, typer.Argument(help="A shipped suite (core, full, resnet50-published) or a suite file.")
    ] = None,
    sut: SutOption = DEFAULT_SUT,
    out: Annotated[Path | None, typer.Option(help="Results folder; default results/<suite>.")] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--for", help="Layers of this workload, .onnx file or topology (resnet50@50); repeatable."
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Measure the networks of --for as well, first and beside the budget."),
    ] = False,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Stop planning after about so long: 90s, 10m, 2h.")
    ] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="Batch sizes, 1,8; else the suite's.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Default: all cores.")] = None,
    power: Annotated[
        list[str] | None,
        typer.Option(
            help="Power meter, as of `qutiperf run`; each point is then measured as long as it needs."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Measure a suite, or the layers of networks, through LoadGen; finished points are not repeated."""
    from qutiperf.cli.run import exit_code
    from qutiperf.results.table import rows

    planned = _planned(suite, sut, networks or [], whole, budget, batch, threads, power or [])
    records = _measured(planned, out or Path("results") / planned.sweep.name)
    if as_json:
        console.out_json(rows(records))
    else:
        _print_records(records)
    return exit_code(records, planned.sweep.profile.value)


def _planned(
    suite_name: str | None,
    sut_name: str,
    names: "Sequence[str]",
    whole: bool,
    budget: str | None,
    batch: str | None,
    threads: int | None,
    power: "Sequence[str]",
) -> "PlannedSweep":
    from dataclasses import replace

    from qutiperf.adapters.registry import has_profiler
    from qutiperf.microbench.networks import whole_network
    from qutiperf.microbench.selection import parts_of_networks
    from qutiperf.microbench.suite_plan import cache_bytes, plan_parts, settings_of, within_budget
    from qutiperf.spec.sut import load_sut

    if suite_name is None and not names:
        raise InputError(
            "names no suite and no network", cure="qutiperf microbench run core, or --for WORKLOAD"
        )
    if whole and not names:
        raise InputError("--whole has no effect without --for", cure="name the networks")
    budget_s = None if budget is None else _seconds(budget)
    system, _ = load_sut(sut_name)
    suite, parts = _suite(suite_name, system)
    measured = [whole_network(name, system) for name in names]
    layers = [each.layers for each in measured]
    profiled = has_profiler(system.adapter)
    parts = [*parts_of_networks(layers, suite, cache_bytes(system), profiled=profiled), *parts]
    report_uncovered([each.layers.name for each in measured], [each.layers.uncovered for each in measured])
    settings = replace(settings_of(suite), power=power)
    if batch is not None:
        settings = replace(settings, batch_sizes=_counts(batch, "--batch", "batch_size"))
    if threads is not None:
        [count] = _counts(str(threads), "--threads", "threads")
        settings = replace(settings, threads=count)
    networks = {each.workload.name: each.workload for each in measured} if whole else {}
    unique = {part.name: part for part in parts}
    planned = plan_parts(list(unique.values()), networks, sut_name, settings)
    if budget_s is None:
        return planned
    return within_budget(planned, budget_s, [*networks, *unique], networks)


def _suite(name: str | None, system: "SystemUnderTest") -> "tuple[MicrobenchSuite, list[SuitePart]]":
    """A named suite with its parts, else the settings for layers of networks."""
    from qutiperf.microbench.suite_plan import cache_bytes
    from qutiperf.spec.microbench import MicrobenchSuite, expand_suite, load_suite

    if name is None:
        return MicrobenchSuite(
            name="layers", batch_sizes=[1, 8], weights=["resident", "streamed"], depths=[1, 2, 4]
        ), []
    suite, file = load_suite(name)
    return suite, expand_suite(suite, str(file.path), cache_bytes(system))


def _measured(planned: "PlannedSweep", folder: Path) -> "list[RunRecord]":
    from qutiperf.cli.progress import following
    from qutiperf.run.sweep import measure_sweep

    with following() as tracker:
        return measure_sweep(planned, folder, tracker)


def _print_records(records: "Sequence[RunRecord]") -> None:
    from qutiperf.results.derived import derived_of, ran_as

    rows, metered = [], any(record.power for record in records)
    for record in records:
        derived, part = derived_of(record), record.inputs.workload.model.part
        copies = part.build.weight_copies if part else 1
        correctness = record.observed.correctness if record.observed else None
        rows.append(
            [
                record.inputs.workload.variant.topology or record.point.workload,
                part.build.label if part else record.inputs.workload.variant.weight_datatype,
                "streamed" if copies > 1 else "resident",
                record.point.deployment["batch_size"],
                record.figures.compute_latency_p50_ms,
                derived.compute_gops,
                derived.compute_efficiency_percent,
                *([record.figures.full_power_w, derived.energy_per_input_mj] if metered else []),
                correctness.error if correctness else None,
                ran_as(record),
                record.quality if record.valid else (record.reasons or ["failed"])[0],
            ]
        )
    titles = [
        "part",
        "datatype",
        "weights",
        "batch",
        "p50 ms",
        "GOP/s",
        "efficiency %",
        *(["W", "mJ/input"] if metered else []),
        "error",
        "ran as",
        "quality",
    ]
    console.table("", titles, rows)
    missing = [each.power_reason for each in records if each.power and not each.power.valid]
    for reason, count in Counter(missing).most_common(3):
        console.note(f"no power of {count} {'part' if count == 1 else 'parts'}: {reason}")


def _counts(text: str, option: str, parameter: str) -> list[int]:
    from qutiperf.spec.config import shortened, whole_number
    from qutiperf.spec.limits import MOST

    counts = [whole_number(part, MOST[parameter]) for part in text.split(",")]
    if not all(counts):
        cure = f"write numbers from 1 to {MOST[parameter]:,}: 1,8,64"
        raise InputError(f"'{shortened(text, 80)}' is not a list of counts", where=option, cure=cure)
    return [count for count in counts if count is not None]


def _seconds(text: str) -> float:
    """90s, 10m or 2h as seconds; raises InputError."""
    from qutiperf.spec.config import shortened

    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number = text[:-1] if text[-1:] in units else text
    try:
        seconds = float(number) * units.get(text[-1:], 1.0)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(
            f"'{shortened(text, 40)}' is not a time", where="--budget", cure="write 90s, 10m or 2h"
        )
    return seconds


app.command("layers")(measured_layers.layers)
app.command("show")(measured_layers.show)
app.command("evaluate")(measured_layers.evaluate)
app.command("compare")(measured_layers.compare)
