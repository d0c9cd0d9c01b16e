"""What a sweep would measure, how long that takes, and what theory predicts, without measuring."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qutiperf.results.left_out import read_left_out
from qutiperf.results.predictions import prediction_of_run
from qutiperf.results.store import Store
from qutiperf.results.table import Row
from qutiperf.run import plan
from qutiperf.run.plan import Group
from qutiperf.run.preparation import preparations_of
from qutiperf.run.sweep import PlannedSweep, groups_to_measure


@dataclass(frozen=True, slots=True)
class Outline:
    """One row a run, in the order of measuring; seconds of what is not done yet.

    `left_out` of a row says why an earlier command with a budget or a search did not measure it.
    `runs_in_budget` are those that fit into a budget in this order; None without one.
    """

    runs: list[Row]
    skipped: list[str]
    preparation_s: float
    estimated_s: float
    runs_in_budget: int | None = None


def outline(
    planned: PlannedSweep, folder: Path, *, again: bool = False, budget_s: float | None = None
) -> Outline:
    """Reads what is done in the results folder, if it is there; writes nothing. Raises InputError."""
    left, reasons = planned.groups, dict[str, str]()
    if Store.is_one(folder):
        left = groups_to_measure(planned, Store.open(folder), again=again)
        left_out = read_left_out(folder, ())
        settings = left_out.settings if left_out else []
        reasons = {run_id: each.reason for each in settings for run_id in each.run_ids}
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
                    "left_out": reasons.get(run.run_id) if run.run_id in missing else None,
                }
            )
    preparation_s = sum(each.estimated_s for each in preparations_of(left))
    estimated_s = preparation_s + plan.estimated_s(left)
    fitting = None if budget_s is None else _fitting(left, budget_s - preparation_s)
    return Outline(rows, [each.line for each in planned.skipped], preparation_s, estimated_s, fitting)


def _fitting(groups: Sequence[Group], left_s: float) -> int:
    """How many runs fit in the planned order."""
    count = 0
    for group in groups:
        left_s -= group.only([]).estimated_s
        for run in group.runs:
            left_s -= run.estimated_s
            if left_s < 0:
                return count
            count += 1
    return count
