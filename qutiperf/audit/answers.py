"""The answers of a timed run beside those of an accuracy run, sample by sample."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qutiperf.datasets.task import accuracy_entries

Expected = Callable[[int, bytes], bytes]


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
    reference: Path, timed: Path, sample_of: Callable[[int], int], expected: Callable[[bytes], bytes]
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
        if data != expected(before):
            counts.different += 1
            counts.unchanged += data == before
    counts.samples = len(samples)
    return counts
