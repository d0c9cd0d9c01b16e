"""`qutiperf compare A B`: two results folders; `compare RESULTS --with mlperf-v6.0`: published results."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError

if TYPE_CHECKING:
    from qutiperf.report.change import Change, Comparison

_DEFAULT_THRESHOLD = 5.0


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Two results folders, before and after; one with --with.")
    ],
    threshold: Annotated[
        float | None, typer.Option(help="Smallest change that counts, in percent; default 5.")
    ] = None,
    only_regressed: Annotated[
        bool, typer.Option("--only-regressed", help="Print only what became worse.")
    ] = False,
    figure: Annotated[
        str | None, typer.Option(help="Compare this figure instead of each scenario's own metric.")
    ] = None,
    across_hosts: Annotated[
        bool, typer.Option("--across-hosts", help="Compare runs of different machines, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Compare two results folders, point by point, and exit with 1 if anything became worse.

    Worse is a change beyond --threshold and beyond the noise: the 95 % interval over repeats, or the spread
    within the runs where there is one repeat.
    """
    if len(results) != 2:
        what = f"{len(results)} folders are given"
        raise InputError(what, where="compare", cure="give two: qutiperf compare BEFORE AFTER")
    return _compare_folders(results, threshold, only_regressed, figure, across_hosts, as_json)


def _compare_folders(
    folders: Sequence[Path],
    threshold: float | None,
    only_regressed: bool,
    figure: str | None,
    across_hosts: bool,
    as_json: bool,
) -> int:
    from qutiperf.cli.results import read_results
    from qutiperf.report.change import compare_records

    limit = _DEFAULT_THRESHOLD if threshold is None else threshold
    if not 0 <= limit < float("inf"):
        raise InputError(f"{threshold} is not a threshold", where="--threshold", cure="use 0 or more percent")
    _check_figure(figure)
    first, second = (read_results(folder).records for folder in folders)
    compared = compare_records(first, second, limit, figure=figure, across_hosts=across_hosts)
    _check_comparable(compared, folders)
    shown = [each for each in compared.changes if not only_regressed or each.verdict == "regressed"]
    if as_json:
        console.out_json([asdict(each) for each in shown])
    else:
        _print_changes(shown, compared, limit)
    return int(compared.regressed)


def _check_figure(figure: str | None) -> None:
    from qutiperf.results.record import Figures
    from qutiperf.spec.config import nearest, shortened

    if figure is not None and figure not in Figures.model_fields:
        what = f"no figure named '{shortened(figure, 80)}'"
        raise InputError(what, where="--figure", cure=nearest(figure, Figures.model_fields))


def _check_comparable(compared: "Comparison", folders: Sequence[Path]) -> None:
    """Raises InputError if there is not a single pair, or all pairs are refused for one reason."""
    where = f"{folders[0]} and {folders[1]}"
    if not compared.changes:
        cure = "a point is a system, workload, scenario and deployment; `qutiperf show` lists them"
        raise InputError("have no point in common", where=where, cure=cure)
    reasons = {reason for each in compared.changes for reason in each.reasons}
    if all(each.verdict == "not compared" for each in compared.changes):
        raise InputError("cannot be compared", where=where, cure="; ".join(sorted(reasons)))


def _print_changes(shown: "Sequence[Change]", compared: "Comparison", threshold: float) -> None:
    titles = (
        "sut",
        "workload",
        "scenario",
        "setting",
        "figure",
        "before",
        "after",
        "change %",
        "95 % interval",
    )
    rows = [
        [
            *(each.sut, each.workload, each.scenario, each.setting, each.figure, each.first, each.second),
            *(each.change_percent, _interval(each), each.basis, each.verdict),
        ]
        for each in shown
    ]
    console.table("", [*titles, "from", "verdict"], rows)
    for each in shown:
        if each.reasons:
            place = f"{each.sut} {each.workload} {each.scenario} {each.setting}"
            console.out_line(f"{place}: {each.verdict}: {'; '.join(each.reasons)}")
    for text in dict.fromkeys(text for each in compared.changes for text in each.differs):
        count = sum(text in each.differs for each in compared.changes)
        console.out_line(f"differs in {count} of {len(compared.changes)} points: {text}")
    counts = {
        verdict: sum(each.verdict == verdict for each in compared.changes)
        for verdict in ("regressed", "improved", "same", "not compared")
    }
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    console.out(f"{summary}; threshold {threshold:g} %")
    for count, place in ((compared.only_first, "first"), (compared.only_second, "second")):
        if count:
            console.out(f"only in the {place}: {count} points")


def _interval(each: "Change") -> str | None:
    if each.low_percent is None or each.high_percent is None:
        return None
    return f"{each.low_percent:+.1f} to {each.high_percent:+.1f}"
