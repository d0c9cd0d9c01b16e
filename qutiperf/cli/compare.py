"""`qutiperf compare A B`: two results folders; `compare RESULTS --with mlperf-v6.0`: published results."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.cli.combinations import check_unused
from qutiperf.errors import InputError
from qutiperf.printable import bounded
from qutiperf.unverified import UNVERIFIED

if TYPE_CHECKING:
    from qutiperf.report.beside import Beside, PublishedNeighbour
    from qutiperf.report.change import Change, Comparison
    from qutiperf.report.verdicts import Verdicts

_DEFAULT_THRESHOLD = 5.0
_DEFAULT_ENTRIES, _MOST_ENTRIES = 5, 1_000


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
    published: Annotated[
        list[str] | None,
        typer.Option("--with", help="Set the runs beside this published table (mlperf-v6.0, qutibench)."),
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="With --with: the published benchmark; default by the network.")
    ] = None,
    scenario: Annotated[str | None, typer.Option(help="With --with: this scenario only.")] = None,
    most: Annotated[
        int | None, typer.Option("--nearest", help="With --with: entries per run and division; default 5.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Compare two results folders point by point, or one with the nearest published results.

    Two folders: the exit code is 1 if anything became worse, which is a change beyond --threshold and beyond
    the noise: the 95 % interval over repeats, or the spread within the runs where there is one repeat.
    """
    if published:
        of_folders = {"--threshold": threshold, "--only-regressed": only_regressed, "--figure": figure}
        of_folders |= {"--across-hosts": across_hosts}
        check_unused(of_folders, "it is for two results folders", "leave it out, or --with")
        return _compare_published(results, published, benchmark, scenario, most, as_json)
    of_published = {"--benchmark": benchmark, "--scenario": scenario, "--nearest": most}
    check_unused(of_published, "it is for published results", "add --with mlperf-v6.0")
    if len(results) != 2:
        what = f"{len(results)} folders are given"
        raise InputError(what, where="compare", cure="give two, or one and --with mlperf-v6.0")
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
    verdicts = (_verdicts(folders[0]), _verdicts(folders[1]))
    compared = compare_records(
        first, second, limit, figure=figure, across_hosts=across_hosts, verdicts=verdicts
    )
    _check_comparable(compared, folders)
    shown = [each for each in compared.changes if not only_regressed or each.verdict == "regressed"]
    if as_json:
        console.out_json([asdict(each) for each in shown])
    else:
        _print_changes(shown, compared, limit)
    return int(compared.regressed)


def _verdicts(folder: Path) -> "Verdicts":
    """Those that the folder keeps; damaged ones are named on standard error."""
    from qutiperf.cli.results import report_damaged
    from qutiperf.report.verdicts import stored_verdicts

    verdicts, damaged = stored_verdicts(folder)
    report_damaged(damaged)
    return verdicts


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
    console.out(UNVERIFIED)


def _interval(each: "Change") -> str | None:
    if each.low_percent is None or each.high_percent is None:
        return None
    return f"{each.low_percent:+.1f} to {each.high_percent:+.1f}"


def _compare_published(
    folders: Sequence[Path],
    tables: Sequence[str],
    benchmark: str | None,
    scenario: str | None,
    most: int | None,
    as_json: bool,
) -> int:
    from qutiperf.cli.results import read_results
    from qutiperf.published.units import scenario_name
    from qutiperf.report.beside import beside

    if len(folders) != 1:
        what = f"{len(folders)} folders are given"
        raise InputError(what, where="--with", cure="give one results folder")
    if most is not None and not 1 <= most <= _MOST_ENTRIES:
        raise InputError(f"{most} is not a count", where="--nearest", cure=f"use 1 to {_MOST_ENTRIES}")
    named = scenario_name(scenario) if scenario else None
    records = read_results(folders[0]).records
    most = most or _DEFAULT_ENTRIES
    compared = beside(records, tables, benchmark, named, most, _verdicts(folders[0]))
    if as_json:
        console.out_json([_as_json(each) for each in compared])
        return 0
    for each in compared:
        _print_beside(each)
    _print_notes()
    return 0


def _as_json(each: "Beside") -> dict[str, object]:
    own = asdict(each.own) | {"benchmarks": sorted(each.own.benchmarks), "unverified": UNVERIFIED}
    return {"own": own, "entries": [asdict(entry) for entry in each.entries]}


def _print_beside(each: "Beside") -> None:
    own = each.own
    title = f"{own.sut} {own.workload} {own.scenario} {own.setting}: {own.figure:,.6g} {own.unit}"
    if own.roofline_percent is not None:
        title += f", {own.roofline_percent:.3g} % of the roofline"
    columns = ["result", "division", "submitter", "system", "benchmark", own.unit, "x as fast"]
    columns += ["per accelerator", "per watt", "% of roofline"]
    rows = [_entry_row(entry) for entry in each.entries]
    console.table(title, columns, rows)
    for doubt in own.doubts:
        console.out_line(f"the own run fails an audit: {doubt}")
    for entry in each.entries:
        console.out_line(f"{_place(entry)}: comparable because {', '.join(entry.because)}")
        console.out_line(f"  differs in: {'; '.join(entry.differs) or 'nothing that is published'}")
        for doubt in entry.doubts:
            console.out_line(f"  doubtful: {doubt}")
        source = ", ".join(part for part in (entry.availability, entry.url, entry.retrieved) if part)
        console.out_line(f"  source: {source}")
    console.out(f"{own.sut} {own.workload}: {UNVERIFIED}")


def _place(entry: "PublishedNeighbour") -> str:
    return " ".join(part for part in (entry.round, entry.result_id, entry.system) if part)


def _entry_row(entry: "PublishedNeighbour") -> list[object]:
    name = " ".join(part for part in (entry.round or entry.source, entry.result_id) if part)
    return [
        *(name, entry.division, entry.submitter, bounded(entry.system, 34), entry.benchmark, entry.figure),
        *(entry.speed_ratio, entry.per_accelerator, entry.per_watt, entry.roofline_percent),
    ]


def _print_notes() -> None:
    from qutiperf.report.beside import DERIVED_NOTE

    console.out(
        f"{DERIVED_NOTE} Entries of the open division are apart: they are not ranked with closed ones."
    )
