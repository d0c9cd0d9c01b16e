"""The answers in LoadGen's accuracy log, one for each sample."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qutiperf.datasets.base import Labels
from qutiperf.datasets.task import Task, accuracy_entries
from qutiperf.results.answers import SampleAnswer


def answers_in(
    log: Path, task: Task, labels: Labels | None, count: int, *, once: bool
) -> Iterator[SampleAnswer]:
    """In the log's order; with `once` only the first answer to a sample, which is the one that counts.

    Raises RunError for a damaged log.
    """
    answered = np.zeros(count, bool)
    for index, data in accuracy_entries(log):
        if once and answered[index]:
            continue
        answered[index] = True
        label, values = None if labels is None else int(labels[index]), task.values(data)
        yield SampleAnswer(index, label, values, None if label is None else task.is_right(values, label))
