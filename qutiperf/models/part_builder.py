"""Writes layers as ONNX nodes, in real numbers or quantised with QuantizeLinear and DequantizeLinear."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from qutiperf.models.part_weights import (
    DEVIATIONS,
    ONNX_TYPES,
    PartWeights,
    Real,
    deviation_of,
    int8_scale,
)
from qutiperf.spec.build import WEIGHT_BLOCK, WEIGHTS_ALONE, Build, DatatypeName
from qutiperf.spec.layer import ActivationName, Shape

OPSET, IR_VERSION = 21, 10
# what the datatypes need beyond that: convolutions in bf16, tensors of two bits
_NEWER: dict[DatatypeName, tuple[int, int]] = {"bf16": (22, 10), "int2": (25, 13)}
BIAS_DEVIATION = 0.5
INPUT_POWER = 1 / 3  # mean square of values that are uniform from 0 to 1
_STEPS = 255
_MIDDLE = 128
Attributes = dict[str, int | list[int]]
_FUNCTIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish", "gelu": "Gelu"}
_POSITIVE = frozenset({"relu", "relu6", "sigmoid"})


@dataclass(frozen=True, slots=True)
class PartTensor:
    """A tensor with the shape of one input, its mean square, its datatype, and in int8 its quantisation."""

    name: str
    shape: Shape
    power: float
    positive: bool = False
    datatype: DatatypeName = "fp32"
    scale: float = 1.0
    zero_point: int = 0

    @property
    def least_and_most(self) -> tuple[float, float]:
        """The range of uniform numbers of the same mean square, which those of an input are."""
        reach = math.sqrt(3 * self.power)
        return (0.0 if self.positive else -reach), reach


@dataclass(slots=True)
class PartBuilder:
    """Collects nodes and weights; every method returns the tensor that it computes.

    Weights are normal with variance 2 / fan-in, biases normal too, so that a missing bias shows; with
    `declare` they have no values, which is enough to count. `datatype` is that of the layers to come.
    """

    build: Build
    declare: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    weights: PartWeights = field(init=False)
    datatype: DatatypeName = field(init=False)

    def __post_init__(self) -> None:
        self.weights = PartWeights(self.build.sparsity, self.build.seed, self.declare)
        self.datatype = self.build.datatype

    @property
    def integer(self) -> bool:
        return self.datatype == "int8"

    @property
    def activations(self) -> DatatypeName:
        """The datatype of the layers' inputs and outputs."""
        return "fp32" if self.datatype in WEIGHTS_ALONE else self.datatype

    @property
    def _real_type(self) -> DatatypeName:
        """In which layers compute as they are written."""
        return "fp32" if self.integer else self.activations

    def input(self, name: str, shape: Shape) -> PartTensor:
        self.inputs.append(
            helper.make_tensor_value_info(name, _onnx_type(self.activations), ["batch", *shape])
        )
        return PartTensor(name, shape, INPUT_POWER, True, self.activations, scale=1 / _STEPS)

    def converted(self, tensor: PartTensor) -> PartTensor:
        """The tensor in the datatype of the layers to come."""
        if tensor.datatype == self.activations:
            return tensor
        real = tensor.name if tensor.datatype != "int8" else self._dequantised(tensor)
        held = "fp32" if tensor.datatype == "int8" else tensor.datatype
        if held != self._real_type:
            real = self._node("Cast", [real], to=_onnx_type(self._real_type))
        if self.integer:
            return self._covered(real, tensor.shape, tensor.power, positive=tensor.positive)
        return replace(tensor, name=real, datatype=self.activations, scale=1.0, zero_point=0)

    def convolution(
        self,
        source: PartTensor,
        filters: int,
        out_shape: Shape,
        *,
        kernel: Sequence[int],
        stride: Sequence[int],
        pads: Sequence[int],
        groups: int,
        bias: bool,
        activation: ActivationName,
    ) -> PartTensor:
        dims = [filters, source.shape[0] // groups, *kernel]
        operands = self._weighted(source, dims, filters if bias else 0, math.prod(dims[1:]))
        attributes: Attributes = {
            "kernel_shape": list(kernel),
            "strides": list(stride),
            "pads": list(pads),
            "group": groups,
        }
        output = self._node("Conv", operands, **attributes)
        return self._finished(output, out_shape, self._power(source, bias=bias), activation)

    def dense(
        self, source: PartTensor, outputs: int, out_shape: Shape, *, bias: bool, activation: ActivationName
    ) -> PartTensor:
        """Gemm for vectors; MatMul and Add for rows, and for weights that runtimes read in MatMul alone."""
        inner, rows = source.shape[-1], len(source.shape) > 1 or self.datatype in WEIGHTS_ALONE
        operands = self._weighted(source, [inner, outputs], outputs if bias else 0, inner, apart=rows)
        if rows:
            output = self._node("MatMul", operands[:2])
            output = self._node("Add", [output, operands[2]]) if bias else output
        else:
            output = self._node("Gemm", operands)
        return self._finished(output, out_shape, self._power(source, bias=bias), activation)

    def product(self, left: PartTensor, right: PartTensor, out_shape: Shape) -> PartTensor:
        output = self._node("MatMul", [self._real(left), self._real(right)])
        power = left.shape[-1] * left.power * right.power * (left.shape[-1] if left.positive else 1)
        return self._finished(output, out_shape, power, "none", positive=left.positive and right.positive)

    def pool(
        self,
        source: PartTensor,
        out_shape: Shape,
        *,
        operator: str,
        kernel: Sequence[int],
        stride: Sequence[int],
        pads: Sequence[int],
        ceil: bool,
    ) -> PartTensor:
        if operator == "global_average":
            output = self._node("GlobalAveragePool", [self._real(source)])
        else:
            name = "MaxPool" if operator == "max" else "AveragePool"
            window: Attributes = {"kernel_shape": list(kernel), "strides": list(stride), "pads": list(pads)}
            output = self._node(name, [self._real(source)], **window, ceil_mode=int(ceil))
        return self._kept(output, out_shape, source)

    def elementwise(
        self, operator: str, left: PartTensor, right: PartTensor, activation: ActivationName
    ) -> PartTensor:
        """The sum or the product; the right operand may be smaller and is then repeated."""
        name = "Add" if operator == "add" else "Mul"
        output = self._node(name, [self._real(left), self._real(right)])
        power = 2 * (left.power + right.power) if operator == "add" else left.power * max(right.power, 1.0)
        positive = left.positive and right.positive
        return self._finished(output, left.shape, power, activation, positive=positive)

    def concatenation(self, parts: Sequence[PartTensor]) -> PartTensor:
        """Along the channels."""
        channels = sum(part.shape[0] for part in parts)
        output = self._node("Concat", [self._real(part) for part in parts], axis=1)
        widest = max(parts, key=lambda part: part.power)
        shape = (channels, *widest.shape[1:])
        return self._finished(output, shape, widest.power, "none", positive=all(p.positive for p in parts))

    def function(self, operator: str, source: PartTensor) -> PartTensor:
        """An activation function, softmax or normalisation on its own."""
        real = self._real(source)
        if operator == "softmax":
            output = self._node("Softmax", [real], axis=-1)
            return self._finished(output, source.shape, 1 / DEVIATIONS**2, "none", positive=True)
        if operator == "batch_normalisation":
            channels = source.shape[0]
            vectors = [
                self.weights.vector(channels, self._real_type, positive=positive)
                for positive in (True, False, False, True)
            ]
            output = self._node("BatchNormalization", [real, *vectors])
            return self._finished(output, source.shape, 4.0, "none")
        if operator == "layer_normalisation":
            vectors = [
                self.weights.vector(source.shape[-1], self._real_type, positive=positive)
                for positive in (True, False)
            ]
            return self._finished(
                self._node("LayerNormalization", [real, *vectors]), source.shape, 4.0, "none"
            )
        activated = self._activated(real, operator)
        return self._kept(activated, source.shape, source, positive=operator in _POSITIVE or source.positive)

    def recurrent(self, operator: str, source: PartTensor, hidden: int, gates: int) -> PartTensor:
        """Over [steps, features] of each input; runtimes take the steps first, so it is transposed twice."""
        features, steps = source.shape[1], source.shape[0]
        first = self._node("Transpose", [self._real(source)], perm=[1, 0, 2])
        weights = [self._weight([1, gates * hidden, size], size) for size in (features, hidden)]
        bias = self._weight([1, 2 * gates * hidden], 8)
        kind: Attributes = {"hidden_size": hidden}
        if operator == "gru":
            kind["linear_before_reset"] = 1
        states = self._node(operator.upper(), [first, *weights, bias], **kind)
        axis = self.weights.constant(np.array([1], np.int64))
        flat = self._node("Squeeze", [states, axis])
        output = self._node("Transpose", [flat], perm=[1, 0, 2])
        return self._finished(output, (steps, hidden), 0.25, "none")

    def attended(self, query: PartTensor, key: PartTensor, value: PartTensor) -> PartTensor:
        """Softmax of the scaled products of Q [heads, rows, inner] and K [heads, inner, rows], times V."""
        heads, rows, inner = query.shape
        products = self._node("MatMul", [self._real(query), self._real(key)])
        factor = self.weights.real(np.array(1 / math.sqrt(inner)), self._real_type)
        scaled = self._node("Mul", [products, factor])
        power = query.power * key.power * (inner if query.positive and key.positive else 1)
        scores = self._finished(scaled, (heads, rows, rows), power, "none")
        shares = self.function("softmax", scores)
        output = self._node("MatMul", [self._real(shares), self._real(value)])
        return self._finished(output, (heads, rows, inner), value.power, "none", positive=value.positive)

    def reshaped(self, source: PartTensor, shape: Shape) -> PartTensor:
        """-1 is what is left over."""
        known = math.prod(size for size in shape if size > 0)
        sizes = tuple(size if size > 0 else math.prod(source.shape) // known for size in shape)
        target = self.weights.constant(np.array([0, *sizes], np.int64))
        return replace(source, name=self._node("Reshape", [source.name, target]), shape=sizes)

    def transposed(self, source: PartTensor, order: list[int]) -> PartTensor:
        """Axis 0 is the batch."""
        shape = tuple(source.shape[axis - 1] for axis in order[1:])
        return replace(source, name=self._node("Transpose", [source.name], perm=order), shape=shape)

    def counted(self, source: PartTensor, thresholds: Real) -> PartTensor:
        """How many thresholds [channels, 1.., count] each value reaches: 0 to their number."""
        count = thresholds.shape[-1]
        axis = self.weights.constant(np.array([-1], np.int64))
        values = self._node("Unsqueeze", [self._real(source), axis])
        reached = self._node("GreaterOrEqual", [values, self.weights.real(thresholds, self._real_type)])
        ones = self._node("Cast", [reached], to=_onnx_type(self._real_type))
        output = self._node("ReduceSum", [ones, axis], keepdims=0)
        power = count * (2 * count + 1) / 6  # the mean of the squares of 0 to count
        if not self.integer:
            return PartTensor(output, source.shape, power, True, self.activations)
        return self._rounded(output, source.shape, power, positive=True, scale=1.0, zero_point=0)

    def model(self, result: PartTensor, name: str) -> onnx.ModelProto:
        """The whole part; its result is `output`, its weights are data or only declared."""
        self.nodes[-1].output[0] = "output"
        output = helper.make_tensor_value_info(
            "output", _onnx_type(result.datatype), ["batch", *result.shape]
        )
        graph = helper.make_graph(self.nodes, name, self.inputs, [output], initializer=self.weights.tensors)
        used = self.build.datatypes or [self.build.datatype]
        opset, version = max(_NEWER.get(datatype, (OPSET, IR_VERSION)) for datatype in used)
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, producer_name="qutiperf", ir_version=version, opset_imports=opsets)

    def _power(self, source: PartTensor, *, bias: bool) -> float:
        """Of the sum of products with weights of variance 2 / fan-in."""
        return 2 * source.power + (BIAS_DEVIATION**2 if bias else 0.0)

    def _weighted(
        self, source: PartTensor, dims: list[int], biases: int, fan_in: int, *, apart: bool = False
    ) -> list[str]:
        """The operands of a layer with weights: input, weights, bias if it has one.

        A quantised bias has the scale of the products, as runtimes require, unless it is added `apart`.
        """
        operands = [self._real(source), self._weight(dims, fan_in)]
        if biases:
            values = self.weights.normal([biases], BIAS_DEVIATION)
            if apart or not self.integer:
                operands.append(self.weights.real(values, self._real_type))
            else:
                scale = source.scale * int8_scale(deviation_of(fan_in))
                stored = self.weights.constant(np.rint(values / scale).astype(np.int32))
                operands.append(self._node("DequantizeLinear", [stored, self._number(scale)]))
        return operands

    def _weight(self, dims: list[int], fan_in: int) -> str:
        deviation = deviation_of(fan_in)
        if self.datatype in WEIGHTS_ALONE:
            stored, scales = self.weights.block_weight(dims, deviation, self.datatype)
            return self._node("DequantizeLinear", [stored, scales], axis=0, block_size=WEIGHT_BLOCK)
        if not self.integer:
            return self.weights.real_weight(dims, deviation, self.datatype)
        stored = self.weights.int8_weight(dims, deviation)
        scale = self._number(int8_scale(deviation))
        return self._node("DequantizeLinear", [stored, scale, self.weights.constant(np.array(0, np.int8))])

    def _number(self, value: float) -> str:
        return self.weights.constant(np.array(value, np.float32))

    def _real(self, tensor: PartTensor) -> str:
        """The name of the tensor in real numbers, dequantised first if it is an integer."""
        return self._dequantised(tensor) if self.integer else tensor.name

    def _dequantised(self, tensor: PartTensor) -> str:
        scale = self._number(tensor.scale)
        zero = self.weights.constant(np.array(tensor.zero_point, np.uint8))
        return self._node("DequantizeLinear", [tensor.name, scale, zero])

    def _finished(
        self,
        name: str,
        shape: Shape,
        power: float,
        activation: ActivationName,
        *,
        positive: bool = False,
    ) -> PartTensor:
        """The activated tensor, rounded in int8 to a range that covers it."""
        positive = positive or activation in _POSITIVE
        if activation != "none":
            name = self._activated(name, activation)
        if not self.integer:
            return PartTensor(name, shape, power, positive, self.activations)
        return self._covered(name, shape, power, positive=positive)

    def _covered(self, name: str, shape: Shape, power: float, *, positive: bool) -> PartTensor:
        """Rounded to a range that covers the values."""
        reach = DEVIATIONS * math.sqrt(power)
        scale, zero = (reach / _STEPS, 0) if positive else (2 * reach / _STEPS, _MIDDLE)
        return self._rounded(name, shape, power, positive, scale, zero)

    def _kept(
        self, name: str, shape: Shape, source: PartTensor, *, positive: bool | None = None
    ) -> PartTensor:
        """A result in the range of its source."""
        kept = source.positive if positive is None else positive
        if not self.integer:
            return PartTensor(name, shape, source.power, kept, self.activations)
        return self._rounded(name, shape, source.power, kept, source.scale, source.zero_point)

    def _rounded(
        self, name: str, shape: Shape, power: float, positive: bool, scale: float, zero_point: int
    ) -> PartTensor:
        step = self._number(scale)
        zero = self.weights.constant(np.array(zero_point, np.uint8))
        rounded = self._node("QuantizeLinear", [name, step, zero])
        return PartTensor(rounded, shape, power, positive, "int8", float(np.float32(scale)), zero_point)

    def _activated(self, name: str, activation: str) -> str:
        if activation == "relu6":
            limits = [self.weights.real(np.array(limit), self._real_type) for limit in (0, 6)]
            return self._node("Clip", [name, *limits])
        if activation == "silu":
            return self._node("Mul", [name, self._node("Sigmoid", [name])])
        return self._node(_FUNCTIONS[activation], [name])

    def _node(self, operator: str, inputs: Sequence[str], **attributes: int | list[int]) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        node = helper.make_node(operator, list(inputs), [f"{name}_out"], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return f"{name}_out"


def _onnx_type(datatype: DatatypeName) -> int:
    return TensorProto.UINT8 if datatype == "int8" else ONNX_TYPES.get(datatype, TensorProto.FLOAT)
