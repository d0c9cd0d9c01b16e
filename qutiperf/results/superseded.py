"""Runs of files that have changed since: kept on disk, omitted from tables."""

from collections.abc import Iterable

from qutiperf import host
from qutiperf.results.record import RunRecord
from qutiperf.spec.config import canonical_json


def superseded(records: Iterable[RunRecord]) -> frozenset[str]:
    """Ids of runs whose point was run again on the same machine after its files changed.

    An id depends on point, files and machine. Of the ids with the same point and machine, the one whose last
    attempt started last is current, even if that attempt failed.
    """
    last: dict[tuple[str, str], RunRecord] = {}
    ids = set()
    for record in records:
        ids.add(record.run_id)
        key = (canonical_json(record.point.model_dump(mode="json")), host.fingerprint(record.host))
        before = last.get(key)
        if before is None or record.started_utc >= before.started_utc:
            last[key] = record
    return frozenset(ids - {record.run_id for record in last.values()})
