"""ONNX graphs of trained networks: `image` float32 [batch, 1, 8, 8] in, `scores` float32 [batch, 10] out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from qutiperf.models.digits.topology import CLASSES, SIDE_PIXELS
from qutiperf.models.digits.train import TrainedLayer

OPSET = 21  # the first with int4, and the newest that onnxruntime 1.20 knows

IR_VERSION = 10  # of the onnx release that brought opset 21

DOMAINS = {"MatMulNBits": "com.microsoft"}  # all other operators are ONNX's own

Attribute = int | list[int]


@dataclass(slots=True)
class GraphParts:
    """A graph that grows at its end: nodes in order, initialisers, and the name of the last tensor."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initialisers: list[onnx.TensorProto] = field(default_factory=list)
    last: str = "image"

    def constant(self, name: str, array: NDArray[np.float32] | NDArray[np.uint8]) -> str:
        """Adds an initialiser and returns its name."""
        return self.initialiser(numpy_helper.from_array(np.ascontiguousarray(array), name))

    def initialiser(self, tensor: onnx.TensorProto) -> str:
        """Adds an initialiser and returns its name."""
        self.initialisers.append(tensor)
        return str(tensor.name)

    def node(self, operator: str, name: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        """Adds a node whose one output is named after it, and returns that name."""
        node = helper.make_node(operator, inputs, [name], name, domain=DOMAINS.get(operator))
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name

    def append(self, operator: str, name: str, *constants: str, **attributes: Attribute) -> None:
        """Adds a node that takes the last tensor and becomes the last."""
        self.last = self.node(operator, name, [self.last, *constants], **attributes)


Weighted = Callable[[GraphParts, str, TrainedLayer], None]
"""Appends the convolution or matrix product of one layer, named by the prefix, with its bias."""


def build_model(label: str, layers: Sequence[TrainedLayer], weighted: Weighted) -> onnx.ModelProto:
    """The checked graph; `weighted` decides how weights are stored and multiplied."""
    parts = GraphParts()
    for index, trained in enumerate(layers):
        _append_layer(parts, f"layer{index}", trained, weighted)
    parts.nodes[-1].output[0] = "scores"
    return _checked_model(label, parts)


def float_weights(parts: GraphParts, prefix: str, trained: TrainedLayer) -> None:
    """Weights as they were trained: Conv, or Gemm with one row of weights per output."""
    weight = parts.constant(f"{prefix}/weight", trained.weight)
    bias = parts.constant(f"{prefix}/bias", trained.bias)
    if trained.layer.kind == "conv":
        parts.append("Conv", f"{prefix}/conv", weight, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    else:
        parts.append("Gemm", f"{prefix}/gemm", weight, bias, transB=1)


def _append_layer(parts: GraphParts, prefix: str, trained: TrainedLayer, weighted: Weighted) -> None:
    if trained.layer.kind == "dense" and not any(node.op_type == "Flatten" for node in parts.nodes):
        parts.append("Flatten", "flatten")
    weighted(parts, prefix, trained)
    if trained.layer.relu:
        parts.append("Relu", f"{prefix}/relu")
    if trained.layer.pool:
        parts.append("MaxPool", f"{prefix}/pool", kernel_shape=[2, 2], strides=[2, 2])


def _checked_model(label: str, parts: GraphParts) -> onnx.ModelProto:
    """Raises onnx.checker.ValidationError if the graph is not valid ONNX."""
    single = onnx.TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", single, ["batch", 1, SIDE_PIXELS, SIDE_PIXELS])
    scores = helper.make_tensor_value_info("scores", single, ["batch", CLASSES])
    graph = helper.make_graph(parts.nodes, label, [image], [scores], parts.initialisers)
    domains = sorted({node.domain for node in parts.nodes} | {""})
    opsets = [helper.make_opsetid(domain, 1 if domain else OPSET) for domain in domains]
    model = helper.make_model(graph, producer_name="qutiperf", opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model
