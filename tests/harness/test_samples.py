"""Prepared samples stay from one run of a worker to the next."""

import numpy as np

from qutiperf.datasets.base import Array, Dataset, Description, Raw
from qutiperf.harness.samples import PreparedSamples, Preparing


class Squares(Dataset):
    """Sample i is [i, i * i]; keeps which were prepared."""

    name, count, labels, sample_shape, dtype = "squares", 10, None, (2,), np.dtype(np.float32)

    def __init__(self) -> None:
        self.prepared: list[int] = []

    def raw(self, index: int) -> Raw:
        return np.array([index])

    def prepare(self, raw: Raw) -> Array:
        [index] = np.asarray(raw)
        self.prepared.append(int(index))
        return np.array([index, index * index], np.float32)

    def describe(self) -> Description:
        return {}


def batch(samples: PreparedSamples, *indices: int) -> list[list[float]]:
    found: list[list[float]] = samples.gather(list(indices), samples.scratch(len(indices))).tolist()
    return found


def test_what_is_in_memory_is_not_prepared_again() -> None:
    dataset, spans = Squares(), list[float]()
    samples = PreparedSamples(dataset, Preparing(lambda: spans.append(-1.0), spans.append))
    samples.load([4, 2, 3])
    samples.unload([4, 2, 3])
    samples.load([3, 2, 4])
    assert dataset.prepared == [2, 3, 4]
    assert len(spans) == 2
    assert spans[0] == -1.0
    assert spans[1] >= 0
    assert batch(samples, 2, 3, 4) == [[2, 4], [3, 9], [4, 16]]
    assert batch(samples, 4, 2) == [[4, 16], [2, 4]]
    assert batch(samples, 3) == [[3, 9]]


def test_only_what_is_new_is_prepared() -> None:
    dataset = Squares()
    samples = PreparedSamples(dataset)
    samples.load([1, 5])
    samples.load([0, 5, 7, 1])
    assert dataset.prepared == [1, 5, 0, 7]
    assert batch(samples, 0, 1, 5, 7) == [[0, 0], [1, 1], [5, 25], [7, 49]]
    samples.load([7])
    assert dataset.prepared == [1, 5, 0, 7]
    assert batch(samples, 7) == [[7, 49]]
    samples.load([1])
    assert dataset.prepared == [1, 5, 0, 7, 1]
