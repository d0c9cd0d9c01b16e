"""Samples that differ in one axis: their lengths, and batches of them padded to one size."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qutiperf.datasets.base import Array
from qutiperf.spec.source import PaddingSpec
from qutiperf.spec.workload import InputSpec, ModelSpec

Lengths = npt.NDArray[np.int64]
LENGTH = "__length"  # after the name of an array, for the array of its samples' lengths


@dataclass(frozen=True, slots=True)
class Ragged:
    """An input whose samples differ in `axis`; `one` gives a sample, `lengths` are those of all samples.

    `limits` says what batches are padded to, `most` is the size that the model takes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    axis: int
    lengths: Lengths
    limits: PaddingSpec
    value: float
    one: Callable[[int], Array | float]

    @property
    def most(self) -> int:
        return self.shape[self.axis]

    @property
    def elements_of_a_step(self) -> int:
        """In one position of the axis."""
        return math.prod(self.shape) // self.most

    def size_for(self, longest: int) -> int:
        """What a batch with a sample of this length is padded to."""
        return self.limits.size_for(longest, self.most)

    def batch(self, samples: Sequence[Array | float], lengths: Sequence[int], size: int) -> Array:
        """[n, *shape] with `size` on the axis."""
        before, after = self.shape[: self.axis], self.shape[self.axis + 1 :]
        whole = np.full((len(samples), *before, size, *after), self.value, self.dtype)
        every = (slice(None),) * self.axis
        for row, (sample, length) in enumerate(zip(samples, lengths, strict=True)):
            place: tuple[int | slice, ...] = (row, *every, slice(length))
            whole[place] = sample
        return whole

    def padded(self, indices: Sequence[int]) -> Array:
        """These samples, all with the size that the model takes."""
        lengths = [int(self.lengths[index]) for index in indices]
        return self.batch([self.one(index) for index in indices], lengths, self.most)


def ragged_axis(spec: InputSpec, padding: PaddingSpec) -> int:
    """The padded axis among those of a sample."""
    batch = spec.axis
    return padding.axis - int(batch is not None and padding.axis > batch)


def leader_spec(model: ModelSpec, spec: InputSpec) -> InputSpec:
    """The input that has the lengths of this one."""
    return next((other for other in model.inputs if other.name == spec.leader), spec)


def random_lengths(padding: PaddingSpec, most: int, count: int, seed: int) -> Lengths:
    """Uniform, by numpy's PCG64."""
    low, high = padding.lengths or (1, most)
    return np.random.Generator(np.random.PCG64([seed, count])).integers(low, high, count, endpoint=True)


def too_long(name: str, lengths: Lengths, most: int) -> str | None:
    """What is wrong with lengths, where a sample is empty or longer than the model takes."""
    longer = np.flatnonzero(lengths > most)
    if longer.size:
        first = int(longer[0])
        count = f"{longer.size:,} of {len(lengths):,} samples are" if longer.size > 1 else "a sample is"
        return (
            f"'{name}': {count} longer than the {most} that the model takes, sample {first} with"
            f" {int(lengths[first]):,} first"
        )
    empty = np.flatnonzero(lengths < 1)
    return f"'{name}': sample {int(empty[0])} is empty" if empty.size else None


def flat_samples(flat: Array, lengths: Lengths, axis: int) -> Callable[[int], Array]:
    """Samples that lie one after the other along their axis."""
    ends = np.cumsum(lengths)
    every = (slice(None),) * axis

    def one(index: int) -> Array:
        end = int(ends[index])
        return flat[(*every, slice(end - int(lengths[index]), end))]

    return one


def stacked_samples(rows: Array, lengths: Lengths, axis: int) -> Callable[[int], Array]:
    """Samples that are padded to one size already."""
    every = (slice(None),) * axis

    def one(index: int) -> Array:
        return np.asarray(rows[index])[(*every, slice(int(lengths[index])))]

    return one


def rows_of(load: Callable[[Sequence[int]], Array], lengths: Lengths, axis: int) -> Callable[[int], Array]:
    """Samples from what loads them with the size that the model takes."""
    every = (slice(None),) * axis

    def one(index: int) -> Array:
        return np.asarray(load([index])[0])[(*every, slice(int(lengths[index])))]

    return one


def lengths_in(arrays: Mapping[str, Array]) -> dict[str, Lengths]:
    """The lengths of arrays that have them, by the array's name."""
    return {
        name.removesuffix(LENGTH): np.asarray(array, np.int64)
        for name, array in arrays.items()
        if name.endswith(LENGTH)
        and name.removesuffix(LENGTH) in arrays
        and array.ndim == 1
        and array.dtype.kind in "iu"
    }
