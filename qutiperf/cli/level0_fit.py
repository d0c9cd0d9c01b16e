"""`qutiperf level0 fit` and `evaluate`: fitted constants, and the accuracy of predictions."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qutiperf.level0.evaluate import Evaluation
    from qutiperf.level0.measured import Measured
    from qutiperf.level0.reference import Measurement
    from qutiperf.spec.sut import SystemUnderTest

QUTIBENCH = "qutibench"
_DECIMALS = 4


def fit(
    results: Annotated[str, typer.Argument(help="A results folder, a CSV of measurements, or qutibench.")],
    sut: Annotated[str, typer.Option("--sut", help="The system whose points are fitted.")],
    out: Annotated[Path, typer.Option("--out", help="The SUT file to write.")],
) -> None:
    """Fit the constants of the refined prediction to measured points; writes a SUT file that extends SUT."""
    from qutiperf.errors import InputError
    from qutiperf.level0.calibration import calibrate
    from qutiperf.level0.calibration_file import write_calibration
    from qutiperf.level0.predict import plain
    from qutiperf.spec.sut import load_sut

    system, file = load_sut(sut)
    if out.exists():
        raise InputError("exists already", where=str(out), cure="name another file")
    measured = _measured(results, system)
    above = int((measured.throughput_ips > plain(measured.points).compute_ips).sum())
    fitted = calibrate(measured, system.platform.family, f"least squares on {results}")
    write_calibration(out, file, f"{system.name}-fitted", fitted)
    console.out(f"{out}: {fitted.points} points of {fitted.networks} networks")
    if above:
        console.out(f"  {above} points exceed the theoretical peak: check platform.peaks_tops, or the points")
    for name, value in fitted.constants.items():
        console.out(f"  {name} = {value:g}")
    if fitted.error_factor is None:
        console.out("one network only: the extrapolation error is unknown, and predictions have no interval")
    else:
        console.out(
            f"  leaving one network out: error factor {fitted.error_factor}, "
            f"intervals of a factor of {fitted.interval_factor}"
        )


def _measured(results: str, system: "SystemUnderTest") -> "Measured":
    """Points of one system from a results folder, a CSV file or the published points."""
    from qutiperf.cli.results import read_results
    from qutiperf.errors import InputError
    from qutiperf.level0.evaluate import measured_points
    from qutiperf.results.predictions import measured_of_records

    if results != QUTIBENCH and Path(results).is_dir():
        stored = read_results(Path(results)).records
        records = [record for record in stored if record.point.sut == system.name]
        return measured_of_records(records, system.platform, results)
    rows = [row for row in _rows(results) if row.sut == system.name and row.throughput_ips is not None]
    if not rows:
        raise InputError(f"has no compute throughput of {system.name}", where=results, cure="check --sut")
    return measured_points(rows)


def _rows(results: str) -> "list[Measurement]":
    from qutiperf.level0.reference import published_measurements, read_measurements

    return published_measurements() if results == QUTIBENCH else read_measurements(Path(results))


def evaluate(
    results: Annotated[str, typer.Argument(help="qutibench, or a CSV of measurements.")] = QUTIBENCH,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Evaluate plain and refined predictions in sample, leaving one network out, leaving one topology out."""
    from qutiperf.level0.evaluate import evaluate as evaluate_rows
    from qutiperf.level0.evaluate import impossible

    rows = _rows(results)
    console.note("fitting every family under three protocols, which takes about a minute")
    evaluation = evaluate_rows(rows)
    if as_json:
        console.out_json({**scores(evaluation), **_extras(evaluation)})
        return
    _print_overall(evaluation)
    _print_parts(evaluation)
    _print_fronts_and_constants(evaluation)
    console.out(f"rows above the theoretical peak, kept and marked: {len(impossible(evaluation))}")


