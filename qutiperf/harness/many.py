"""Models that take or give several tensors, or whose batch is not the first axis."""

from collections.abc import Callable, Sequence

import numpy as np

from qutiperf.adapters.base import Array, Arrays, Model
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.element_type import BFLOAT16, bits_of_bfloat16
from qutiperf.errors import RunError
from qutiperf.harness.samples import KeptSamples, Preparing
from qutiperf.spec.source import StateSource
from qutiperf.spec.workload import ModelSpec

InferMany = Callable[[Arrays], tuple[Arrays, int | None]]
InferFirst = Callable[[Arrays], tuple[Array, int | None]]


class ManySamples(KeptSamples):
    """Samples of several inputs; a batch is a tuple with an array for each input.

    Inputs with a batch axis of 0 and those that all samples share need no copy for a batch of one.
    """

    def __init__(
        self,
        dataset: ManyInputs,
        model: Model,
        steps: int,
        preparing: Preparing,
    ) -> None:
        super().__init__(dataset.count, preparing)
        self._dataset, self._steps = dataset, steps
        self._axes = [tensor.batch_axis for tensor in model.inputs]
        self._rows: list[Array] = []
        self._singles: list[Arrays] = []
        self._full: dict[int, list[Array | None]] = {}

    def _take(self, order: Sequence[int]) -> None:
        self._adopt(self._dataset.load_own(order), len(order))

    def _adopt(self, arrays: list[Array], count: int) -> None:
        own = iter(arrays)
        self._rows = [next(own) if shared is None else shared for shared in self._dataset.shared]
        self._singles = [self._batch([slot]) for slot in range(count)]

    def scratch(self, batch_size: int) -> Arrays:
        return ()

    def gather(self, prepared: Sequence[int], scratch: Arrays) -> Arrays:
        slots = [self._slots[index] for index in prepared]
        return self._singles[slots[0]] if len(slots) == 1 else self._batch(slots)

    def _batch(self, slots: Sequence[int]) -> Arrays:
        return tuple(self._tensor(number, slots) for number in range(len(self._rows)))

    def _tensor(self, number: int, slots: Sequence[int]) -> Array:
        axis, shared = self._axes[number], self._dataset.shared[number]
        if shared is not None:
            return shared if axis is None else self._repeated(number, len(slots), shared, axis)
        rows = self._rows[number]
        if axis is None:
            return np.asarray(rows[slots[0]], rows.dtype)
        return self._placed(
            axis, rows[slots[0] : slots[0] + 1] if len(slots) == 1 else np.take(rows, slots, axis=0)
        )

    def _placed(self, axis: int, chosen: Array) -> Array:
        """[n, ...] with n on the batch axis."""
        # [n, steps, ...] of a sequence becomes [steps, n, ...], so that each step is one array
        if self._steps > 1:
            return np.ascontiguousarray(np.moveaxis(chosen, 0, axis + 1))
        return chosen if axis == 0 else np.ascontiguousarray(np.moveaxis(chosen, 0, axis))

    def _repeated(self, number: int, count: int, shared: Array, axis: int) -> Array:
        known = self._full.setdefault(count, [None] * len(self._axes))
        found = known[number]
        if found is None:
            found = np.ascontiguousarray(np.repeat(np.expand_dims(shared, axis), count, axis=axis))
            known[number] = found
        return found


def first_output(infer: InferMany) -> InferFirst:
    """The output that is judged, of all."""

    def infer_first(batch: Arrays) -> tuple[Array, int | None]:
        outputs, compute_ns = infer(batch)
        return outputs[0], compute_ns

    return infer_first


def stepwise(infer: InferMany, spec: ModelSpec, shared: Sequence[Array | None]) -> InferMany:
    """Answers sequences: every step of a batch after the other, states going from step to step.

    Compute time is the sum over the steps, unknown if it is for one of them.
    """
    outputs = [output.name for output in spec.outputs]
    states = {
        number: outputs.index(source.source.state)
        for number, source in enumerate(spec.inputs)
        if isinstance(source.source, StateSource)
    }
    rounded = [number for number in states if spec.inputs[number].dtype == BFLOAT16]
    sequences = [number for number, one in enumerate(shared) if one is None]

    def infer_steps(batch: Arrays) -> tuple[Arrays, int | None]:
        arrays, total, timed = list(batch), 0, True
        found: Arrays = ()
        for step in range(spec.steps):
            for number in sequences:
                arrays[number] = batch[number][step]
            found, compute_ns = infer(tuple(arrays))
            timed, total = timed and compute_ns is not None, total + (compute_ns or 0)
            for number, output in states.items():
                if found[output].shape != arrays[number].shape:
                    shapes = f"{list(found[output].shape)}, not {list(arrays[number].shape)}"
                    raise RunError(f"state '{spec.inputs[number].name}' became {shapes}")
                # a copy: the adapter may write the next outputs where these are
                arrays[number] = (
                    bits_of_bfloat16(found[output]) if number in rounded else found[output].copy()
                )
        return found, total if timed else None

    return infer_steps


def as_tuple(
    infer: Callable[[Array], tuple[Array, int | None]],
) -> Callable[[Array], tuple[Arrays, int | None]]:
    """For tasks that take all outputs of a model with one."""

    def infer_all(batch: Array) -> tuple[Arrays, int | None]:
        outputs, compute_ns = infer(batch)
        return (outputs,), compute_ns

    return infer_all


def filled(infer: InferMany, axes: Sequence[int | None], size: int) -> InferMany:
    """For a file with a fixed batch: the last sample is repeated, and its answers dropped."""

    def infer_filled(batch: Arrays) -> tuple[Arrays, int | None]:
        count = next(array.shape[axis] for array, axis in zip(batch, axes, strict=True) if axis is not None)
        if count == size:
            return infer(batch)
        whole = tuple(
            array if axis is None else _repeat_last(array, axis, size - count)
            for array, axis in zip(batch, axes, strict=True)
        )
        outputs, compute_ns = infer(whole)
        return tuple(each[:count] if each.shape[:1] == (size,) else each for each in outputs), compute_ns

    return infer_filled


def _repeat_last(array: Array, axis: int, times: int) -> Array:
    last = np.take(array, [-1], axis=axis)
    return np.concatenate([array, np.repeat(last, times, axis=axis)], axis=axis)
