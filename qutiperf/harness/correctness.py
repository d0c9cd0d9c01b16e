"""Checks the outputs of a loaded part against ONNX's reference implementation before it is measured."""

from collections.abc import Sequence

import numpy as np

from qutiperf.adapters.base import Array, Arrays
from qutiperf.adapters.registry import AnyAdapter
from qutiperf.element_type import BFLOAT16, bits_of_bfloat16
from qutiperf.errors import RunError
from qutiperf.results.derived import WRONG_OUTPUT
from qutiperf.results.record import Correctness
from qutiperf.spec.part import BuiltPart
from qutiperf.spec.workload import ModelSpec

LARGER_BATCH = 3
SEED = 20_211


def check_part(part: BuiltPart, spec: ModelSpec, adapter: AnyAdapter, batches: Sequence[int]) -> Correctness:
    """The worst error beside its tolerance over these batch sizes; raises RunError for a wrong output."""
    from qutiperf.models.part_reference import compare, reference_outputs
    from qutiperf.models.parts import build_part

    model = build_part(part)
    checked: list[Correctness] = []
    for batch in batches:
        inputs = random_inputs(spec, batch)
        adapter.tune(batch)
        verdict = compare(part, _output(adapter, spec, inputs), reference_outputs(model, inputs))
        if not verdict.right:
            allowed = f"{verdict.tolerance:.3g} allowed (reference: onnx in float64)"
            raise RunError(f"{WRONG_OUTPUT} at batch {batch}: off by {verdict.error:.3g}, {allowed}")
        checked.append(
            Correctness(error=verdict.error, tolerance=verdict.tolerance, batch_sizes=list(batches))
        )
    return max(checked, key=lambda each: each.error / (each.tolerance or 1))


def batches_to_check(most: int) -> list[int]:
    """One input, and a larger batch if any is measured; it is small, as the reference takes its time."""
    return [1] if most == 1 else [1, min(most, LARGER_BATCH)]


def random_inputs(spec: ModelSpec, batch: int) -> Arrays:
    """The same for the same shapes, from 0 to 1 for real numbers; bits of bfloat16."""
    generator = np.random.default_rng(SEED)
    return tuple(_values(generator, (batch, *each.sample_shape), each.dtype) for each in spec.inputs)


def _values(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    if dtype == "uint8":
        return generator.integers(0, 256, shape).astype(np.uint8)
    reals = generator.random(shape, np.float32)
    return bits_of_bfloat16(reals) if dtype == BFLOAT16 else reals.astype(dtype)


def _output(adapter: AnyAdapter, spec: ModelSpec, inputs: Arrays) -> Array:
    if spec.many:
        return np.asarray(adapter.infer_many(inputs)[0][0])
    return np.asarray(adapter.infer(inputs[0])[0])
