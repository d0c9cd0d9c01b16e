"""`qutiperf show RESULTS`: print the runs of a results folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.cli.answers import show_answers
from qutiperf.cli.combinations import check_one_form
from qutiperf.cli.front import print_front
from qutiperf.cli.left_out import print_left_out, show_left_out
from qutiperf.unverified import UNVERIFIED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qutiperf.results.table import BestOfModel, Row

_SETTINGS_END = 9  # columns before the figures
_COLUMNS = {
    "run_id": "run",
    "sut": "sut",
    "workload": "workload",
    "scenario": "scenario",
    "batch_size": "batch",
    "threads": "threads",
    "streams": "streams",
    "operating_mode": "mode",
    "end_to_end": "end to end",
    "top1_percent": "top-1 %",
    "system_latency_p50_ms": "system p50 ms",
    "system_latency_p90_ms": "system p90 ms",
    "compute_latency_p50_ms": "compute p50 ms",
    "system_throughput_ips": "system ips",
    "compute_throughput_ips": "compute ips",
    "sustained_s": "held s",
    "sustained_percent": "last/first %",
    "throttled_s": "throttled s",
    "full_power_w": "power W",
    "energy_per_input_mj": "mJ/input",
    "power_grade": "grade",
    "valid": "valid",
    "quality": "quality",
}
_IF_MEASURED = (
    *("sustained_s", "sustained_percent", "throttled_s"),
    *("full_power_w", "energy_per_input_mj", "power_grade"),
)
_SETTINGS = (
    "sut",
    "workload",
    "threads",
    "streams",
    "operating_mode",
    "end_to_end",
)  # printed once if all runs have the same value
_MOST_LINES = 10  # of runs without a figure, and of warnings


def show(
    results: Annotated[Path, typer.Argument(help="A results folder (the --out of `run`).")],
    as_json: bool = typer.Option(False, "--json", help="Print an array with one flat object per run."),
    as_csv: bool = typer.Option(False, "--csv", help="Print CSV, one line per run."),
    summary: bool = typer.Option(False, "--summary", help="One line per model, at its best settings."),
    answers: bool = typer.Option(
        False, "--answers", help="The answers to each sample, where `run --keep-answers` stored them."
    ),
    left_out: bool = typer.Option(
        False, "--left-out", help="The settings that a budget or a search has left out, and why."
    ),
    everything: bool = typer.Option(
        False,
        "--all",
        help="Include probes and runs of files that have changed since, in columns `probe`, `superseded`.",
    ),
) -> None:
    """Show the runs of a results folder: every setting, or the best ones of each model."""
    from qutiperf.cli.results import read_results
    from qutiperf.results.table import PROBE, SUPERSEDED, option_columns, rows, summarise, warnings

    check_one_form(json=as_json, csv=as_csv, summary=summary)
    if answers:
        check_one_form(answers=answers, summary=summary)
        show_answers(results, as_json=as_json, as_csv=as_csv, everything=everything)
        return
    if left_out:
        check_one_form(**{"left-out": left_out, "summary": summary})
        show_left_out(results, as_json=as_json, as_csv=as_csv)
        return
    read = read_results(results, everything=everything)
    records, table = read.records, rows(read.records)
    if everything:
        table = [
            {**row, SUPERSEDED: row["run_id"] in read.superseded, PROBE: record.probe_of is not None}
            for row, record in zip(table, records, strict=True)
        ]
    if as_json:
        console.out_json_rows(table)
    elif as_csv:
        console.out_csv(table)
    elif summary:
        print_summary(summarise(records))
    else:
        _print_rows(table, option_columns(records), everything=everything)
        _print_warnings(warnings(table))
        print_front(summarise(records))
        print_left_out(results, read.left_out)
        console.out(UNVERIFIED)


def _print_rows(table: "list[Row]", options: list[str], *, everything: bool) -> None:
    """`options` are the adapter's own parameters, which are columns if their values differ."""
    performance = [row for row in table if row["mode"] == "PerformanceOnly"]
    same = {name for name in (*_SETTINGS, *options) if len({str(row.get(name)) for row in performance}) == 1}
    first, last = list(_COLUMNS.items())[:_SETTINGS_END], list(_COLUMNS.items())[_SETTINGS_END:]
    columns = dict([*first, *[(name, name) for name in options], *last])
    if everything:
        columns |= {"superseded": "superseded", "probe": "probe"}
    empty = {name for name in _IF_MEASURED if all(row.get(name) is None for row in performance)}
    shown = {name: title for name, title in columns.items() if name not in same | empty}
    if performance:
        common = [f"{_COLUMNS[name]} {performance[0][name]}" for name in _SETTINGS if name in same]
        console.out_line("all: " + ", ".join(common))
    console.table("", list(shown.values()), [[row.get(name) for name in shown] for row in performance])
    _print_some(_troubles(table))


def _troubles(table: "Iterable[Row]") -> "Iterator[str]":
    for row in table:
        reasons = row["reasons"] if isinstance(row["reasons"], list) else []
        if not row["valid"]:
            kind = "failed" if row["failure"] else "INVALID"
            yield f"{row['run_id']} {kind}: {reasons[0] if reasons else 'no reason given'}"
        elif row["power_valid"] is False:
            yield f"{row['run_id']} has no valid power: {row['power_reason']}"


def _print_warnings(lines: "Iterable[str]") -> None:
    _print_some(f"WARNING: {line}" for line in lines)


def _print_some(lines: "Iterable[str]") -> None:
    every = list(lines)
    for line in every[:_MOST_LINES]:
        console.out_line(line)
    if (more := len(every) - _MOST_LINES) > 0:
        console.out_line(f"and {more:,} more like these; `qutiperf explain` sums them up by cause")


def print_summary(lines: "list[BestOfModel]") -> None:
    """The table at the end of a sweep."""
    titles = (
        "workload",
        "top-1 %",
        "SingleStream p90 ms",
        "compute p50 ms",
        "system p50 ms",
        "best Offline ips",
        "at batch",
        "valid runs",
    )
    systems = dict.fromkeys(line.sut for line in lines)
    for system in systems:
        mine = [line for line in lines if line.sut == system]
        console.table(f"{system}", titles, [_summary_row(line) for line in mine])
    _print_some(f"{line.workload}: {problem}" for line in lines for problem in line.problems)
    _print_warnings(warning for line in lines for warning in line.warnings)
    print_front(lines)
    console.out(UNVERIFIED)


def _summary_row(line: "BestOfModel") -> list[object]:
    bad = len(line.problems)
    return [
        line.workload,
        line.top1_percent,
        line.single_stream_p90_ms,
        line.compute_latency_ms,
        line.system_latency_ms,
        line.offline_ips,
        line.offline_batch_size,
        f"{line.runs} of {line.runs}" if not bad else f"{line.runs - bad} of {line.runs}, see below",
    ]
