"""The runs of a group that are still to be measured."""

from collections.abc import Sequence

from qutiperf.results.record import RunRecord
from qutiperf.results.store import MAX_ATTEMPTS
from qutiperf.run.plan import Group, PlannedRun


def runs_to_measure(
    group: Group, attempts: dict[str, list[RunRecord]], lacking: frozenset[str] = frozenset()
) -> list[PlannedRun]:
    """Runs of a group without a valid record that have not failed twice, and those that lack something.

    An attempt on a machine that lacked something does not count, because the machine may have it now.
    """
    return [run for run in group.runs if run.run_id in lacking or _needs_run(attempts.get(run.run_id, []))]


def _needs_run(records: Sequence[RunRecord]) -> bool:
    tried = [record for record in records if not (record.failure and record.failure.setup_missing)]
    return not any(record.valid for record in tried) and len(tried) < MAX_ATTEMPTS
