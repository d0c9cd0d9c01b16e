"""The right outputs of a part, by ONNX's reference implementation in float64, and how far off is right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from qutiperf.spec.part import BuiltPart

Tensor = NDArray[np.generic]
_EPSILON = {"fp32": 2.0**-23, "fp16": 2.0**-10}
ERRORS_OF_ROUNDING = 8.0
_REAL = (TensorProto.FLOAT, TensorProto.FLOAT16)


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
    feeds = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in zip(names, inputs, strict=True)
    }
    outputs = ReferenceEvaluator(wide).run(None, feeds)
    assert isinstance(outputs, list)
    return np.asarray(outputs[0])


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every real tensor is float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    graph = wide.graph
    for tensor in graph.initializer:
        if tensor.data_type in _REAL:
            values = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for value in (*graph.input, *graph.output):
        kind = value.type.tensor_type
        if kind.elem_type in _REAL:
            shape = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
            value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.DOUBLE, shape))
    return wide


def compare(part: BuiltPart, output: Tensor, reference: Tensor) -> Verdict:
    """Integers may differ by one step a layer, as runtimes round between layers.

    Real numbers may differ by 8 x epsilon x the root of the products in a sum x the largest output. A wrong
    shape or a value that is not finite is infinitely wrong.
    """
    if part.build.datatype == "int8":
        tolerance = float(sum(len(getattr(layer, "layers", [layer])) for layer in part.parts))
    else:
        length = math.sqrt(max(1, sum(layer.accumulation for layer in part.parts)))
        largest = float(np.abs(reference).max(initial=0.0))
        tolerance = ERRORS_OF_ROUNDING * _EPSILON[part.build.datatype] * length * largest
    if output.shape != reference.shape or output.dtype != np.dtype(part.build.dtype):
        return Verdict(math.inf, tolerance)
    difference = np.abs(output.astype(np.float64) - reference.astype(np.float64))
    return Verdict(
        float(difference.max(initial=0.0)) if np.isfinite(difference).all() else math.inf, tolerance
    )
