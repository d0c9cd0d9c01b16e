"""Writes layers as ONNX nodes, in real numbers or quantised with QuantizeLinear and DequantizeLinear."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from qutiperf.spec.layer import ActivationName, Build, Shape

OPSET, IR_VERSION = 21, 10
BIAS_DEVIATION = 0.5
INPUT_POWER = 1 / 3  # mean square of values that are uniform from 0 to 1
# int8 weights use seven bits: without VNNI, x86 adds products of 8 bits in pairs of 16 bits, which saturate
MOST_INT8_WEIGHT = 64
DEVIATIONS = 4.0  # of a normal distribution that the range of a quantised tensor covers
_STEPS = 255
_MIDDLE = 128
Real = NDArray[np.float32]
Attributes = dict[str, int | list[int]]
_NUMPY = {"fp32": np.float32, "fp16": np.float16, "int8": np.float32}
_ONNX = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "int8": TensorProto.FLOAT}
_FUNCTIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish", "gelu": "Gelu"}
_POSITIVE = frozenset({"relu", "relu6", "sigmoid"})


@dataclass(frozen=True, slots=True)
class PartTensor:
    """A tensor with the shape of one input, its mean square, and in int8 its quantisation."""

    name: str
    shape: Shape
    power: float
    positive: bool = False
    scale: float = 1.0
    zero_point: int = 0


@dataclass(slots=True)
class PartBuilder:
    """Collects nodes and weights; every method returns the tensor that it computes.

    Weights are normal with variance 2 / fan-in, biases normal too, so that a missing bias shows; with
    `declare` they have no values, which is enough to count.
    """

    build: Build
    declare: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    generator: np.random.Generator = field(default_factory=np.random.default_rng)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.build.seed)

    @property
    def integer(self) -> bool:
        return self.build.datatype == "int8"

    def input(self, name: str, shape: Shape) -> PartTensor:
        kind = TensorProto.UINT8 if self.integer else _ONNX[self.build.datatype]
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["batch", *shape]))
        return PartTensor(name, shape, INPUT_POWER, positive=True, scale=1 / _STEPS)

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
        """Gemm for vectors; MatMul and Add for rows of vectors."""
        inner, rows = source.shape[-1], len(source.shape) > 1
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
            vectors = [self._vector(channels, positive=positive) for positive in (True, False, False, True)]
            output = self._node("BatchNormalization", [real, *vectors])
            return self._finished(output, source.shape, 4.0, "none")
        if operator == "layer_normalisation":
            vectors = [self._vector(source.shape[-1], positive=positive) for positive in (True, False)]
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
        axis = self._constant(np.array([1], np.int64))
        flat = self._node("Squeeze", [states, axis])
        output = self._node("Transpose", [flat], perm=[1, 0, 2])
        return self._finished(output, (steps, hidden), 0.25, "none")

    def model(self, result: PartTensor, name: str) -> onnx.ModelProto:
        """The whole part; its result is `output`, its weights are data or only declared."""
        self.nodes[-1].output[0] = "output"
        kind = TensorProto.UINT8 if self.integer else _ONNX[self.build.datatype]
        output = helper.make_tensor_value_info("output", kind, ["batch", *result.shape])
        graph = helper.make_graph(self.nodes, name, self.inputs, [output], initializer=self.weights)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name="qutiperf", ir_version=IR_VERSION, opset_imports=opsets)

    def _power(self, source: PartTensor, *, bias: bool) -> float:
        """Of the sum of products with weights of variance 2 / fan-in."""
        return 2 * source.power + (BIAS_DEVIATION**2 if bias else 0.0)

    def _weighted(
        self, source: PartTensor, dims: list[int], biases: int, fan_in: int, *, apart: bool = False
    ) -> list[str]:
        """The operands of a layer with weights: input, weights, bias if it has one.

        A quantised bias has the scale of the products, as runtimes require, unless it is added `apart`.
        """
        real = self._real(source)
        deviation = math.sqrt(2 / fan_in)
        operands = [real, self._weight(dims, fan_in)]
        if biases:
            values = self._normal([biases], BIAS_DEVIATION)
            scale = None if apart or not self.integer else source.scale * _weight_scale(deviation)
            operands.append(self._bias(values, scale))
        return operands

    def _weight(self, dims: list[int], fan_in: int) -> str:
        deviation = math.sqrt(2 / fan_in)
        if not self.integer:
            return self._real_weight(dims, deviation)
        if self.declare:
            stored = self._declared(dims, TensorProto.INT8)
        else:
            scaled = np.rint(self._sparse(self._normal(dims, deviation)) / _weight_scale(deviation))
            whole = np.clip(scaled, -MOST_INT8_WEIGHT, MOST_INT8_WEIGHT).astype(np.int8)
            stored = self._constant(whole)
        scale = self._constant(np.array(_weight_scale(deviation), np.float32))
        return self._node("DequantizeLinear", [stored, scale, self._constant(np.array(0, np.int8))])

    def _real_weight(self, dims: list[int], deviation: float) -> str:
        if self.declare:
            return self._declared(dims, _ONNX[self.build.datatype])
        values = self._sparse(self._normal(dims, deviation))
        return self._constant(values.astype(_NUMPY[self.build.datatype]))

    def _bias(self, values: Real, scale: float | None) -> str:
        if scale is None:
            return self._constant(values.astype(_NUMPY[self.build.datatype]))
        stored = self._constant(np.rint(values / scale).astype(np.int32))
        return self._node("DequantizeLinear", [stored, self._constant(np.array(scale, np.float32))])

    def _vector(self, size: int, *, positive: bool) -> str:
        """A small constant of a normalisation; variances and scales are from 0.5 to 1.5."""
        values = self.generator.random(size, np.float32) + (0.5 if positive else -0.5)
        return self._constant(values.astype(_NUMPY[self.build.datatype]))

    def _normal(self, dims: Sequence[int], deviation: float) -> Real:
        values: Real = self.generator.standard_normal(tuple(dims), np.float32)
        return values * np.float32(deviation)

    def _sparse(self, values: Real) -> Real:
        """Weights with zeros at random places, or with two zeros in each four neighbours."""
        sparsity = self.build.sparsity
        if sparsity == 0:
            return values
        flat = values.reshape(-1)
        places = self.generator.random(flat.size, np.float32)
        if isinstance(sparsity, int):
            flat = np.where(places < sparsity / 100, np.float32(0), flat)
        else:
            whole = flat.size // 4 * 4
            ranks = places[:whole].reshape(-1, 4).argsort(axis=1).argsort(axis=1)
            flat = np.concatenate(
                [np.where(ranks.reshape(-1) < 2, np.float32(0), flat[:whole]), flat[whole:]]
            )
        return flat.reshape(values.shape)

    def _real(self, tensor: PartTensor) -> str:
        """The name of the tensor in real numbers, dequantised first if it is an integer."""
        if not self.integer:
            return tensor.name
        scale = self._constant(np.array(tensor.scale, np.float32))
        zero = self._constant(np.array(tensor.zero_point, np.uint8))
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
            return PartTensor(name, shape, power, positive=positive)
        reach = DEVIATIONS * math.sqrt(power)
        scale, zero = (reach / _STEPS, 0) if positive else (2 * reach / _STEPS, _MIDDLE)
        return self._rounded(name, shape, power, positive, scale, zero)

    def _kept(
        self, name: str, shape: Shape, source: PartTensor, *, positive: bool | None = None
    ) -> PartTensor:
        """A result in the range of its source."""
        kept = source.positive if positive is None else positive
        if not self.integer:
            return PartTensor(name, shape, source.power, positive=kept)
        return self._rounded(name, shape, source.power, kept, source.scale, source.zero_point)

    def _rounded(
        self, name: str, shape: Shape, power: float, positive: bool, scale: float, zero_point: int
    ) -> PartTensor:
        step = self._constant(np.array(scale, np.float32))
        zero = self._constant(np.array(zero_point, np.uint8))
        rounded = self._node("QuantizeLinear", [name, step, zero])
        return PartTensor(rounded, shape, power, positive, float(np.float32(scale)), zero_point)

    def _activated(self, name: str, activation: str) -> str:
        if activation == "relu6":
            limits = [self._constant(np.array(limit, _NUMPY[self.build.datatype])) for limit in (0, 6)]
            return self._node("Clip", [name, *limits])
        if activation == "silu":
            return self._node("Mul", [name, self._node("Sigmoid", [name])])
        return self._node(_FUNCTIONS[activation], [name])

    def _constant(self, values: NDArray[np.generic]) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _declared(self, dims: Sequence[int], kind: int) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(TensorProto(name=name, dims=dims, data_type=kind))
        return name

    def _node(self, operator: str, inputs: Sequence[str], **attributes: int | list[int]) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        node = helper.make_node(operator, list(inputs), [f"{name}_out"], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return f"{name}_out"


def _weight_scale(deviation: float) -> float:
    return float(np.float32(DEVIATIONS * deviation / MOST_INT8_WEIGHT))
