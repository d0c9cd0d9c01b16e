"""The runs of a group that are still to be measured."""

from collections.abc import Mapping, Sequence

from qutiperf.results.answers import without_answers
from qutiperf.results.record import RunRecord
from qutiperf.results.store import MAX_ATTEMPTS, Store
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.spec.scenario import Mode


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


def accuracy_without_answers(store: Store, attempts: Mapping[str, Sequence[RunRecord]]) -> frozenset[str]:
    """Accuracy runs that are valid, but were measured without keeping their answers."""
    records = [record for each in attempts.values() for record in each]
    accuracy = [record for record in records if record.point.mode is Mode.ACCURACY]
    return without_answers(store.folder, accuracy)
