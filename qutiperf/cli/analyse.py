"""`qutiperf analyse correlation|orthogonality|pareto|quartiles|gap`: statistics of measured rows."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.level0.analysis import AnalysedRow

app = typer.Typer(no_args_is_help=True, help="Analyses of a results folder, or of the published points.")
Results = Annotated[str, typer.Argument(help="A results folder, or qutibench for the published points.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FigureOption = Annotated[str, typer.Option("--figure", help="A figure of merit.")]


@app.command("correlation")
def correlation(
    results: Results,
    left: Annotated[str, typer.Option("--left", help="The first figure.")] = "compute_throughput_ips",
    right: Annotated[str, typer.Option("--right", help="The second figure.")] = "system_throughput_ips",
    as_json: JsonOption = False,
) -> None:
    """Correlate two figures per platform and task: Pearson, Pearson of logarithms, Spearman."""
    from qutiperf.level0.analysis import correlations

    _print([asdict(one) for one in correlations(_rows(results, left, right), left, right)], as_json=as_json)


@app.command("orthogonality")
def orthogonality(
    results: Results, figure: FigureOption = "compute_throughput_ips", as_json: JsonOption = False
) -> None:
    """Show whether the gains of pruning and quantisation multiply: ratio 1 is perfectly orthogonal."""
    from qutiperf.level0.analysis import orthogonality as analyse

    _print([asdict(one) for one in analyse(_rows(results, figure), figure)], as_json=as_json)


@app.command("pareto")
def pareto(
    results: Results,
    figures: Annotated[
        str, typer.Option("--figures", help="Two or more figures.")
    ] = "top1_percent,compute_throughput_ips",
    task: Annotated[str | None, typer.Option("--task", help="Only this task.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the rows that no other row beats in every figure; higher is better for rates and accuracies."""
    from qutiperf.errors import InputError
    from qutiperf.level0.analysis import pareto as analyse

    names = [name.strip() for name in figures.split(",")]
    if len(names) < 2:
        raise InputError(
            f"'{figures}' is one figure", where="--figures", cure="give two, separated by a comma"
        )
    rows = [row for row in _rows(results, *names) if task in (None, row.task)]
    if not rows:
        raise InputError(f"no row of task '{task}'", where=results, cure="see `analyse quartiles`")
    front: list[dict[str, object]] = [
        {"point": row.label, "task": row.task, **{name: row.figures[name] for name in names}}
        for row in analyse(rows, names)
    ]
    _print(front, as_json=as_json)


@app.command("quartiles")
def quartiles(
    results: Results, figure: FigureOption = "compute_efficiency_percent", as_json: JsonOption = False
) -> None:
    """Show the spread of a figure per platform and task."""
    from qutiperf.level0.analysis import quartiles as analyse

    _print([asdict(one) for one in analyse(_rows(results, figure), figure)], as_json=as_json)


@app.command("gap")
def gap(
    results: Annotated[Path, typer.Argument(help="A results folder with layers and whole networks.")],
    sut: Annotated[str | None, typer.Option("--sut", help="Only this system.")] = None,
    calibrated: Annotated[
        str | None,
        typer.Option("--calibrated", help="The SUT file of `qutiperf calibrate`, for a step of its own."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a network's time goes: roofline, layers, call, unexplained and system, which add up."""
    from qutiperf.cli.results import read_results
    from qutiperf.microbench.gap import gap_rows
    from qutiperf.microbench.measured_parts import measured_parts
    from qutiperf.microbench.suite_plan import cache_bytes
    from qutiperf.spec.sut import load_sut

    measured = measured_parts(read_results(results).records, str(results), sut)
    cache = cache_bytes(measured.networks[0].inputs.sut) if measured.networks else None
    platform = None if calibrated is None else load_sut(calibrated)[0].platform
    rows = gap_rows(measured, cache, str(results), platform)
    _print([asdict(row) for row in rows], as_json=as_json)


def _rows(results: str, *figures: str) -> "list[AnalysedRow]":
    """Every row; prints how many rows are left out because their figure would be impossible."""
    rows = _read(results)
    for figure in dict.fromkeys(figures):
        above = sum(figure in row.impossible for row in rows)
        if above:
            console.note(
                f"{above} of {len(rows)} rows are left out: their {figure} would exceed 100 %, so the "
                "prediction or the platform's peak does not describe them (see docs/level0.md)"
            )
    return rows


def _read(results: str) -> "list[AnalysedRow]":
    from qutiperf.cli.results import read_results
    from qutiperf.level0.reference import published_measurements
    from qutiperf.results.analysed import published_rows, record_rows

    if results == "qutibench":
        return published_rows(published_measurements())
    return record_rows(read_results(Path(results)).records)


def _print(rows: Sequence[dict[str, object]], *, as_json: bool) -> None:
    from qutiperf.errors import InputError

    if as_json:
        console.out_json(list(rows))
    elif not rows:
        raise InputError("has nothing to compare", cure="orthogonality needs two datatypes at two scales")
    else:
        console.table("", list(rows[0]), [list(row.values()) for row in rows])
