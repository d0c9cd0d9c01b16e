"""What a sweep would measure, how long that takes, and what theory predicts, without measuring."""

from dataclasses import dataclass
from pathlib import Path

from qutiperf.results.predictions import prediction_of_run
from qutiperf.results.store import Store
from qutiperf.results.table import Row
from qutiperf.run import plan
from qutiperf.run.preparation import preparations_of
from qutiperf.run.sweep import PlannedSweep, groups_to_measure


@dataclass(frozen=True, slots=True)
class Outline:
    """One row a run, in the order of measuring; seconds of what is not done yet."""

    runs: list[Row]
    skipped: list[str]
    preparation_s: float
    estimated_s: float


def outline(planned: PlannedSweep, folder: Path, *, again: bool = False) -> Outline:
    """Reads what is done in the results folder, if it is there; writes nothing. Raises InputError."""
    left = planned.groups
    if Store.is_one(folder):
        left = groups_to_measure(planned, Store.open(folder), again=again)
    missing = {run.run_id for group in left for run in group.runs}
    rows: list[Row] = []
    predictions: dict[str, float | None] = {}
    for number, group in enumerate(planned.groups, 1):
        for run in group.runs:
            deployment = run.point.deployment
            key = f"{group.sut.name} {group.workload.name} {sorted(deployment.items())}"
            if key not in predictions:
                predicted = prediction_of_run(group.sut, group.workload, deployment)
                predictions[key] = predicted.predicted_throughput_ips
            rows.append(
                {
                    "run_id": run.run_id,
                    "load": number,
                    "sut": run.point.sut,
                    "workload": run.point.workload,
                    "scenario": run.point.scenario.value,
                    "mode": run.point.mode.value,
                    "repeat": run.point.repeat,
                    **deployment,
                    "predicted_throughput_ips": predictions[key],
                    "estimated_s": run.estimated_s,
                    "done": run.run_id not in missing,
                }
            )
    preparation_s = sum(each.estimated_s for each in preparations_of(left))
    estimated_s = preparation_s + plan.estimated_s(left)
    return Outline(rows, [each.line for each in planned.skipped], preparation_s, estimated_s)
