"""The samples that LoadGen loads, and batches made of them."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import numpy as np

from qutiperf.adapters.base import Array
from qutiperf.datasets.base import Dataset, Raw
from qutiperf.harness.fresh_samples import Numbers

PERFORMANCE_SAMPLES = 1024  # MLPerf's count for resnet50; fewer where the dataset is smaller
_PROBE_SAMPLES = 256
Find = Callable[[Sequence[int]], list[Array] | None]


def samples_of_probe(total: int, performance_count: int) -> range:
    """Those of the trial before a run: all, if LoadGen loads all of them afterwards."""
    return range(total if total <= performance_count else min(performance_count, _PROBE_SAMPLES))


class Samples(Protocol):
    """Batches by sample index; a batch is valid until the next call with the same scratch."""

    in_memory: bool  # prepared when loaded: indices are all that `gather` needs

    def renumber(self, numbers: Numbers) -> None: ...
    def load(self, indices: Sequence[int]) -> None: ...
    def unload(self, indices: Sequence[int]) -> None: ...
    def scratch(self, batch_size: int) -> Array: ...
    def prepare(self, indices: Sequence[int]) -> "Prepared": ...
    def gather(self, prepared: "Prepared", scratch: Array) -> Array: ...


Prepared = Sequence[int] | Array


@dataclass(frozen=True, slots=True)
class Preparing:
    """How samples get into memory: `find` maps those that are prepared already.

    `started` and `done` are called around the preparation of the others, `done` with its seconds.
    """

    started: Callable[[], None] = lambda: None
    done: Callable[[float], None] = lambda _: None
    find: Find = lambda _: None


class KeptSamples(abc.ABC):
    """Mapped or prepared when loaded, and kept until other samples are: runs of a worker share them."""

    in_memory = True

    def __init__(self, count: int, preparing: Preparing) -> None:
        self._count, self._preparing = count, preparing
        self.mapped = False
        self._order: list[int] = []
        self._held: Numbers = np.full(count, -1, np.intp)  # slots by sample of the dataset
        self._table: Numbers = self._held  # slots by LoadGen's numbers
        self._numbers: Numbers | None = None
        self._slots: list[int] = []

    @abc.abstractmethod
    def _take(self, order: Sequence[int]) -> None:
        """Prepares these samples; `_held` still has the slots of those before."""

    @abc.abstractmethod
    def _adopt(self, arrays: list[Array], count: int) -> None:
        """Takes `count` prepared samples, an array for each input that has its own."""

    def renumber(self, numbers: Numbers) -> None:
        """LoadGen's number n is the sample `numbers[n]` of the dataset from the next load on."""
        self._numbers = numbers

    def load(self, indices: Sequence[int]) -> None:
        own = indices if self._numbers is None else self._numbers[list(indices)].tolist()
        order = sorted(set(own))
        if order == self._order:
            return
        arrays = self._preparing.find(order)
        self.mapped = arrays is not None
        if arrays is None:
            self._prepare_now(order)
        else:
            self._adopt(arrays, len(order))
        self._order = order
        self._held = np.full(self._count, -1, np.intp)
        self._held[order] = np.arange(len(order))
        self._table = self._held if self._numbers is None else self._held[self._numbers]
        self._slots = self._table.tolist()

    def _prepare_now(self, order: Sequence[int]) -> None:
        self._preparing.started()
        started = monotonic()
        self._take(order)
        self._preparing.done(monotonic() - started)

    def unload(self, indices: Sequence[int]) -> None:
        return  # kept for the next run

    def prepare(self, indices: Sequence[int]) -> Sequence[int]:
        return indices


_AT_ONCE = Preparing()


class PreparedSamples(KeptSamples):
    """A batch is one indexed copy, none where the rows adjoin."""

    def __init__(self, dataset: Dataset, preparing: Preparing = _AT_ONCE) -> None:
        super().__init__(dataset.count, preparing)
        self._dataset = dataset
        self._rows: Array = np.empty((0, *dataset.sample_shape), dataset.dtype)
        self._singles: list[Array] = []

    def _take(self, order: Sequence[int]) -> None:
        self._adopt([self._rows_of(order)], len(order))

    def _adopt(self, arrays: list[Array], count: int) -> None:
        [self._rows] = arrays
        self._singles = [self._rows[slot : slot + 1] for slot in range(count)]

    def _rows_of(self, order: Sequence[int]) -> Array:
        """[n, *sample_shape]: copied where the samples are in memory already, else prepared."""
        kept = [index for index in order if self._held[index] >= 0]
        if not kept:
            return np.ascontiguousarray(self._dataset.load(order))
        rows = np.empty((len(order), *self._dataset.sample_shape), self._dataset.dtype)
        place = {index: row for row, index in enumerate(order)}
        rows[[place[index] for index in kept]] = self._rows[self._held[kept]]
        if new := [index for index in order if self._held[index] < 0]:
            rows[[place[index] for index in new]] = self._dataset.load(new)
        return rows

    def scratch(self, batch_size: int) -> Array:
        return np.empty((batch_size, *self._dataset.sample_shape), self._dataset.dtype)

    def gather(self, prepared: Prepared, scratch: Array) -> Array:
        count = len(prepared)
        if count == 1:
            return self._singles[self._slots[prepared[0]]]
        slots = self._table[np.array(prepared, np.intp)]
        first = int(slots[0])
        if int(slots[-1]) - first == count - 1 and bool((np.diff(slots) == 1).all()):
            return self._rows[first : first + count]
        # `clip` keeps numpy from buffering the result; every slot was checked when it was loaded
        return np.take(self._rows, slots, axis=0, out=scratch[:count], mode="clip")


class RawSamples:
    """Kept as stored; decoding and preprocessing happen inside the query (end to end)."""

    in_memory = False

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._raw: dict[int, Raw] = {}
        self._numbers: Numbers | None = None

    def renumber(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def load(self, indices: Sequence[int]) -> None:
        own = indices if self._numbers is None else self._numbers[list(indices)].tolist()
        self._raw = {index: self._dataset.raw(each) for index, each in zip(indices, own, strict=True)}

    def unload(self, indices: Sequence[int]) -> None:
        self._raw = {}

    def scratch(self, batch_size: int) -> Array:
        return np.empty(0, self._dataset.dtype)

    def prepare(self, indices: Sequence[int]) -> Prepared:
        """[n, *sample_shape], freshly decoded."""
        prepare = self._dataset.prepare
        return np.stack([prepare(self._raw[index]) for index in indices])

    def gather(self, prepared: Prepared, scratch: Array) -> Array:
        return np.asarray(prepared)
