"""What was answered to each sample, as a DataFrame."""

from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.api.frame import frame_of_rows, warn_of_damaged
from qutiperf.errors import InputError
from qutiperf.results.answers import AnsweredRun, answered_runs, rows_of
from qutiperf.results.selection import select
from qutiperf.spec.config import nearest

if TYPE_CHECKING:
    from pandas import DataFrame

_COLUMNS: dict[str, type] = {
    **dict.fromkeys(("run_id", "sut", "workload"), str),
    **dict.fromkeys(("sample", "label"), int),
    "correct": bool,
}


def answers(results: str | Path, run_id: str | None = None) -> "DataFrame":
    """One row a sample, of all runs of a results folder that were measured with `keep_answers`, or of one.

    Columns are run_id, sut, workload, sample, label, answer and correct; an unknown label or verdict is
    `pandas.NA`. Damaged files are left out with a UserWarning each.

    Raises InputError if there are no answers.
    """
    folder = Path(results)
    selection = select(folder)
    warn_of_damaged(selection.damaged)
    runs = answered_runs(folder, selection.records)
    if not runs:
        cure = 'measure with set={"keep_answers": True}, or `qutiperf run --keep-answers`'
        raise InputError("has no answers to samples", where=str(folder), cure=cure)
    known = [run.record.run_id for run in runs]
    if run_id is not None and run_id not in known:
        raise InputError(f"no answers of a run '{run_id}'", where=str(folder), cure=nearest(run_id, known))
    rows: list[dict[str, object]] = []
    for run in runs:
        if run_id in (None, run.record.run_id):
            rows += _whole(run)
    return frame_of_rows(rows, _COLUMNS)


def _whole(run: AnsweredRun) -> list[dict[str, object]]:
    """Of one run; nothing, with a warning, if its file is damaged."""
    try:
        return list(rows_of(run))
    except InputError as error:
        warn_of_damaged([error])
        return []
