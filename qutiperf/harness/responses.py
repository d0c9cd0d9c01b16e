"""Responses of any length: kept until LoadGen has them, each with its own size."""

from collections.abc import Callable, Sequence

import numpy as np

from qutiperf.adapters.base import Array
from qutiperf.datasets.task import Task
from qutiperf.errors import RunError

CompleteOne = Callable[[Sequence[int], int, int], None]


class Responses:
    """The responses of one batch of a stream, completed one by one, as LoadGen takes a size for each."""

    def __init__(self, task: Task, complete: CompleteOne) -> None:
        self._task, self._complete = task, complete
        self._sizes: list[int] = []
        self._bytes = b""

    def keep(self, outputs: Array, count: int) -> None:
        """Those of a batch; raises RunError if the task does not give one for each sample."""
        given = [bytes(each) for each in self._task.responses(outputs, count)]
        if len(given) != count:
            name = type(self._task).__name__
            raise RunError(f"the task {name} gave {len(given)} responses for {count} samples")
        self._sizes, self._bytes = [len(each) for each in given], b"".join(given)

    def complete(self, ids: Sequence[int], _address: int, _size: int) -> None:
        """Answers every query; with no bytes after a failure."""
        sizes = self._sizes if len(self._sizes) == len(ids) else [0] * len(ids)
        held = np.frombuffer(self._bytes or b"\0", np.uint8)
        address = held.ctypes.data
        for identity, size in zip(ids, sizes, strict=True):
            self._complete([identity], address, size)
            address += size
        self._sizes = []
