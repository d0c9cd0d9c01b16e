"""Networks of fp32 in fewer bits: in fp16, or with int4 weights under fp32 activations."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from qutiperf.models.digits.export_onnx import IR_VERSION, OPSET
from qutiperf.models.digits.quantise import int4_tensor

_WEIGHTED = ("Conv", "Gemm")  # their second input is the weight, outputs first


def in_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights, biases and activations in fp16; the input and the output stay fp32, with a Cast each.

    A runtime without fp16 operators casts each layer back to fp32.
    """
    graph = model.graph
    for tensor in graph.initializer:
        halved = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(halved, tensor.name))
    source, result = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        node.input[:] = [f"{name}.fp16" if name == source else name for name in node.input]
        node.output[:] = [f"{name}.fp16" if name == result else name for name in node.output]
    graph.node.insert(0, helper.make_node("Cast", [source], [f"{source}.fp16"], to=TensorProto.FLOAT16))
    graph.node.append(helper.make_node("Cast", [f"{result}.fp16"], [result], to=TensorProto.FLOAT))
    return model


def with_int4_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights as int4 with a scale for each output, which the runtime dequantises in each inference.

    Of convolutions and dense layers; biases and activations stay fp32.
    """
    graph = model.graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type in _WEIGHTED:
            name = node.input[1]
            nodes.append(_as_int4(graph, values[name]))
            node.input[1] = nodes[-1].output[0]
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    model.ir_version = IR_VERSION
    model.opset_import[0].version = OPSET
    return model


def _as_int4(graph: onnx.GraphProto, tensor: onnx.TensorProto) -> onnx.NodeProto:
    """Replaces the tensor in place, and returns the node that makes fp32 of it."""
    stored, scale = int4_tensor(tensor.name, numpy_helper.to_array(tensor))
    tensor.CopyFrom(stored)
    graph.initializer.append(numpy_helper.from_array(scale, f"{tensor.name}.scale"))
    inputs = [tensor.name, f"{tensor.name}.scale"]
    return helper.make_node(
        "DequantizeLinear", inputs, [f"{tensor.name}.fp32"], name=f"{tensor.name}.dequantise", axis=0
    )
