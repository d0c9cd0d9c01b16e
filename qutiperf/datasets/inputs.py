"""Samples of models with several inputs: each input from its own source."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from qutiperf.datasets.base import Array, Dataset, Description, Raw
from qutiperf.datasets.ragged import Lengths, Ragged, ragged_axis, random_lengths, rows_of
from qutiperf.datasets.values import Value, constant, default_range, holds, random_values, takes_range
from qutiperf.element_type import array_type, zeros
from qutiperf.errors import InputError
from qutiperf.spec.config import canonical_json
from qutiperf.spec.source import (
    ConstantSource,
    LengthSource,
    MaskSource,
    PaddingSpec,
    RandomSource,
    StateSource,
)
from qutiperf.spec.workload import (
    DTYPES,
    InputSpec,
    ModelSpec,
)

Load = Callable[[Sequence[int]], Array]


class ManyInputs(Dataset):
    """A dataset's samples with everything else that the model takes.

    `load_all` gives an array for each input: [n, *sample_shape], or [n, steps, *sample_shape] where the
    sample is a sequence, and [*shape] where one tensor does for all samples. Inputs in `ragged` differ in
    length, and are padded there to the size that the model takes.
    """

    def __init__(
        self,
        data: Dataset,
        fields: Sequence[Load | None],
        model: ModelSpec,
        seed: int,
        ragged: Mapping[int, Ragged] = MappingProxyType({}),
    ) -> None:
        """`fields` and `ragged` load the inputs that the dataset has, in the model's order."""
        self.name, self.count, self.labels = data.name, data.count, data.labels
        self.dtype = array_type(model.input.dtype)
        self.data = data
        self._made = [
            spec.model_dump_json()
            for number, (spec, field) in enumerate(zip(model.inputs, fields, strict=True))
            if (field is None and number not in ragged) or not spec.has_data
        ]
        self.shared: list[Array | None] = [_shared(spec, model) for spec in model.inputs]
        self._loads = [
            field or _random(spec, model, seed + number)
            for number, (spec, field) in enumerate(zip(model.inputs, fields, strict=True))
        ]
        self.ragged = dict(ragged)
        if model.padded:
            self._add_ragged(model, seed)
        sequence = (model.steps,) if model.steps > 1 and self.shared[0] is None else ()
        self.sample_shape = (*sequence, *sample_shape(model, 0))

    def _add_ragged(self, model: ModelSpec, seed: int) -> None:
        """Those that the dataset does not have: random ones, then those with the lengths of another input."""
        for number, spec in sorted(enumerate(model.inputs), key=lambda pair: pair[1].leader is not None):
            if spec.padding is not None and number not in self.ragged:
                self.ragged[number] = self._ragged(number, spec, spec.padding, model, seed)
        for number, ragged in self.ragged.items():
            self.shared[number], self._loads[number] = None, ragged.padded
        by_name = {model.inputs[number].name: ragged for number, ragged in self.ragged.items()}
        for number, spec in enumerate(model.inputs):
            if isinstance(spec.source, LengthSource) and spec.source.length in by_name:
                shape, lengths = sample_shape(model, number), by_name[spec.source.length].lengths
                self.shared[number] = None
                self._loads[number] = partial(_lengths_of, lengths, shape, np.dtype(spec.dtype))

    def _ragged(
        self, number: int, spec: InputSpec, padding: PaddingSpec, model: ModelSpec, seed: int
    ) -> Ragged:
        shape, axis, dtype = sample_shape(model, number), ragged_axis(spec, padding), np.dtype(spec.dtype)
        if not holds(spec.dtype, padding.value):
            problem = f"model input '{spec.name}': padding.value {padding.value} is not a {spec.dtype}"
            raise InputError(problem, cure="give a value that the input's type can hold")
        leader = next((n for n, other in enumerate(model.inputs) if other.name == spec.leader), None)
        if leader is None:
            most = (padding.buckets or [shape[axis]])[-1]
            lengths, limits = random_lengths(padding, most, self.count, seed), padding
        else:
            lengths, limits = self.ragged[leader].lengths, self.ragged[leader].limits
        value, filled = _filling(spec, padding)
        one = rows_of(self._loads[number], lengths, axis) if filled is None else (lambda _: filled)
        return Ragged(shape, dtype, axis, lengths, limits, value, one)

    @property
    def truth(self) -> Array | None:
        return self.data.truth

    def raw(self, index: int) -> Raw:
        return self.data.raw(index)

    def prepare(self, raw: Raw) -> Array:
        return self.data.prepare(raw)

    def load(self, indices: Sequence[int]) -> Array:
        return self._loads[0](indices)

    def load_all(self, indices: Sequence[int]) -> list[Array]:
        """Those of every input, in the model's order."""
        own = iter(self.load_own(indices))
        return [next(own) if shared is None else shared for shared in self.shared]

    def load_fixed(self, indices: Sequence[int]) -> list[Array]:
        """As `load_all`, but nothing for inputs that differ in length."""
        return [
            np.empty(0) if number in self.ragged else (load(indices) if shared is None else shared)
            for number, (load, shared) in enumerate(zip(self._loads, self.shared, strict=True))
        ]

    def load_own(self, indices: Sequence[int]) -> list[Array]:
        """Those of the inputs that have their own for each sample."""
        pairs = zip(self._loads, self.shared, strict=True)
        return [load(indices) for load, shared in pairs if shared is None]

    def identity(self) -> str | None:
        return None if self.data.identity() is None else canonical_json(self.describe())

    def release(self) -> None:
        self.data.release()

    def describe(self) -> Description:
        known = self.data.describe()
        if not self._made:
            return known
        digest = hashlib.sha256("\n".join([str(known.get("sha256")), *self._made]).encode()).hexdigest()
        return {**known, "sha256": digest}


