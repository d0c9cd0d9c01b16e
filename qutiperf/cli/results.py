"""Reads a results folder for the verbs, and says on standard error what they leave out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.errors import InputError
    from qutiperf.results.record import RunRecord

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Results:
    """The last attempt of every run that is to be shown, and the ids of those that are superseded."""

    records: "list[RunRecord]"
    superseded: frozenset[str]


def read_results(folder: Path, *, everything: bool = False) -> Results:
    """Names damaged parts and goes on; leaves superseded runs out unless `everything`; raises InputError."""
    from qutiperf.results.store import Store, latest
    from qutiperf.results.superseded import superseded

    contents = Store.open(folder).read()
    report_damaged(contents.damaged)
    old = superseded(contents.records)
    records = latest(contents.records)
    if everything:
        return Results(records, old)
    if old:
        runs = "1 run" if len(old) == 1 else f"{len(old)} runs"
        console.note(f"{runs} of files that have changed since are left out (--all of `show` has them)")
    return Results([record for record in records if record.run_id not in old], old)


def report_damaged(damaged: "list[InputError]") -> None:
    """One line for each, up to ten."""
    for error in damaged[:_MOST_NAMED]:
        console.error(str(error))
    if len(damaged) > _MOST_NAMED:
        console.error(f"{len(damaged) - _MOST_NAMED} more are damaged and were skipped")
