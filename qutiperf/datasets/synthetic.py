"""Random samples of any shape, identical on every machine; without labels, so without accuracy."""

from collections.abc import Sequence

import numpy as np

from qutiperf.datasets.base import Array, Dataset, Description, Raw, dtype_of, generated
from qutiperf.datasets.values import default_range, random_values
from qutiperf.element_type import BEYOND_NUMPY
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import DTYPES, InputSpec

_DEFAULT_COUNT = 1024


class Synthetic(Dataset):
    """Floats are uniform from 0 to 1, integers over 0..255 (int8 -128..127), by numpy's PCG64.

    Texts have 1 to 16 lower-case letters.
    """

    name = "synthetic"
    labels = None

    def __init__(self, spec: DatasetSpec, model_input: InputSpec) -> None:
        if spec.seed < 0:
            raise InputError(f"dataset.seed: {spec.seed} is negative", cure="give 0 or more")
        self._seed, self.count = spec.seed, spec.count or _DEFAULT_COUNT
        self.sample_shape = model_input.sample_shape
        self.dtype, self._elements = dtype_of(model_input, DTYPES, "dataset synthetic"), model_input.dtype

    def raw(self, index: int) -> Raw:
        """Sample `index`, independently of the other samples."""
        generator = self._generator(index)
        if self._elements in BEYOND_NUMPY:
            limits = default_range(self._elements)
            return random_values(generator, self._elements, self.sample_shape, limits)
        if self.dtype.kind == "f":
            return generator.random(self.sample_shape, np.float32).astype(self.dtype)
        if self.dtype.kind == "b":
            return generator.integers(0, 2, self.sample_shape).astype(self.dtype)
        low = -128 if self.dtype == np.int8 else 0
        return generator.integers(low, low + 256, self.sample_shape).astype(self.dtype)

    def prepare(self, raw: Raw) -> Array:
        return np.asarray(raw)

    def load(self, indices: Sequence[int]) -> Array:
        if self._elements != "float32":
            return np.stack([np.asarray(self.raw(index), self.dtype) for index in indices])
        block = np.empty((len(indices), *self.sample_shape), np.float32)
        for number, index in enumerate(indices):
            self._generator(index).random(dtype=np.float32, out=block[number : number + 1])
        return block

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self._seed, index]))

    def identity(self) -> None:
        return None

    def describe(self) -> Description:
        text = f"PCG64 {self._seed} {self.count} {self.sample_shape} {self._elements}"
        return generated(self.name, self.count, self._seed, text)
