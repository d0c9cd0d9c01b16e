"""The interface of every task: LoadGen's responses from a model's outputs, and what they are worth."""

import abc
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from qutiperf.datasets.base import Array
from qutiperf.errors import RunError
from qutiperf.spec.workload import Workload


@dataclass(frozen=True, slots=True)
class Accuracy:
    """`top1_percent` is the share of samples whose first answer is right, None where there is no such share.

    `figures` are a task's own, with the unit in the name (`mean_error_mm`): they become columns.
    """

    top1_percent: float | None
    good: int | None = None
    total: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


class Task(abc.ABC):
    """How samples are answered and judged.

    A response is bytes of any length. If all have one length, `response_length` numbers of `response_dtype`
    are faster: `responses` then returns an array [count, response_length]. With `takes_all` the outputs
    that it receives are a tuple with an array for each output of the model, else the first one.
    `judged` is False for a task without accuracy.
    """

    response_dtype: ClassVar[np.dtype[np.generic]] = np.dtype(np.uint8)
    response_length: ClassVar[int | None] = None
    takes_all: ClassVar[bool] = False
    judged: ClassVar[bool] = True

    @classmethod
    def of(cls, workload: Workload) -> "Task":
        """The task of a workload; raises InputError if it does not fit the workload's outputs."""
        return cls()

    @abc.abstractmethod
    def responses(self, outputs: Array, count: int) -> Array | Sequence[bytes]:
        """One response for each of the `count` samples of a batch; raises RunError for impossible outputs."""

    def response(self, outputs: Array) -> float:
        """The same for one sample and length 1, as fast as possible."""
        return float(np.asarray(self.responses(outputs, 1)).item())

    def check_truth(self, truth: Array, where: str) -> None:  # noqa: B027 - a task may take any truth
        """Raises InputError if the dataset's truth cannot be compared with the responses."""

    @abc.abstractmethod
    def accuracy(self, log: Path, truth: Array) -> Accuracy:
        """Accuracy from LoadGen's mlperf_log_accuracy.json; raises RunError if it lacks samples."""

    def classes(self, outputs: Array) -> Array | None:
        """Scores by class of the dataset, [n, classes], None where outputs are not scores."""
        return None

    def values(self, response: bytes) -> list[int | float | str]:
        """A response as people read it: its numbers, or if its length varies its bytes in hexadecimal."""
        if self.response_length is None:
            return [response.hex()]
        values: list[int | float | str] = np.frombuffer(response, self.response_dtype).tolist()
        return values

    def is_right(self, values: Sequence[int | float | str], label: int) -> bool | None:
        """Whether these values answer the class; None where a single answer is neither right nor wrong."""
        return None


def accuracy_entries(log: Path) -> Iterator[tuple[int, bytes]]:
    """`qsl_idx` and response of each entry, line by line; raises RunError for a damaged log."""
    try:
        with log.open(encoding="utf-8") as stream:
            for line in stream:
                text = line.strip().strip("[],").strip()
                if text:
                    entry = json.loads(text)
                    yield int(entry["qsl_idx"]), bytes.fromhex(entry["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"cannot be read as an accuracy log: {error}", where=str(log)) from None


def answers_of(log: Path, count: int) -> list[bytes]:
    """The first response of each of the `count` samples; raises RunError if one has none."""
    answers: list[bytes | None] = [None] * count
    for index, data in accuracy_entries(log):
        if not 0 <= index < count:
            raise RunError(f"sample {index} is not one of {count}", where=str(log))
        if answers[index] is None:
            answers[index] = data
    known = [answer for answer in answers if answer is not None]
    if len(known) < count:
        raise RunError(f"{count - len(known)} of {count} samples have no answer", where=str(log))
    return known
