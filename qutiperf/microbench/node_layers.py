"""The layer that a node of an ONNX graph is, as the data of a layer's kind."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
from pydantic import JsonValue

from qutiperf.level0.graph import Shape
from qutiperf.spec.build import DatatypeName

ACTIVATIONS: Mapping[str, str] = {
    **{"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hard_swish", "Gelu": "gelu"},
    **{"Clip": "relu6", "FastGelu": "gelu"},
}
_NORMALISATIONS: Mapping[str, str] = {
    "BatchNormalization": "batch_normalisation",
    "LayerNormalization": "layer_normalisation",
    "SkipLayerNormalization": "layer_normalisation",
    "Softmax": "softmax",
}
FEW_BITS = "MatMulNBits"  # of ONNX Runtime, with weights of 2 to 8 bits
WEIGHTS_OF_BITS: Mapping[int | None, DatatypeName] = {4: "int4", 2: "int2"}
Data = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ShapedNode:
    """A node with the shapes of its inputs and its output, and which inputs are constants."""

    proto: onnx.NodeProto
    shapes: list[Shape]
    output: Shape
    constants: list[bool]

    def integer(self, name: str, default: int = 0) -> int:
        return next((int(each.i) for each in self.proto.attribute if each.name == name), default)

    def integers(self, name: str, default: list[int]) -> list[int]:
        return next((list(each.ints) for each in self.proto.attribute if each.name == name), default)

    def padding(self, kernel: list[int], stride: list[int]) -> list[int] | None:
        """None for SAME, which a layer has by default."""
        texts = [each.s.decode() for each in self.proto.attribute if each.name == "auto_pad"]
        if texts and texts[0].startswith("SAME"):
            return None
        return self.integers("pads", [0, 0, 0, 0])


def _convolution(node: ShapedNode) -> Data | None:
    weight = node.shapes[1]
    if len(node.output) != 4 or any(each != 1 for each in node.integers("dilations", [1, 1])):
        return None
    kernel, stride = list(weight[2:]), node.integers("strides", [1, 1])
    padding = node.padding(kernel, stride)
    data: Data = {
        "kind": "convolution",
        "in_channels": node.shapes[0][1],
        "out_channels": weight[0],
        "size": _listed(node.shapes[0][2:]),
        "kernel": _listed(kernel),
        "stride": _listed(stride),
        "padding": None if padding is None else _listed(padding),
        "groups": node.integer("group", 1),
        "bias": len(node.shapes) > 2,
    }
    return data


def _dense(node: ShapedNode) -> Data | None:
    source, weight = node.shapes[0], node.shapes[1]
    if not (len(node.constants) > 1 and node.constants[1]):
        return _product(node)
    transposed = node.proto.op_type == "Gemm" and bool(node.integer("transB"))
    inputs, outputs = (weight[-1], weight[-2]) if transposed else (weight[-2], weight[-1])
    rows = math.prod(source[1:-1]) if len(source) > 2 else None
    return {"kind": "dense", "inputs": inputs, "outputs": outputs, "rows": rows, "bias": len(node.shapes) > 2}


def _few_bits(node: ShapedNode) -> Data | None:
    """Of 4 or 2 bits, which are built with blocks of 32 inputs, whatever the node's own are."""
    if node.integer("bits") not in WEIGHTS_OF_BITS:
        return None
    source = node.shapes[0]
    rows = math.prod(source[1:-1]) if len(source) > 2 else None
    sizes: Data = {"inputs": node.integer("K"), "outputs": node.integer("N"), "rows": rows}
    return {"kind": "dense", **sizes, "bias": len(node.proto.input) > 5}


def _product(node: ShapedNode) -> Data | None:
    left, right = node.shapes[0], node.shapes[1]
    if len(left) < 3 or len(right) < 3:
        return None
    heads = math.prod(node.output[1:-2])
    return {"kind": "product", "heads": heads, "rows": left[-2], "inner": left[-1], "columns": right[-1]}


def _attention(node: ShapedNode) -> Data | None:
    """ONNX's own operator on Q, K and V of one size, [batch, heads, rows, inner], without a mask."""
    shapes = node.shapes
    if node.proto.domain or len(shapes) != 3 or len(shapes[0]) != 4 or len(set(shapes)) != 1:
        return None
    heads, rows, inner = shapes[0][1:]
    sizes: Data = {"rows": rows, "width": heads * inner, "heads": heads}
    return {"kind": "attention", **sizes, "projections": False}


def _pool(node: ShapedNode) -> Data | None:
    if len(node.shapes[0]) != 4:
        return None
    operator = {"MaxPool": "max", "AveragePool": "average"}.get(node.proto.op_type, "global_average")
    data: Data = {
        "kind": "pool",
        "operator": operator,
        "channels": node.shapes[0][1],
        "size": _listed(node.shapes[0][2:]),
    }
    if operator == "global_average":
        return data
    kernel = node.integers("kernel_shape", [1, 1])
    stride = node.integers("strides", [1, 1])
    padding = node.padding(kernel, stride) or [0, 0, 0, 0]
    window: Data = {"kernel": _listed(kernel), "stride": _listed(stride), "padding": _listed(padding)}
    return {**data, **window, "ceil": bool(node.integer("ceil_mode"))}


def _elementwise(node: ShapedNode) -> Data | None:
    """Of two computed tensors of one shape; a constant operand is a bias or a scale."""
    if any(node.constants) or len(node.shapes) != 2 or node.shapes[0] != node.shapes[1]:
        return None
    operator = "add" if node.proto.op_type == "Add" else "multiply"
    return {"kind": "elementwise", "operator": operator, "shape": _inner(node.output)}


def _function(node: ShapedNode) -> Data | None:
    operator = ACTIVATIONS.get(node.proto.op_type) or _NORMALISATIONS[node.proto.op_type]
    return {"kind": "function", "operator": operator, "shape": _inner(node.output)}


def _recurrent(node: ShapedNode) -> Data | None:
    """One direction with the steps first, as ONNX has them by default."""
    if len(node.shapes[0]) != 3 or node.shapes[1][0] != 1 or node.integer("layout"):
        return None
    steps, _, inputs = node.shapes[0]
    hidden = node.shapes[2][-1]
    operator = node.proto.op_type.lower()
    return {"kind": "recurrent", "operator": operator, "inputs": inputs, "hidden": hidden, "steps": steps}


def _inner(shape: Shape) -> JsonValue:
    """Without the batch, and with at least one dimension."""
    return _listed(shape[1:] or (1,))


def _listed(values: Sequence[int]) -> JsonValue:
    return [int(value) for value in values]


LAYERS_OF_NODES = {
    **dict.fromkeys(("Conv",), _convolution),
    **dict.fromkeys(("Gemm", "MatMul"), _dense),
    FEW_BITS: _few_bits,
    **dict.fromkeys(("Attention",), _attention),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool"), _pool),
    **dict.fromkeys(("LSTM", "GRU"), _recurrent),
    **dict.fromkeys(("Add", "Mul"), _elementwise),
    **dict.fromkeys((*ACTIVATIONS, *_NORMALISATIONS), _function),
}
