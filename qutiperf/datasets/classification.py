"""The shipped tasks: image classification, and none.

Image classification responds with one float32 class per sample, as MLPerf's reference application does,
and computes accuracy as MLPerf's accuracy-imagenet.py does: a sample answered twice counts once.
"""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.base import Array, Labels
from qutiperf.datasets.task import Accuracy, Task, accuracy_entries
from qutiperf.errors import InputError, RunError
from qutiperf.spec.workload import OutputSpec, Workload

# Below this, Python's own max is faster than numpy's argmax, which releases the interpreter lock even for
# a few scores, so that streams wait for each other once more per sample.
_FEW_CLASSES = 64


class Classification(Task):
    """Scores [n, classes], or the class itself [n] or [n, 1]."""

    response_dtype = np.dtype(np.float32)
    response_length = 1

    def __init__(self, output: OutputSpec) -> None:
        self._scores, self._offset = output.kind == "scores", output.label_offset

    @classmethod
    def of(cls, workload: Workload) -> "Classification":
        return cls(workload.model.output)

    def check_truth(self, truth: Array, where: str) -> None:
        if truth.ndim != 1 or truth.dtype.kind not in "iu":
            raise InputError("label: is not a list of whole numbers", where=where)

    def responses(self, outputs: Array, count: int) -> Array:
        if not self._scores:
            return self._ids(outputs, count)
        if outputs.ndim != 2 or len(outputs) != count or outputs.size == 0:
            raise RunError(f"scores of shape {list(outputs.shape)}, not [{count}, classes]")
        best = outputs.argmax(axis=1)
        # argmax stops at a NaN, so the best score is NaN if any score is
        if not np.isfinite(np.take_along_axis(outputs, best[:, np.newaxis], axis=1)).all():
            raise RunError("scores contain NaN or infinity")
        return np.asarray(best[:, np.newaxis] - self._offset, np.float32)

    def response(self, outputs: Array) -> float:
        if not self._scores or outputs.size > _FEW_CLASSES or outputs.shape[:-1] != (1,):
            return float(self.responses(outputs, 1).item())
        scores = outputs.tolist()[0]
        if not scores or not isfinite(sum(scores)):
            return float(self.responses(outputs, 1).item())  # which says what is wrong
        return float(scores.index(max(scores)) - self._offset)

    def _ids(self, outputs: Array, count: int) -> Array:
        if outputs.ndim not in (1, 2) or len(outputs) != count or outputs.size != count:
            raise RunError(f"class ids of shape {list(outputs.shape)}, not [{count}] or [{count}, 1]")
        ids = outputs.reshape(count, 1).astype(np.float32)
        if not np.isfinite(ids).all():
            raise RunError("class ids contain NaN or infinity")
        return np.asarray(ids - np.float32(self._offset), np.float32)

    def classes(self, outputs: Array) -> Array | None:
        return outputs[:, self._offset :] if self._scores else None

    def values(self, response: bytes) -> list[int | float | str]:
        return [int(np.frombuffer(response, np.float32, 1)[0])]

    def is_right(self, values: Sequence[int | float | str], label: int) -> bool:
        return values[0] == label

    def accuracy(self, log: Path, truth: Array) -> Accuracy:
        labels = truth
        good = int((classes_of(log, len(labels)) == labels).sum())
        return Accuracy(100.0 * good / len(labels), good, len(labels))


class Unjudged(Task):
    """Task `none`: outputs are ignored, and every response is 0."""

    response_dtype = np.dtype(np.float32)
    response_length = 1
    judged = False

    def responses(self, outputs: Array, count: int) -> Array:
        return np.zeros((count, 1), np.float32)

    def response(self, outputs: Array) -> float:
        return float(self.responses(outputs, 1).item())

    def accuracy(self, log: Path, truth: Array) -> Accuracy:
        raise RunError("a workload with the task none has no accuracy", where=str(log))


def classes_of(log: Path, count: int) -> Labels:
    """The first class that a log has for each of `count` samples; raises RunError if it lacks any."""
    answered, classes = np.zeros(count, bool), np.zeros(count, np.int64)
    for index, data in accuracy_entries(log):
        if not answered[index]:
            answered[index], classes[index] = True, int(np.frombuffer(data, np.float32, 1)[0])
    if not answered.all():
        raise RunError(f"{int((~answered).sum())} of {count} samples have no answer", where=str(log))
    return classes


class TopFive:
    """Counts, during an accuracy run, the samples whose label is among the five best scores.

    The accuracy log does not show this, as it has one answer per sample. A sample counts once.
    """

    def __init__(self, task: Task, labels: Labels | None) -> None:
        self._task, self._labels = task, labels
        self._right: dict[int, bool] = {}

    def observe(self, outputs: Array, indices: Sequence[int]) -> None:
        """Outputs of one batch and the samples they answer; called by several threads."""
        scores = self._task.classes(outputs)
        if scores is None or self._labels is None:
            return
        five = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :5]
        right: npt.NDArray[np.bool_] = (five == self._labels[np.asarray(indices)][:, np.newaxis]).any(axis=1)
        self._right.update(zip(indices, right.tolist(), strict=True))

    def percent(self) -> float | None:
        return 100.0 * sum(self._right.values()) / len(self._right) if self._right else None