def check_dtypes(model: ModelSpec, where: str) -> None:
    """Raises InputError for inputs of types whose values cannot be made here, as complex numbers."""
    wrong = [f"'{spec.name}' {spec.dtype}" for spec in model.inputs if spec.dtype not in DTYPES]
    if wrong:
        problem = f"model.inputs: {', '.join(wrong)}: no samples of this type can be made"
        raise InputError(problem, where=where, cure=f"supported: {', '.join(DTYPES)}")


def sample_shape(model: ModelSpec, number: int) -> tuple[int, ...]:
    """Of one step of a sample: the shape of the input without the batch axis, if it has one."""
    axis = model.axes[number]
    return tuple(int(size) for position, size in enumerate(model.inputs[number].shape) if position != axis)


def bytes_of_sample(model: ModelSpec) -> int:
    """What one sample takes in memory with all of its steps, without what all samples share."""
    return sum(
        array_type(spec.dtype).itemsize * math.prod(sample_shape(model, number)) * model.steps
        for number, spec in enumerate(model.inputs)
        if spec.has_data or spec.source == "random" or isinstance(spec.source, RandomSource)
    )


def bytes_of_inputs(model: ModelSpec) -> int:
    """What one step of one sample takes, with what all samples share."""
    return sum(
        array_type(spec.dtype).itemsize * math.prod(sample_shape(model, number))
        for number, spec in enumerate(model.inputs)
    )


def _shared(spec: InputSpec, model: ModelSpec) -> Array | None:
    """The tensor that does for all samples, or None; a state's is that of the first step."""
    source, shape = spec.source, sample_shape(model, model.inputs.index(spec))
    if isinstance(source, ConstantSource):
        return _constant(spec, shape, source.constant)
    if isinstance(source, StateSource) or source == "zeros":
        return zeros(shape, spec.dtype)
    if isinstance(source, MaskSource):
        return _constant(spec, shape, 1)
    if isinstance(source, LengthSource):
        lengths = {other.name: sample_shape(model, number) for number, other in enumerate(model.inputs)}
        return _constant(spec, shape, (lengths[source.length] or (1,))[-1])
    return None


def _filling(spec: InputSpec, padding: PaddingSpec) -> tuple[float, float | None]:
    """The value of the padding, and that of all samples; None if each sample has its own."""
    if isinstance(spec.source, ConstantSource) and not isinstance(spec.source.constant, str):
        return spec.source.constant, spec.source.constant
    if spec.source == "zeros":
        return padding.value, 0.0
    return (0.0, 1.0) if isinstance(spec.source, MaskSource) else (padding.value, None)


def _lengths_of(
    lengths: Lengths, shape: tuple[int, ...], dtype: np.dtype[np.generic], indices: Sequence[int]
) -> Array:
    """[n, *shape] of the samples' lengths."""
    chosen = lengths[list(indices)].reshape(-1, *(1 for _ in shape))
    return np.broadcast_to(chosen, (len(indices), *shape)).astype(dtype)


def _constant(spec: InputSpec, shape: tuple[int, ...], value: Value) -> Array:
    if not holds(spec.dtype, value):
        raise InputError(f"model input '{spec.name}': {value} is not a {spec.dtype}", cure=_CURE)
    return constant(spec.dtype, shape, value)


_CURE = "give values of the input's type: whole numbers for integers, 0 to 1 for bool, quoted texts"


def check_sources(model: ModelSpec, where: str) -> None:
    """Raises InputError with all values that are not of their input's type."""
    if problems := source_problems(model):
        raise InputError("; ".join(problems), where=where, cure=_CURE)


def source_problems(model: ModelSpec) -> list[str]:
    """Constants and limits that are not values of their input's type."""
    problems = []
    for spec in model.inputs:
        source = spec.source
        if isinstance(source, ConstantSource) and not holds(spec.dtype, source.constant):
            problems.append(f"model input '{spec.name}': {source.constant} is not a {spec.dtype}")
        if isinstance(source, RandomSource) and not takes_range(spec.dtype, *source.random):
            low, high = source.random
            problems.append(
                f"model input '{spec.name}': random from {low:g} to {high:g} is not within {spec.dtype}"
            )
    return problems


def _random(spec: InputSpec, model: ModelSpec, seed: int) -> Load:
    """Sample i of an input, whichever others are made, by numpy's PCG64."""
    dtype, shape = spec.dtype, sample_shape(model, model.inputs.index(spec))
    whole = (model.steps, *shape) if model.steps > 1 else shape
    low, high = spec.source.random if isinstance(spec.source, RandomSource) else default_range(dtype)

    def load(indices: Sequence[int]) -> Array:
        made = np.empty((len(indices), *whole), array_type(dtype))
        for row, index in enumerate(indices):
            generator = np.random.Generator(np.random.PCG64([seed, index]))
            made[row] = random_values(generator, dtype, whole, (low, high))
        return made

    return load
