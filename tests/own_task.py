"""A task of another kind, in a file of its own: its answers have any length, and use two outputs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qutiperf.datasets.base import Array
from qutiperf.datasets.task import Accuracy, Task, answers_of
from qutiperf.errors import InputError
from qutiperf.spec.workload import Workload


class Selected(Task):
    """Answers the sums whose product is positive; the truth has them in rows that NaN fills up."""

    takes_all = True

    @classmethod
    def of(cls, workload: Workload) -> "Selected":
        if len(workload.model.outputs) != 2:
            raise InputError("task: needs the outputs sum and product", where=workload.name)
        return cls()

    def responses(self, outputs: Array, count: int) -> Sequence[bytes]:
        sums, products = outputs
        return [np.asarray(sums[row][products[row] > 0]).tobytes() for row in range(count)]

    def check_truth(self, truth: Array, where: str) -> None:
        if truth.dtype != np.float32:
            raise InputError(f"label: is {truth.dtype}, not float32", where=where)

    def accuracy(self, log: Path, truth: Array) -> Accuracy:
        answers = [np.frombuffer(each, np.float32) for each in answers_of(log, len(truth))]
        expected = [np.asarray(row)[~np.isnan(row.astype(np.float32))] for row in truth]
        same = sum(a.tolist() == b.tolist() for a, b in zip(answers, expected, strict=True))
        numbers = sum(len(each) for each in answers)
        return Accuracy(
            None, same, len(truth), {"exact_percent": 100 * same / len(truth), "numbers": numbers}
        )
