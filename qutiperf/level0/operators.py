"""Counting rules of ONNX operators: a function for each way of counting, and a table of operators.

Conventions: a multiply-accumulate is 2 ops; operators that only move data count nothing; elementwise
operators count 1 op per output, normalisation and softmax NORMALISATION_OPS per element (subtract,
square or exponential, accumulate, scale, shift). Operators outside the table are reported as unknown.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import onnx

from qutiperf.level0.graph import Graph, Shape
from qutiperf.level0.requirements import LayerKind, LayerRequirement

NORMALISATION_OPS = 5
QUANTISE_OPS = 2
OPS_PER_MAC = 2


@dataclass(frozen=True, slots=True)
class Node:
    """A node with the shapes of its tensors; `()` stands for an absent or unknown one."""

    proto: onnx.NodeProto
    graph: Graph

    @property
    def name(self) -> str:
        return self.proto.name or (self.proto.output[0] if self.proto.output else self.proto.op_type)

    def input(self, index: int) -> Shape:
        """Shape of an input; () if there is none."""
        return self.graph.shapes.get(self._input_name(index), ())

    @property
    def output(self) -> Shape:
        return self.graph.shapes.get(self.proto.output[0], ())

    def constant(self, index: int) -> bool:
        return self._input_name(index) in self.graph.constants

    def bits(self, index: int) -> int | None:
        """Bits of an input as stored: those of the integers that a constant was dequantised from."""
        name = self._input_name(index)
        constant = self.graph.constants.get(name)
        return constant.bits if constant else self.graph.bits.get(name)

    def integer(self, name: str, default: int) -> int:
        return next((int(a.i) for a in self.proto.attribute if a.name == name), default)

    def integers(self, name: str) -> list[int]:
        return next((list(a.ints) for a in self.proto.attribute if a.name == name), [])

    def text(self, name: str) -> str:
        return next((a.s.decode() for a in self.proto.attribute if a.name == name), "")

    def _input_name(self, index: int) -> str:
        return self.proto.input[index] if index < len(self.proto.input) else ""


Rule = Callable[[Node], LayerRequirement]


def describe(node: Node, kind: LayerKind = "other") -> LayerRequirement:
    """The part without a rule: name, sizes of inputs and outputs, bits, constants other than weights."""
    graph, names = node.graph, [name for name in node.proto.input if name]
    inputs = [name for name in names if name not in graph.constants]
    constants = [graph.constants[name] for name in names[1:] if name in graph.constants]
    first = node.proto.output[0] if node.proto.output else ""
    return LayerRequirement(
        name=node.name,
        operator=node.proto.op_type,
        kind=kind,
        input_activations=sum(math.prod(graph.shapes.get(name, (0,))) for name in inputs),
        activations=math.prod(graph.shapes.get(first, (0,))),
        activation_bits=graph.bits.get(first),
        other_parameters=sum(constant.elements for constant in constants),
    )


def movement(node: Node) -> LayerRequirement:
    """Moves data: no arithmetic; constants are shapes and indices."""
    return replace(describe(node), other_parameters=0)


def lookup(node: Node) -> LayerRequirement:
    """Takes rows of a table (an embedding): no arithmetic, the table is a parameter if it is constant."""
    table = math.prod(node.input(0)) if node.constant(0) else 0
    return replace(describe(node), other_parameters=table)


def with_weights(layer: LayerRequirement, node: Node, index: int) -> LayerRequirement:
    """The layer with its constant operand as weights; none if both are computed, as in attention."""
    operand = index if node.constant(index) else 0 if node.constant(0) else None
    if operand is None:
        return layer
    elements = math.prod(node.input(operand))
    others = layer.other_parameters - (elements if operand else 0)
    return replace(layer, weights=elements, weight_bits=node.bits(operand), other_parameters=others)


def convolution(node: Node, weight: int = 1) -> LayerRequirement:
    """ops = 2 x outputs x in_ch/groups x kernel; weights are [out_ch, in_ch/groups, kernel...]."""
    shape, out = node.input(weight), node.output
    groups = node.integer("group", 1)
    layer = describe(node, "depthwise" if groups > 1 and shape[1] == 1 else "convolution")
    layer = replace(
        layer,
        ops=OPS_PER_MAC * math.prod(out) * math.prod(shape[1:]),
        in_channels=shape[1],
        out_channels=shape[0],
        groups=groups,
        kernel=math.prod(shape[2:]),
        positions=math.prod(out[2:]),
    )
    return with_weights(layer, node, weight)


def quantised_convolution(node: Node) -> LayerRequirement:
    return convolution(node, weight=3)


def transposed_convolution(node: Node) -> LayerRequirement:
    """Each input meets out_ch/groups x kernel weights, which are [in_ch, out_ch/groups, ...]."""
    source, shape = node.input(0), node.input(1)
    groups = node.integer("group", 1)
    layer = replace(
        describe(node, "convolution"),
        ops=OPS_PER_MAC * math.prod(source) * math.prod(shape[1:]),
        in_channels=shape[0] // groups,
        out_channels=shape[1] * groups,
        groups=groups,
        kernel=math.prod(shape[2:]),
        positions=math.prod(source[2:]),
    )
    return with_weights(layer, node, 1)


def gemm(node: Node) -> LayerRequirement:
    return _product(node, 1, node.input(0)[0 if node.integer("transA", 0) else 1])


def matrix_product(node: Node) -> LayerRequirement:
    return _product(node, 1, node.input(0)[-1])


def quantised_matrix_product(node: Node) -> LayerRequirement:
    return _product(node, 3, node.input(0)[-1])


def packed_matrix_product(node: Node) -> LayerRequirement:
    """com.microsoft MatMulNBits: K x N weights packed into blocks of `bits`-bit integers."""
    inner, outputs, bits = node.integer("K", 0), node.integer("N", 0), node.integer("bits", 4)
    return replace(_product(node, 1, inner), weights=inner * outputs, weight_bits=bits)


def _product(node: Node, right: int, inner: int) -> LayerRequirement:
    """ops = 2 x outputs x inner dimension; the dimensions between first and last are positions."""
    out = node.output
    layer = replace(
        describe(node, "dense"),
        ops=OPS_PER_MAC * math.prod(out) * inner,
        in_channels=inner,
        out_channels=out[-1] if out else 1,
        positions=math.prod(out[1:-1]) if len(out) > 2 else 1,
    )
    return with_weights(layer, node, right)


def einsum(node: Node) -> LayerRequirement:
    """ops = 2 x the product of all index sizes (a product of two operands)."""
    terms = node.text("equation").replace(" ", "").split("->")[0].split(",")
    sizes = {
        sign: size for i, term in enumerate(terms) for sign, size in zip(term, node.input(i), strict=False)
    }
    layer = replace(describe(node, "dense"), ops=OPS_PER_MAC * math.prod(sizes.values()), positions=1)
    return with_weights(layer, node, 1)


def recurrent(node: Node) -> LayerRequirement:
    """LSTM, GRU, RNN: each step multiplies gates x hidden by (input + hidden) and passes on the state.

    Inputs are [steps, batch, features], W [directions, gates x hidden, features], R [..., hidden].
    """
    steps, batch, features = node.input(0)
    directions, rows, hidden = node.input(2)
    held = 2 if node.proto.op_type == "LSTM" else 1
    layer = replace(
        describe(node, "recurrent"),
        ops=OPS_PER_MAC * steps * batch * directions * rows * (features + hidden),
        state=held * directions * batch * hidden,
        in_channels=features + hidden,
        out_channels=rows,
        positions=steps * directions,
    )
    second = with_weights(layer, node, 2)
    return replace(with_weights(second, node, 1), weights=directions * rows * (features + hidden))


def fused_attention(node: Node) -> LayerRequirement:
    """ONNX Attention, MultiHeadAttention, GroupQueryAttention: queries x keys, then scores x values.

    Queries are [batch, steps, width] or [batch, heads, steps, width per head]; the state is keys and values.
    """
    query, key = node.input(0), node.input(1) or node.input(0)
    width = query[-1] if len(query) == 3 else query[1] * query[3]
    steps, keys = query[-2], key[-2]
    return replace(
        describe(node, "attention"),
        ops=2 * OPS_PER_MAC * query[0] * steps * keys * width,
        other_ops=NORMALISATION_OPS * query[0] * steps * keys,
        state=math.prod(key) + math.prod(node.input(2)),
        in_channels=width,
        out_channels=width,
        positions=steps,
    )


def packed_attention(node: Node) -> LayerRequirement:
    """com.microsoft Attention: the projection of queries, keys and values, then attention over them."""
    batch, steps, features = node.input(0)
    columns = node.input(1)[-1]
    width = columns // 3
    layer = replace(
        describe(node, "attention"),
        ops=OPS_PER_MAC * batch * steps * (features * columns + 2 * steps * width),
        other_ops=NORMALISATION_OPS * batch * steps * steps,
        state=2 * batch * steps * width,
        in_channels=features,
        out_channels=columns,
        positions=steps,
    )
    return with_weights(layer, node, 1)


def per_output(ops: float) -> Rule:
    """A rule that counts `ops` for every output element."""

    def rule(node: Node) -> LayerRequirement:
        return replace(describe(node), other_ops=ops * math.prod(node.output))

    return rule


def pooling(node: Node) -> LayerRequirement:
    """One op for every element of every window."""
    window = math.prod(node.integers("kernel_shape"))
    return replace(describe(node), other_ops=math.prod(node.output) * window)


def reduction(node: Node) -> LayerRequirement:
    """One op for every element read."""
    return replace(describe(node), other_ops=math.prod(node.input(0)))


def quantisation(node: Node) -> LayerRequirement:
    """Scale and round each element; nothing for constants, which are converted once."""
    constant = node.constant(0)
    ops = 0 if constant else QUANTISE_OPS * math.prod(node.output)
    return replace(describe(node), other_ops=ops)


def _table(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: Mapping[str, Rule] = {
    **_table(convolution, "Conv FusedConv ConvInteger NhwcConv DeformConv"),
    **_table(quantised_convolution, "QLinearConv"),
    **_table(transposed_convolution, "ConvTranspose"),
    **_table(gemm, "Gemm FusedGemm"),
    **_table(matrix_product, "MatMul MatMulInteger FusedMatMul MatMulIntegerToFloat DynamicQuantizeMatMul"),
    **_table(quantised_matrix_product, "QLinearMatMul"),
    **_table(packed_matrix_product, "MatMulNBits"),
    **_table(einsum, "Einsum"),
    **_table(recurrent, "LSTM GRU RNN"),
    **_table(fused_attention, "Attention MultiHeadAttention GroupQueryAttention"),
    **_table(pooling, "MaxPool AveragePool LpPool QLinearAveragePool"),
    **_table(
        reduction,
        "GlobalAveragePool GlobalMaxPool QLinearGlobalAveragePool ReduceMean ReduceSum ReduceMax "
        "ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp ReduceSumSquare ArgMax ArgMin "
        "CumSum TopK",
    ),
    **_table(
        per_output(NORMALISATION_OPS),
        "BatchNormalization LayerNormalization InstanceNormalization GroupNormalization "
        "RMSNormalization SimplifiedLayerNormalization SkipLayerNormalization "
        "SkipSimplifiedLayerNormalization LpNormalization LRN Softmax LogSoftmax QLinearSoftmax "
        "EmbedLayerNormalization",
    ),
    **_table(quantisation, "QuantizeLinear DequantizeLinear DynamicQuantizeLinear"),
    **_table(
        per_output(1),
        "Add Sub Mul Div Pow Sqrt Exp Log Neg Abs Reciprocal Floor Ceil Round Sign Mod Min Max "
        "Mean Sum Relu LeakyRelu PRelu Elu Selu Celu Gelu FastGelu BiasGelu QuickGelu Sigmoid "
        "HardSigmoid HardSwish Swish Mish Tanh Softplus Softsign ThresholdedRelu Clip Erf Sin Cos "
        "Tan Where Equal Greater GreaterOrEqual Less LessOrEqual And Or Not Xor QLinearAdd "
        "QLinearMul QLinearSigmoid QLinearLeakyRelu Resize Upsample Shrink IsNaN IsInf BitShift "
        "RotaryEmbedding",
    ),
    **_table(lookup, "Gather"),
    **_table(
        movement,
        "Reshape Flatten Transpose Concat QLinearConcat Split Slice Squeeze Unsqueeze Identity "
        "Shape Size GatherElements GatherND ScatterElements ScatterND Expand Tile Pad Cast "
        "CastLike Constant ConstantOfShape Range Dropout DepthToSpace SpaceToDepth EyeLike OneHot "
        "NonZero Trilu ReverseSequence SequenceConstruct SequenceEmpty SequenceInsert SequenceErase "
        "SequenceAt SequenceLength SplitToSequence ConcatFromSequence",
    ),
}
CONTRIB_RULES: Mapping[str, Rule] = {"Attention": packed_attention}


def rule_of(node: onnx.NodeProto) -> Rule | None:
    """The counting rule of a node; None if its operator has none."""
    if node.domain in {"", "ai.onnx"}:
        return RULES.get(node.op_type)
    return CONTRIB_RULES.get(node.op_type, RULES.get(node.op_type))
