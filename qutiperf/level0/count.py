"""Counts the requirements of a model file or graph."""

from collections import Counter
from pathlib import Path

import onnx

from qutiperf.errors import InputError
from qutiperf.level0.graph import Graph, Shapes, read_graph, read_model
from qutiperf.level0.operators import Node, movement, rule_of
from qutiperf.level0.requirements import LayerRequirement, Requirements
from qutiperf.models.damage import reading
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import shortened


def requirements_of_file(path: Path, input_shapes: Shapes | None = None) -> Requirements:
    """Requirements of an ONNX file, or of a TFLite file with LiteRT; raises InputError or SetupError."""
    if (problem := unreadable(path)) is not None:
        raise InputError(problem, where=shortened(str(path)), cure="give an .onnx or .tflite file")
    with reading(path):
        if path.suffix == ".tflite":
            from qutiperf.level0.tflite import requirements_of_tflite

            return requirements_of_tflite(path, input_shapes)
        return requirements_of_model(read_model(path), path.name, input_shapes)


def requirements_of_model(
    model: onnx.ModelProto, name: str, input_shapes: Shapes | None = None
) -> Requirements:
    """Counts every node; raises InputError if a shape that counting needs stays unknown."""
    graph = read_graph(model, name, input_shapes)
    unknown: Counter[str] = Counter()
    layers = []
    for proto in graph.nodes:
        layer = _layer(proto, graph)
        if layer is None:
            unknown[_full_name(proto)] += 1
        elif not _folded(proto, graph):
            layers.append(layer)
    return Requirements(name, graph.batch, tuple(layers), dict(unknown), len(graph.nodes))


def _full_name(proto: onnx.NodeProto) -> str:
    return f"{proto.domain}.{proto.op_type}" if proto.domain not in {"", "ai.onnx"} else proto.op_type


def _folded(proto: onnx.NodeProto, graph: Graph) -> bool:
    """True for nodes whose outputs are constant: they are computed once, not per input."""
    return bool(proto.output) and proto.output[0] in graph.constants


def _layer(proto: onnx.NodeProto, graph: Graph) -> LayerRequirement | None:
    """The counted node, None for an unknown operator; raises InputError for unknown shapes."""
    rule, node = rule_of(proto), Node(proto, graph)
    if rule is None:
        return None
    if rule is movement or _folded(proto, graph):
        return movement(node)
    if any(name not in graph.shapes for name in (proto.input[0], proto.output[0])):
        raise _unknown_shape(proto, graph)
    try:
        return rule(node)
    except (IndexError, ValueError) as error:
        problem = f"node '{node.name}' ({_full_name(proto)}) has unsupported shapes: {error}"
        raise InputError(problem, where=graph.name) from None


def _unknown_shape(proto: onnx.NodeProto, graph: Graph) -> InputError:
    """Names the first node before `proto`, or itself, that ends the inference of shapes."""
    before = graph.nodes[: graph.nodes.index(proto) + 1]
    unknown = (node for node in before if any(name not in graph.shapes for name in node.output if name))
    source = next(unknown, proto)
    output = next((name for name in source.output if name not in graph.shapes), "")
    problem = f"ONNX cannot infer the shape of '{output}', the output of {_full_name(source)}"
    cure = "giving input shapes does not help: add the shape of this tensor to the file's value_info"
    return InputError(problem, where=graph.name, cure=cure)