def scores(evaluation: "Evaluation") -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """{plain|refined: {protocol: {best_batch|all_points and those without impossible rows: scores}}}."""
    from qutiperf.level0.evaluate import PROTOCOLS

    return {
        model: {
            protocol: {
                name: _rounded(evaluation.score(model, protocol, chosen).as_row())
                for name, chosen in _selections(evaluation).items()
            }
            for protocol in PROTOCOLS
        }
        for model in ("plain", "refined")
    }


def _selections(evaluation: "Evaluation") -> "dict[str, NDArray[np.bool_]]":
    return {
        "best_batch": evaluation.best,
        "all_points": evaluation.best | True,
        "best_batch_possible": evaluation.best & evaluation.possible,
        "all_points_possible": evaluation.possible,
    }


def _extras(evaluation: "Evaluation") -> dict[str, object]:
    from qutiperf.level0.evaluate import fronts, impossible, interval_coverage
    from qutiperf.level0.fit import chosen_numbers

    return {
        "interval_coverage_percent": round(interval_coverage(evaluation), 1),
        "fronts": {task: one.as_row() for task, one in fronts(evaluation, "leave_one_network_out").items()},
        "chosen_numbers": chosen_numbers(),
        "constants": {family: dict(values) for family, values in evaluation.constants.items()},
        "parts": _parts(evaluation),
        "above_peak_rows": len(impossible(evaluation)),
    }


def _parts(evaluation: "Evaluation") -> list[dict[str, object]]:
    """Leave-one-network-out scores of every platform and task."""
    groups = [("sut", name) for name in sorted({row.sut for row in evaluation.rows})]
    groups += [("task", name) for name in sorted({row.task for row in evaluation.rows})]
    rows: list[dict[str, object]] = []
    for kind, name in groups:
        inside = evaluation.rows_of(**{kind: name})
        for model in ("plain", "refined"):
            for points, chosen in (("best_batch", evaluation.best & inside), ("all_points", inside)):
                one = evaluation.score(model, "leave_one_network_out", chosen).as_row()
                rows.append({"of": name, "model": model, "points": points, **_rounded(one)})
    return rows


def _rounded(row: Mapping[str, float | int | None]) -> dict[str, object]:
    return {
        name: round(value, _DECIMALS) if isinstance(value, float) else value for name, value in row.items()
    }


def _print_overall(evaluation: "Evaluation") -> None:
    rows = [
        [model, protocol, points, *one.values()]
        for model, protocols in scores(evaluation).items()
        for protocol, selections in protocols.items()
        for points, one in selections.items()
    ]
    titles = ["model", "protocol", "points", *_score_names(evaluation)]
    console.table("all platforms", titles, rows)


def _score_names(evaluation: "Evaluation") -> list[str]:
    return list(evaluation.score("plain", "in_sample", evaluation.best).as_row())


def _print_parts(evaluation: "Evaluation") -> None:
    parts = _parts(evaluation)
    console.table(
        "leave one network out, per platform and task", list(parts[0]), [list(row.values()) for row in parts]
    )


def _print_fronts_and_constants(evaluation: "Evaluation") -> None:
    from qutiperf.level0.evaluate import fronts, interval_coverage
    from qutiperf.level0.fit import chosen_numbers

    lines = {task: asdict(one) for task, one in fronts(evaluation, "leave_one_network_out").items()}
    titles = ["task", *next(iter(lines.values()))] if lines else ["task"]
    console.table(
        "accuracy against throughput", titles, [[task, *one.values()] for task, one in lines.items()]
    )
    constants = [
        [family, name, value]
        for family, values in evaluation.constants.items()
        for name, value in values.items()
    ]
    console.table("fitted constants (not from a data sheet)", ["family", "constant", "value"], constants)
    chosen = [[name, value] for name, value in chosen_numbers().items()]
    console.table("numbers of the method, chosen by hand", ["number", "value"], chosen)
    console.out(f"{len(constants)} fitted constants; interval coverage {interval_coverage(evaluation):.1f} %")
