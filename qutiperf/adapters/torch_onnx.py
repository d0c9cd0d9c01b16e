"""Turns an ONNX graph into a torch module; supports only the operators of qutiperf's own networks.

This is not a general converter: an operator that is not in `_OPERATORS` is an error. The semantics are those
of https://onnx.ai/onnx/operators/ at opset 17, for real tensors in NCHW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from qutiperf.errors import InputError

Attributes = dict[str, Any]
Tensors = list[torch.Tensor]


def module_of_onnx(path: str) -> torch.nn.Module:
    """Raises InputError for other operators or attributes, or several inputs or outputs."""
    import onnx

    graph = onnx.load(path).graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor).copy() for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in weights]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InputError("only models with one input and one output are translated", where=path)
    for node in graph.node:
        if node.op_type not in _OPERATORS:
            cure = f"export the model with torch.export; translated operators: {', '.join(_OPERATORS)}"
            raise InputError(f"operator {node.op_type} is not translated", where=path, cure=cure)
    attributes = [{a.name: onnx.helper.get_attribute_value(a) for a in node.attribute} for node in graph.node]
    for node_attributes in attributes:
        if node_attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or any(
            size != 1 for size in node_attributes.get("dilations", [])
        ):
            raise InputError("auto_pad and dilations are not translated", where=path)
    return _Graph(graph, weights, attributes, inputs[0]).eval()


class _Graph(torch.nn.Module):
    """Runs the nodes in the graph's order; the initialisers are its parameters."""

    def __init__(self, graph: Any, weights: dict[str, Any], attributes: list[Attributes], given: str) -> None:
        super().__init__()
        self._given, self._answer = given, graph.output[0].name
        self._numbers = {name: f"weight_{number}" for number, name in enumerate(weights)}
        for name, array in weights.items():
            tensor = torch.from_numpy(array)
            self.register_buffer(self._numbers[name], tensor)
        self._nodes = [
            (_OPERATORS[node.op_type], list(node.input), node.output[0], node_attributes)
            for node, node_attributes in zip(graph.node, attributes)  # noqa: B905 - Python 3.9; one per node
        ]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        values = {name: getattr(self, attribute) for name, attribute in self._numbers.items()}
        values[self._given] = image
        for operator, names, result, attributes in self._nodes:
            values[result] = operator([values[name] for name in names if name], attributes)
        answer: torch.Tensor = values[self._answer]
        return answer


def _conv(tensors: Tensors, attributes: Attributes) -> torch.Tensor:
    padded = _padded(tensors[0], attributes, 0.0)
    bias = tensors[2] if len(tensors) > 2 else None
    strides, groups = tuple(attributes.get("strides", (1, 1))), attributes.get("group", 1)
    return functional.conv2d(padded, tensors[1], bias, strides, groups=groups)


def _max_pool(tensors: Tensors, attributes: Attributes) -> torch.Tensor:
    padded = _padded(tensors[0], attributes, float("-inf"))
    kernel, strides = tuple(attributes["kernel_shape"]), tuple(attributes.get("strides", (1, 1)))
    ceil = bool(attributes.get("ceil_mode", 0))
    pooled: torch.Tensor = functional.max_pool2d(padded, kernel, strides, ceil_mode=ceil)
    return pooled


def _padded(tensor: torch.Tensor, attributes: Attributes, value: float) -> torch.Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if not any((top, left, bottom, right)):
        return tensor
    return functional.pad(tensor, (left, right, top, bottom), value=value)


def _gemm(tensors: Tensors, attributes: Attributes) -> torch.Tensor:
    left = tensors[0].T if attributes.get("transA", 0) else tensors[0]
    right = tensors[1].T if attributes.get("transB", 0) else tensors[1]
    product = attributes.get("alpha", 1.0) * (left @ right)
    return product if len(tensors) < 3 else product + attributes.get("beta", 1.0) * tensors[2]


def _global_average_pool(tensors: Tensors, attributes: Attributes) -> torch.Tensor:
    return tensors[0].mean(dim=(2, 3), keepdim=True)


_OPERATORS: dict[str, Callable[[Tensors, Attributes], torch.Tensor]] = {
    "Add": lambda tensors, _: tensors[0] + tensors[1],
    "Concat": lambda tensors, attributes: torch.cat(tensors, dim=attributes["axis"]),
    "Conv": _conv,
    "Flatten": lambda tensors, attributes: tensors[0].flatten(attributes.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "MaxPool": _max_pool,
    "Relu": lambda tensors, _: tensors[0].relu(),
}
