"""The runs of a results folder that count: the last attempt of each, without those of changed files."""

from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.results.left_out import LeftOut, read_left_out
from qutiperf.results.record import RunRecord
from qutiperf.results.stability import with_stability
from qutiperf.results.store import Store, latest
from qutiperf.results.superseded import superseded
from qutiperf.results.table import in_table_order


@dataclass(frozen=True, slots=True)
class Selection:
    """Records, the ids of superseded runs, and an error for each damaged part of the folder.

    Records of repeats that differ too much are marked as unstable, which the stored ones are not.
    `omitted` is the number of superseded runs that `records` does not have, `probes` that of probes.
    """

    records: list[RunRecord]
    superseded: frozenset[str]
    damaged: list[InputError]
    omitted: int
    probes: int = 0
    left_out: LeftOut | None = None


def select(folder: Path, *, everything: bool = False) -> Selection:
    """Superseded runs and probes only with `everything`; raises InputError if it is not a results folder."""
    contents = Store.open(folder).read()
    old = superseded(contents.records)
    records = in_table_order(with_stability(latest(contents.records)))
    left_out, damaged = _left_out(folder, records)
    problems = [*contents.damaged, *damaged]
    if everything:
        return Selection(records, old, problems, 0, 0, left_out)
    full = [record for record in records if record.probe_of is None]
    current = [record for record in full if record.run_id not in old]
    probes = len(records) - len(full)
    return Selection(current, old, problems, len(full) - len(current), probes, left_out)


def _left_out(folder: Path, records: list[RunRecord]) -> tuple[LeftOut | None, list[InputError]]:
    try:
        return read_left_out(folder, [record.run_id for record in records]), []
    except InputError as error:
        return None, [error]
