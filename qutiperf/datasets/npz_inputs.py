"""The arrays of an .npz file as the inputs of a model, checked against it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from qutiperf.datasets.base import Array, Dataset
from qutiperf.datasets.inputs import Load, ManyInputs, check_sources, sample_shape, source_problems
from qutiperf.datasets.normalised import with_normalisation
from qutiperf.datasets.npz import Npz
from qutiperf.datasets.ragged import (
    LENGTH,
    Lengths,
    Ragged,
    flat_samples,
    leader_spec,
    ragged_axis,
    stacked_samples,
    too_long,
)
from qutiperf.datasets.values import described, elements_of, example, holds
from qutiperf.element_type import BEYOND_NUMPY
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.source import PaddingSpec
from qutiperf.spec.workload import InputSpec, ModelSpec


def open_npz(data: Npz, spec: DatasetSpec, model: ModelSpec, where: str) -> Dataset:
    """Raises InputError with everything in which the file does not fit."""
    fields = _Fields(data, model)
    for number, each in enumerate(model.inputs):
        if each.has_data:
            fields.add(number, each)
    if fields.problems:
        problems = "; ".join([*fields.problems, *source_problems(model)])
        raise InputError(f"dataset npz: {problems}", where=where, cure=npz_example(model))
    check_sources(model, where)
    if model.many:
        loads = [fields.loads.get(number) for number in range(len(model.inputs))]
        return ManyInputs(data, loads, model, seed=1, ragged=fields.ragged)
    return with_normalisation(data.of(model.input.name), spec)


@dataclass(slots=True)
class _Fields:
    """What loads each input that the file has, and the problems."""

    data: Npz
    model: ModelSpec
    loads: dict[int, Load] = field(default_factory=dict)
    ragged: dict[int, Ragged] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, number: int, spec: InputSpec) -> None:
        array = self.data.field(spec.name)
        if array is None:
            self.problems.append(f"no array '{spec.name}' (it has {', '.join(self.data.names)})")
        elif spec.padding is not None:
            self._add_ragged(number, spec, spec.padding, array)
        elif spec.name in self.data.lengths:
            self.problems.append(f"'{spec.name}' has lengths, but the input has no padding")
        else:
            self._add_rows(number, spec, array)

    def _add_rows(self, number: int, spec: InputSpec, array: Array) -> None:
        shape, steps = sample_shape(self.model, number), self.model.steps
        expected = (steps, *shape) if steps > 1 else shape
        elements = elements_of(array, spec.dtype)
        if array.shape[1:] != expected:
            samples = f"samples of {list(array.shape[1:])}, not {list(expected)}"
            self.problems.append(f"'{spec.name}' has {samples}")
        if elements is None:
            self.problems.append(f"'{spec.name}' is {array.dtype}, not {described(spec.dtype)}")
        elif spec.dtype in BEYOND_NUMPY:
            self.data.convert(spec.name, spec.dtype)
        self.loads[number] = partial(self.data.rows, spec.name)

    def _add_ragged(self, number: int, spec: InputSpec, padding: PaddingSpec, array: Array) -> None:
        leader = leader_spec(self.model, spec)
        of_leader = leader.padding or padding
        if array.dtype != np.dtype(spec.dtype):
            self.problems.append(f"'{spec.name}' is {array.dtype}, not {spec.dtype}")
        if not holds(spec.dtype, padding.value):
            self.problems.append(f"'{spec.name}': padding.value {padding.value} is not a {spec.dtype}")
        shape, axis = sample_shape(self.model, number), ragged_axis(spec, padding)
        lengths = self._lengths(leader)
        one = None if lengths is None else self._samples(spec.name, array, shape, lengths, axis)
        if lengths is None or one is None:
            return
        lengths, most = lengths[: self.data.count], (of_leader.buckets or [shape[axis]])[-1]
        if problem := too_long(spec.name, lengths, most):
            self.problems.append(problem)
        value, dtype = padding.value, np.dtype(spec.dtype)
        self.ragged[number] = Ragged(shape, dtype, axis, lengths, of_leader, value, one)

    def _lengths(self, leader: InputSpec) -> Lengths | None:
        """Of all samples: those in the file, or the size of an array in which all have the same."""
        if leader.name in self.data.lengths:
            return self.data.lengths[leader.name]
        array = self.data.field(leader.name) if leader.has_data else None
        if array is None or array.ndim != len(leader.shape) + int(leader.axis is None):
            self._add_once(f"no array '{leader.name}{LENGTH}' with the length of every sample")
            return None
        axis = ragged_axis(leader, leader.padding) if leader.padding is not None else 0
        return np.full(len(array), array.shape[1 + axis], np.int64)

    def _add_once(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _samples(
        self, name: str, array: Array, shape: Sequence[int], lengths: Lengths, axis: int
    ) -> Callable[[int], Array] | None:
        """What gives one sample; None, with a problem, if the array has another shape."""
        flat, stacked = array.ndim == len(shape), array.ndim == len(shape) + 1
        sizes = array.shape if flat else array.shape[1:]
        listed: list[int | str] = list(shape)
        listed[axis] = "length"
        if not (flat or stacked) or _without(sizes, axis) != _without(shape, axis):
            expected = f"{_sizes(listed)}, one after the other, or [{len(lengths)}, {_sizes(listed)[1:]}"
            self.problems.append(f"'{name}' is {list(array.shape)}; its samples are {expected}")
        elif flat and sizes[axis] != lengths.sum():
            given = f"lengths that add up to {lengths.sum():,}, but {sizes[axis]:,} values"
            self.problems.append(f"'{name}' has {given}")
        elif stacked and (len(array) != len(lengths) or sizes[axis] < lengths.max()):
            given = f"{len(lengths):,} samples of up to {lengths.max():,}"
            self.problems.append(f"'{name}' is {list(array.shape)}, but has lengths of {given}")
        elif flat:
            return flat_samples(array, lengths, axis)
        else:
            return stacked_samples(array, lengths, axis)
        return None


def _without(sizes: Sequence[int], axis: int) -> list[int]:
    return [size for number, size in enumerate(sizes) if number != axis]


def _sizes(sizes: Sequence[int | str]) -> str:
    return f"[{', '.join(map(str, sizes))}]"


_SAMPLES = 8  # of the example
_LENGTH = 3


def npz_example(model: ModelSpec) -> str:
    """A line of Python that writes a file of eight samples which fits."""
    arrays = []
    for number, spec in enumerate(model.inputs):
        if not spec.has_data:
            continue
        shape = sample_shape(model, number)
        if spec.padding is None:
            steps = (model.steps,) if model.steps > 1 else ()
            arrays.append(_zeros(spec, (_SAMPLES, *steps, *shape)))
            continue
        axis = ragged_axis(spec, spec.padding)
        length = min(_LENGTH, shape[axis])
        arrays.append(_zeros(spec, (*shape[:axis], _SAMPLES * length, *shape[axis + 1 :])))
        if spec.leader is None:
            arrays.append(f"{spec.name + LENGTH!r}: numpy.full({_SAMPLES}, {length})")
    return f"one that fits: numpy.savez('data.npz', **{{{', '.join(arrays)}}})"


def _zeros(spec: InputSpec, shape: Sequence[int]) -> str:
    return f"{spec.name!r}: {example(spec.dtype, shape)}"
