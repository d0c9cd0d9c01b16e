"""Small images that fit in memory as they are: [count, channels, height, width] of bytes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.base import Array, Dataset, Description, Labels, Raw, dtype_of
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

Images = npt.NDArray[np.uint8]
_TYPES = ("float32", "float16", "uint8")


@dataclass(frozen=True, slots=True)
class Source:
    """Images, labels, and their description for the record; floats are pixels divided by `largest`."""

    name: str
    images: Images
    labels: Labels
    largest: int
    licence: str


class ImagesInMemory(Dataset):
    """Pixels for uint8 inputs, 0 to 1 for float inputs, in the layout of the model's shape."""

    def __init__(self, source: Source, spec: DatasetSpec, model_input: InputSpec) -> None:
        self.name, self._source, self._split = source.name, source, spec.split
        self.count = min(spec.count or len(source.images), len(source.images))
        self._labels = self.labels = source.labels[: self.count]
        self.sample_shape = model_input.sample_shape
        self.dtype = dtype_of(model_input, _TYPES, f"dataset {source.name}")
        self._order = _axis_order(source, self.sample_shape)

    def raw(self, index: int) -> Raw:
        return np.asarray(self._source.images[index])

    def prepare(self, raw: Raw) -> Array:
        return np.asarray(self._prepared(np.asarray(raw)[np.newaxis])[0])

    def load(self, indices: Sequence[int]) -> Array:
        return self._prepared(self._source.images[np.asarray(indices, np.intp)])

    def _prepared(self, images: Array) -> Array:
        arranged = np.ascontiguousarray(images.transpose(0, *(axis + 1 for axis in self._order)))
        arranged = arranged.reshape(len(images), *self.sample_shape)
        if self.dtype == np.uint8:
            return arranged
        return (arranged.astype(np.float32) / np.float32(self._source.largest)).astype(self.dtype)

    def describe(self) -> Description:
        digest = hashlib.sha256(self._source.images[: self.count].tobytes() + self._labels.tobytes())
        return {
            "name": self.name,
            "split": self._split,
            "count": self.count,
            "licence": self._source.licence,
            "sha256": digest.hexdigest(),
        }


def _axis_order(source: Source, sample_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels first, channels last or flat, to match the shape of the model; raises InputError."""
    channels, height, width = source.images.shape[1:]
    first: list[tuple[int, ...]] = [(channels, height, width), (channels * height * width,)]
    if channels == 1:
        first.append((height, width))
    if sample_shape in first:
        return 0, 1, 2
    if sample_shape == (height, width, channels):
        return 1, 2, 0
    shapes = ", ".join(str(list(shape)) for shape in dict.fromkeys([*first, (height, width, channels)]))
    raise InputError(
        f"model.input.shape: samples of {list(sample_shape)}, but its images can be {shapes}",
        where=f"dataset {source.name}",
        cure="use a model for images of this size, or another dataset",
    )
