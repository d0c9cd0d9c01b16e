"""Random images of any count with labels that hold by construction, for rehearsals without real data.

The label of an image is the sum of its values modulo the number of classes, which is what the simulated
system answers: accuracy says nothing of a model, and everything of the way from sample to accuracy.txt.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.base import Array, Dataset, Description, Labels, Raw, dtype_of, generated
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

CLASSES = 1000
_DEFAULT_COUNT = 50_000
_LARGEST = 255
_RANDOM_BELOW = 100  # what is added to reach the label keeps values within a byte
_CARRIERS = -(-(CLASSES - 1) // (_LARGEST - _RANDOM_BELOW + 1))  # values that carry the rest of the sum
_DTYPES = ("uint8", "float32")


class Rehearsal(Dataset):
    """Whole numbers from 0 to 255, by numpy's PCG64; independent of each other and of the machine."""

    name = "rehearsal"

    def __init__(self, spec: DatasetSpec, model_input: InputSpec) -> None:
        if spec.seed < 0:
            raise InputError(f"dataset.seed: {spec.seed} is negative", cure="give 0 or more")
        self._seed, self.count = spec.seed, spec.count or _DEFAULT_COUNT
        self.sample_shape = model_input.sample_shape
        self.dtype = dtype_of(model_input, _DTYPES, "dataset rehearsal")
        self._size = int(np.prod(self.sample_shape))
        if self._size < _CARRIERS:
            what = f"model.input.shape: samples of {self._size} values cannot carry {CLASSES:,} labels"
            raise InputError(what, where="dataset rehearsal", cure=f"use {_CARRIERS} values or more")

    @cached_property
    def labels(self) -> Labels:  # type: ignore[override]  # made when it is first read
        generator = np.random.Generator(np.random.PCG64(self._seed))
        return generator.integers(0, CLASSES, self.count)

    def raw(self, index: int) -> Raw:
        """Sample `index`, independently of the other samples."""
        generator = np.random.Generator(np.random.PCG64([self._seed, index]))
        values: npt.NDArray[np.int64] = generator.integers(0, _RANDOM_BELOW, self._size)
        rest = int(self.labels[index] - values.sum()) % CLASSES
        share, left = divmod(rest, _CARRIERS)
        values[:_CARRIERS] += share
        values[:left] += 1
        return values.reshape(self.sample_shape).astype(self.dtype)

    def prepare(self, raw: Raw) -> Array:
        return np.asarray(raw)

    def load(self, indices: Sequence[int]) -> Array:
        return np.stack([np.asarray(self.raw(index)) for index in indices])

    def describe(self) -> Description:
        text = f"PCG64 {self._seed} {self.count} {self.sample_shape} {self.dtype} sum mod {CLASSES}"
        return generated(self.name, self.count, self._seed, text)
