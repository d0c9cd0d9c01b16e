"""`qutiperf show RESULTS --answers`: what was answered to each sample, or how many were right."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.cli import console
from qutiperf.errors import InputError

if TYPE_CHECKING:
    from qutiperf.results.answers import AnsweredRun

_COLUMNS = ("run_id", "sut", "workload", "sample", "label", "answer", "correct")
_TITLES = ("run", "sut", "workload", "samples", "correct", "correct %")


def show_answers(results: Path, *, as_json: bool, as_csv: bool, everything: bool) -> None:
    """Prints one sample after the other; damaged files are named and left out. Raises InputError."""
    from qutiperf.cli.results import read_results
    from qutiperf.results.answers import answered_runs

    records = read_results(results, everything=everything).records
    runs = answered_runs(results, records)
    if not runs:
        cure = "`qutiperf run ... --keep-answers` into this folder keeps them"
        raise InputError("has no answers to samples", where=str(results), cure=cure)
    counts = _counts(runs)
    if as_json:
        console.out_json_rows(_rows([run for run, _, _ in counts]))
    elif as_csv:
        console.out_csv_rows(_COLUMNS, _rows([run for run, _, _ in counts]))
    else:
        _print_table(counts)


def _counts(runs: "list[AnsweredRun]") -> "list[tuple[AnsweredRun, int, int | None]]":
    """The whole files, with their numbers of answers and of correct ones."""
    from qutiperf.cli.results import report_damaged
    from qutiperf.results.answers import counted

    whole, damaged = [], []
    for run in runs:
        try:
            whole.append((run, *counted(run)))
        except InputError as error:
            damaged.append(error)
    report_damaged(damaged)
    return whole


def _rows(runs: "list[AnsweredRun]") -> Iterator[dict[str, object]]:
    from qutiperf.results.answers import rows_of

    for run in runs:
        yield from rows_of(run)


def _print_table(counts: "list[tuple[AnsweredRun, int, int | None]]") -> None:
    table: list[list[object]] = [
        [
            run.record.run_id,
            run.record.point.sut,
            run.record.point.workload,
            count,
            right,
            None if right is None else 100.0 * right / count,
        ]
        for run, count, right in counts
    ]
    console.table("", _TITLES, table)
    console.note("every sample: --csv or --json")
