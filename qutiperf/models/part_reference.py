"""The right outputs of a part, by ONNX's reference implementation in float64, and how far off is right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from qutiperf.element_type import BFLOAT16, reals_of_bfloat16
from qutiperf.spec.block import Block, Part
from qutiperf.spec.build import WEIGHTS_ALONE
from qutiperf.spec.layer import Pool, Threshold
from qutiperf.spec.part import BuiltPart

Tensor = NDArray[np.generic]
_EPSILON = {"fp32": 2.0**-23, "fp16": 2.0**-10}
# of results rounded to bf16, and of activations that a runtime rounds to 8 bits beside int4 and int2 weights
_COARSE_EPSILON = 2.0**-8
_INT8_STEP = 2.0**-5  # of the largest value of a tensor: a range of 8 deviations has 255 steps
ERRORS_OF_ROUNDING = 8.0
_REAL = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The largest difference from the reference beside the tolerated one, in the output's own units."""

    error: float
    tolerance: float

    @property
    def right(self) -> bool:
        return self.error <= self.tolerance


def reference_outputs(model: onnx.ModelProto, inputs: Sequence[Tensor]) -> Tensor:
    """The first output for these inputs; real numbers are computed in float64."""
    from onnx.reference import ReferenceEvaluator

    wide = widened(model)
    names = [value.name for value in wide.graph.input]
    bits = [value.type.tensor_type.elem_type == TensorProto.BFLOAT16 for value in model.graph.input]
    feeds = {
        name: _wide(reals_of_bfloat16(array) if as_bits else array)
        for name, array, as_bits in zip(names, inputs, bits, strict=True)
    }
    return np.asarray(next(iter(ReferenceEvaluator(wide).run(None, feeds))))


def _wide(array: Tensor) -> Tensor:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every real tensor is float64, as are the results of casts to real numbers."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    graph = wide.graph
    for tensor in graph.initializer:
        if tensor.data_type in _REAL:
            values = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i in _REAL:
                attribute.i = TensorProto.DOUBLE
    for value in (*graph.input, *graph.output):
        kind = value.type.tensor_type
        if kind.elem_type in _REAL:
            shape = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
            value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.DOUBLE, shape))
    return wide


def compare(part: BuiltPart, output: Tensor, reference: Tensor) -> Verdict:
    """A wrong shape or a value that is not finite is infinitely wrong."""
    tolerance = tolerance_of(part, reference)
    dtype = part.build.output_dtype
    if output.shape != reference.shape or output.dtype != np.dtype("float32" if dtype == BFLOAT16 else dtype):
        return Verdict(math.inf, tolerance)
    difference = np.abs(output.astype(np.float64) - reference.astype(np.float64))
    return Verdict(
        float(difference.max(initial=0.0)) if np.isfinite(difference).all() else math.inf, tolerance
    )


def tolerance_of(part: BuiltPart, reference: Tensor) -> float:
    """By how much an output may differ from the reference, in its own units.

    Integers: one step for each tensor that is rounded, as runtimes round between layers; none where the
    result is exact. Real numbers: 8 x epsilon x the root of the products in a sum x the largest output in
    fp32 and fp16; 8 x 2^-8 x the root of the layers x the largest output with bf16, int4 or int2; with an
    int8 layer before, a 32nd of the largest output for each tensor that is rounded. Thresholds are exact;
    after another layer they add one count.
    """
    roundings = sum(_roundings(layer) for layer in part.parts)
    counts = float(sum(isinstance(layer, Threshold) for layer in part.parts[1:]))
    if isinstance(part.parts[-1], Threshold):
        return counts
    if part.build.output_dtype == "uint8":
        return roundings + counts
    largest = float(np.abs(reference).max(initial=0.0))
    if "int8" in part.datatypes:
        return roundings * _INT8_STEP * largest + counts
    if {"bf16", *WEIGHTS_ALONE} & set(part.datatypes):
        return ERRORS_OF_ROUNDING * _COARSE_EPSILON * math.sqrt(max(1, roundings)) * largest + counts
    length = math.sqrt(max(1, sum(layer.accumulation for layer in part.parts)))
    epsilon = max(_EPSILON[datatype] for datatype in part.datatypes)
    return ERRORS_OF_ROUNDING * epsilon * length * largest + counts


def _roundings(layer: Part) -> int:
    if isinstance(layer, Pool) and layer.operator == "max":
        return 0
    return len(layer.layers) if isinstance(layer, Block) else int(getattr(layer, "roundings", 1))
