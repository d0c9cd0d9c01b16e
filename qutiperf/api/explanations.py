"""Why runs are invalid, slow or unstable, from records or from LoadGen's logs alone."""

from pathlib import Path

from qutiperf.api.frame import warn_of_damaged
from qutiperf.explain import Explained, explain_folder, explain_record, explain_run_folder
from qutiperf.results.selection import Selection, select
from qutiperf.results.store import RECORD, Store
from qutiperf.spec.rounds import load_round


def explain(
    results: str | Path, *, everything: bool = False, round_name: str | None = None
) -> list[Explained]:
    """One explanation a run: the rule that failed, the setting to change, its new value, the cost.

    `results` is a results folder, the folder of one run, or any folder with LoadGen's mlperf_log_* files.
    Runs of files that have changed since are left out unless `everything`. Damaged parts are left out with a
    UserWarning each. `round_name` compares the seeds with those of an MLPerf round. Raises InputError if
    there is nothing to explain.
    """
    selection = selection_at(Path(results), everything=everything)
    warn_of_damaged(selection.damaged if selection else [])
    return explained(Path(results), selection, round_name)


def selection_at(where: Path, *, everything: bool) -> Selection | None:
    """The runs of a results folder; None for the folder of one run, or of logs."""
    if not (where / RECORD).is_file() and Store.is_one(where):
        return select(where, everything=everything)
    return None


def explained(where: Path, selection: Selection | None, round_name: str | None) -> list[Explained]:
    """The selection, else the one record at `where`, else LoadGen's logs at or below it."""
    if round_name is not None:
        load_round(round_name)
    if selection is not None:
        return [
            explain_record(record, where / f"{record.run_id}-{record.attempt}", round_name)
            for record in selection.records
        ]
    if (where / RECORD).is_file():
        return [explain_run_folder(where, round_name)]
    return explain_folder(where, round_name)
