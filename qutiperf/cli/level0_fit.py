"""`qutiperf level0 fit` and `evaluate`: constants from measured points, and how good the predictions are."""

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
    found = calibrate(measured, system.platform.family, f"least squares on {results}")
    write_calibration(out, file, f"{system.name}-fitted", found)
    console.out(f"{out}: {found.points} points of {found.networks} networks")
    if above:
        console.out(f"  {above} points exceed the theoretical peak: check platform.peaks_tops, or the points")
    for name, value in found.constants.items():
        console.out(f"  {name} = {value:g}")
    if found.error_factor is None:
        console.out("one network only: how well it extrapolates is not known, predictions carry no interval")
    else:
        console.out(
            f"  leaving one network out: error factor {found.error_factor}, "
            f"intervals of a factor of {found.interval_factor}"
        )


def _measured(results: str, system: "SystemUnderTest") -> "Measured":
    """Points of one system from wherever they are."""
    from qutiperf.cli.results import read_results
    from qutiperf.errors import InputError
    from qutiperf.level0.evaluate import measured_points
    from qutiperf.results.predictions import measured_of_records

    if results != QUTIBENCH and Path(results).is_dir():
        found = read_results(Path(results)).records
        records = [record for record in found if record.point.sut == system.name]
        return measured_of_records(records, system.platform, results)
    rows = [row for row in _rows(results) if row.sut == system.name and row.throughput_ips is not None]
    if not rows:
        raise InputError(f"holds no compute throughput of {system.name}", where=results, cure="check --sut")
    return measured_points(rows)


def _rows(results: str) -> "list[Measurement]":
    from qutiperf.level0.reference import published_measurements, read_measurements

    return published_measurements() if results == QUTIBENCH else read_measurements(Path(results))


def evaluate(
    results: Annotated[str, typer.Argument(help="qutibench, or a CSV of measurements.")] = QUTIBENCH,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Judge plain and refined predictions in sample, leaving one network out, leaving one topology out."""
    from qutiperf.level0.evaluate import evaluate as evaluate_rows
    from qutiperf.level0.evaluate import impossible

    rows = _rows(results)
    console.note("fitting every family under three protocols: about a minute")
    found = evaluate_rows(rows)
    if as_json:
        console.out_json({**scores(found), **_extras(found)})
        return
    _print_overall(found)
    _print_parts(found)
    _print_fronts_and_constants(found)
    console.out(f"rows above the theoretical peak, kept and marked: {len(impossible(found))}")


def scores(found: "Evaluation") -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """{plain|refined: {protocol: {best_batch|all_points and those without impossible rows: scores}}}."""
    from qutiperf.level0.evaluate import PROTOCOLS

    return {
        model: {
            protocol: {
                name: _rounded(found.score(model, protocol, chosen).as_row())
                for name, chosen in _selections(found).items()
            }
            for protocol in PROTOCOLS
        }
        for model in ("plain", "refined")
    }


def _selections(found: "Evaluation") -> "dict[str, NDArray[np.bool_]]":
    return {
        "best_batch": found.best,
        "all_points": found.best | True,
        "best_batch_possible": found.best & found.possible,
        "all_points_possible": found.possible,
    }


def _extras(found: "Evaluation") -> dict[str, object]:
    from qutiperf.level0.evaluate import fronts, impossible, interval_coverage
    from qutiperf.level0.fit import chosen_numbers

    return {
        "interval_coverage_percent": round(interval_coverage(found), 1),
        "fronts": {task: one.as_row() for task, one in fronts(found, "leave_one_network_out").items()},
        "chosen_numbers": chosen_numbers(),
        "constants": {family: dict(values) for family, values in found.constants.items()},
        "parts": _parts(found),
        "above_peak_rows": len(impossible(found)),
    }


def _parts(found: "Evaluation") -> list[dict[str, object]]:
    """Leave-one-network-out scores of every platform and task."""
    groups = [("sut", name) for name in sorted({row.sut for row in found.rows})]
    groups += [("task", name) for name in sorted({row.task for row in found.rows})]
    rows: list[dict[str, object]] = []
    for kind, name in groups:
        inside = found.rows_of(**{kind: name})
        for model in ("plain", "refined"):
            for points, chosen in (("best_batch", found.best & inside), ("all_points", inside)):
                one = found.score(model, "leave_one_network_out", chosen).as_row()
                rows.append({"of": name, "model": model, "points": points, **_rounded(one)})
    return rows


def _rounded(row: Mapping[str, float | int | None]) -> dict[str, object]:
    return {
        name: round(value, _DECIMALS) if isinstance(value, float) else value for name, value in row.items()
    }


def _print_overall(found: "Evaluation") -> None:
    rows = [
        [model, protocol, points, *one.values()]
        for model, protocols in scores(found).items()
        for protocol, selections in protocols.items()
        for points, one in selections.items()
    ]
    titles = ["model", "protocol", "points", *_score_names(found)]
    console.table("all platforms", titles, rows)


def _score_names(found: "Evaluation") -> list[str]:
    return list(found.score("plain", "in_sample", found.best).as_row())


def _print_parts(found: "Evaluation") -> None:
    parts = _parts(found)
    console.table(
        "leave one network out, per platform and task", list(parts[0]), [list(row.values()) for row in parts]
    )


def _print_fronts_and_constants(found: "Evaluation") -> None:
    from qutiperf.level0.evaluate import fronts, interval_coverage
    from qutiperf.level0.fit import chosen_numbers

    lines = {task: asdict(one) for task, one in fronts(found, "leave_one_network_out").items()}
    titles = ["task", *next(iter(lines.values()))] if lines else ["task"]
    console.table(
        "accuracy against throughput", titles, [[task, *one.values()] for task, one in lines.items()]
    )
    constants = [
        [family, name, value] for family, values in found.constants.items() for name, value in values.items()
    ]
    console.table(
        "constants that are fitted, not from a data sheet", ["family", "constant", "value"], constants
    )
    chosen = [[name, value] for name, value in chosen_numbers().items()]
    console.table("numbers of the method, chosen by judgement", ["number", "value"], chosen)
    console.out(f"{len(constants)} fitted constants; interval coverage {interval_coverage(found):.1f} %")
