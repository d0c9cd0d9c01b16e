"""The answers of a timed run beside those of an accuracy run, sample by sample."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import eq
from pathlib import Path

import numpy as np

from qutiperf.datasets.classification import Classification
from qutiperf.datasets.task import Task, accuracy_entries

# sums in another order: a batch of another size, or another kernel
_RELATIVE, _ABSOLUTE = 1e-3, 1e-5


@dataclass(slots=True)
class AnswerComparison:
    """`compared` answers of the timed run, to `samples` samples; `different` are not the expected ones.

    `unchanged` of these are what the accuracy run answered, though something else was expected. `unknown` are
    answers to samples that the accuracy run lacks.
    """

    compared: int = 0
    different: int = 0
    unchanged: int = 0
    unknown: int = 0
    samples: int = 0

    @property
    def different_percent(self) -> float:
        return 100 * self.different / self.compared if self.compared else 0.0


def compare_answers(
    reference: Path,
    timed: Path,
    sample_of: Callable[[int], int],
    expected: Callable[[bytes], bytes],
    same: Callable[[bytes, bytes], bool] = eq,
) -> AnswerComparison:
    """`sample_of` maps numbers of the timed run to samples, `expected` an answer to the one that is right.

    Raises RunError for a damaged log.
    """
    answers: dict[int, bytes] = {}
    for index, data in accuracy_entries(reference):
        answers.setdefault(index, data)
    counts, samples = AnswerComparison(), set[int]()
    for number, data in accuracy_entries(timed):
        sample = sample_of(number)
        before = answers.get(sample)
        if before is None:
            counts.unknown += 1
            continue
        samples.add(sample)
        counts.compared += 1
        if not same(data, expected(before)):
            counts.different += 1
            counts.unchanged += data == before
    counts.samples = len(samples)
    return counts


def same_answer(task: Task) -> Callable[[bytes, bytes], bool]:
    """Whether two answers to a sample are the same: classes and text exactly, other numbers as sums are."""
    exact = isinstance(task, Classification) or task.response_length is None
    if exact or task.response_dtype.kind != "f":
        return eq

    def near(one: bytes, other: bytes) -> bool:
        if len(one) != len(other):
            return False
        first, second = (np.frombuffer(each, task.response_dtype) for each in (one, other))
        return np.allclose(first, second, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)

    return near
