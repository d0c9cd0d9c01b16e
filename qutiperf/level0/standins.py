"""Standard operators with the same output shape as contributed ones, for shape inference only.

ONNX infers shapes of its own operators; a graph of com.microsoft operators would lose every shape after the
first of them.
"""

from collections.abc import Mapping

import onnx
from onnx import helper

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
# operator: the standard operator, and which inputs it takes
_STAND_INS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    **dict.fromkeys(
        (
            *(
                "Gelu",
                "FastGelu",
                "BiasGelu",
                "QuickGelu",
                "RotaryEmbedding",
                "QLinearSigmoid",
                "QLinearLeakyRelu",
            ),
            *("QLinearSoftmax", "SkipLayerNormalization", "SimplifiedLayerNormalization"),
            *("SkipSimplifiedLayerNormalization", "MultiHeadAttention", "GroupQueryAttention"),
            *("QuantizeLinear", "DequantizeLinear"),
        ),
        ("Identity", (0,)),
    ),
    **dict.fromkeys(("FusedMatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), ("MatMul", (0, 1))),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), ("Add", (0, 3))),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "FusedConv": ("Conv", (0, 1)),
    "FusedGemm": ("Gemm", (0, 1)),
}
_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "Conv": frozenset({"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}),
    "AveragePool": frozenset(
        {"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"}
    ),
    "Gemm": frozenset({"transA", "transB"}),
}


def stand_in(node: onnx.NodeProto) -> tuple[onnx.NodeProto, list[onnx.ValueInfoProto]]:
    """The node for shape inference, and inputs that it needs declared; the node itself if it is standard."""
    if node.domain in STANDARD_DOMAINS:
        return node, []
    if node.op_type == "MatMulNBits":
        return _packed_product(node)
    operator, inputs = _STAND_INS.get(node.op_type, ("", ()))
    if not operator or max(inputs) >= len(node.input):
        return node, []
    replaced = helper.make_node(operator, [node.input[index] for index in inputs], [node.output[0]])
    kept = _ATTRIBUTES.get(operator, frozenset())
    replaced.attribute.extend(attribute for attribute in node.attribute if attribute.name in kept)
    return replaced, []


def _packed_product(node: onnx.NodeProto) -> tuple[onnx.NodeProto, list[onnx.ValueInfoProto]]:
    """MatMulNBits as a product with unpacked K x N weights."""
    sizes = {attribute.name: int(attribute.i) for attribute in node.attribute}
    if not {"K", "N"} <= sizes.keys() or not node.output or not node.input:
        return node, []
    unpacked = f"{node.output[0]}.unpacked"
    declared = helper.make_tensor_value_info(unpacked, onnx.TensorProto.FLOAT, [sizes["K"], sizes["N"]])
    return helper.make_node("MatMul", [node.input[0], unpacked], [node.output[0]]), [declared]
