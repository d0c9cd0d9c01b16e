"""The runs of a results folder that count: the last attempt of each, without those of changed files."""

from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.results.record import RunRecord
from qutiperf.results.stability import with_stability
from qutiperf.results.store import Store, latest
from qutiperf.results.superseded import superseded
from qutiperf.results.table import in_table_order


@dataclass(frozen=True, slots=True)
class Selection:
    """Records, the ids of superseded runs, and an error for each damaged part of the folder.

    Records of repeats that differ too much are marked as unstable, which the stored ones are not.
    `omitted` is the number of superseded runs that `records` does not have.
    """

    records: list[RunRecord]
    superseded: frozenset[str]
    damaged: list[InputError]
    omitted: int


def select(folder: Path, *, everything: bool = False) -> Selection:
    """Superseded runs only with `everything`; raises InputError if this is not a results folder."""
    contents = Store.open(folder).read()
    old = superseded(contents.records)
    records = in_table_order(with_stability(latest(contents.records)))
    if everything:
        return Selection(records, old, contents.damaged, 0)
    current = [record for record in records if record.run_id not in old]
    return Selection(current, old, contents.damaged, len(old))
