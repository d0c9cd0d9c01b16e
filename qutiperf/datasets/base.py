"""The interface of every dataset to the harness: samples by index, in the form of the model's input."""

import abc
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qutiperf.element_type import array_type
from qutiperf.errors import InputError
from qutiperf.spec.config import canonical_json, nearest
from qutiperf.spec.workload import InputSpec

Array = npt.NDArray[np.generic]
Labels = npt.NDArray[np.int64]
Raw = bytes | Array
Description = dict[str, int | str | None]


class Dataset(abc.ABC):
    """Samples of one split; `labels` [count] are their classes, None if they are not known.

    Tasks compare answers with `truth`, a row a sample: other datasets than those of classes override it.
    """

    name: str
    count: int
    labels: Labels | None
    sample_shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def truth(self) -> Array | None:
        """[count, ...] in the form that the task needs, None if it is not known."""
        return self.labels

    @abc.abstractmethod
    def raw(self, index: int) -> Raw:
        """The sample as stored, undecoded, as end-to-end runs keep it in memory."""

    @abc.abstractmethod
    def prepare(self, raw: Raw) -> Array:
        """Decodes and preprocesses one sample to [*sample_shape]; called by several threads."""

    @abc.abstractmethod
    def describe(self) -> Description:
        """Name, split, count, licence and a digest of the content, for the record."""

    def identity(self) -> str | None:
        """What prepared samples depend on beside the model's inputs; None if making them is fast."""
        return canonical_json(self.describe())

    def release(self) -> None:  # noqa: B027 - most datasets have nothing to free
        """Frees what can be read again, as prepared samples are in memory."""

    def load(self, indices: Sequence[int]) -> Array:
        """[n, *sample_shape] of prepared samples."""
        loaded = np.empty((len(indices), *self.sample_shape), self.dtype)
        for row, index in enumerate(indices):
            loaded[row] = self.prepare(self.raw(index))
        return loaded


def generated(name: str, count: int, seed: int, recipe: str) -> Description:
    """The description of samples that a seed gives; `recipe` says how, in place of their files."""
    return {
        "name": name,
        "split": None,
        "count": count,
        "seed": seed,
        "licence": "none needed",
        "sha256": hashlib.sha256(recipe.encode()).hexdigest(),
    }


def dtype_of(spec: InputSpec, allowed: Sequence[str], where: str) -> np.dtype[np.generic]:
    """The model's input type; raises InputError with the types of the dataset if this is not one of them."""
    if spec.dtype not in allowed:
        raise InputError(f"model.input.dtype: {spec.dtype}", where=where, cure=nearest(spec.dtype, allowed))
    return array_type(spec.dtype)
