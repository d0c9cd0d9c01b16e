"""Counts the requirements of a model file or graph."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import onnx

from qutiperf.errors import InputError, RunError
from qutiperf.level0.graph import Graph, Shapes, read_graph, read_model
from qutiperf.level0.operators import Node, movement, rule_of
from qutiperf.level0.requirements import LayerRequirement, Requirements
from qutiperf.level0.running import Ran, has_branches, run_once
from qutiperf.models.damage import reading
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import shortened


def requirements_of_file(
    path: Path, input_shapes: Shapes | None = None, constants: Mapping[str, float] | None = None
) -> Requirements:
    """Requirements of an ONNX file, or of a TFLite file with LiteRT; raises InputError or SetupError.

    `constants` are values of inputs that decide which branch is taken.
    """
    if (problem := unreadable(path)) is not None:
        raise InputError(problem, where=shortened(str(path)), cure="give an .onnx or .tflite file")
    with reading(path):
        if path.suffix == ".tflite":
            from qutiperf.level0.tflite import requirements_of_tflite

            return requirements_of_tflite(path, input_shapes)
        return _requirements_of_onnx(path, input_shapes, constants or {})


def _requirements_of_onnx(
    path: Path, input_shapes: Shapes | None, constants: Mapping[str, float]
) -> Requirements:
    """By inference alone where that does; else the model runs once, and what is left counts as unknown."""
    model, refusal = read_model(path), None
    if not has_branches(model.graph):
        try:
            return requirements_of_model(model, path.name, input_shapes)
        except UnknownShapeError as error:
            refusal = error
    try:
        ran = run_once(path, input_shapes or {}, constants)
    except RunError as error:
        if refusal is not None:
            raise refusal from None
        problem = f"the branches that it takes are not known, as a run of it failed: {error.what}"
        cure = "give the values of its inputs with --constant"
        raise InputError(problem, where=path.name, cure=cure) from None
    return _counted(read_graph(ran.model, path.name, input_shapes, ran.observed), ran)


def requirements_of_model(
    model: onnx.ModelProto, name: str, input_shapes: Shapes | None = None
) -> Requirements:
    """Counts every node; raises InputError if a shape that counting needs stays unknown."""
    return _counted(read_graph(model, name, input_shapes), None)


def _counted(graph: Graph, ran: Ran | None) -> Requirements:
    """Of a model that `ran` bodies are beside their nodes.

    Shapes that stay unknown raise UnknownShapeError, or make the operator unknown after a run.
    """
    times, expanded = (ran.times, ran.expanded) if ran is not None else ({}, set())
    unknown: Counter[str] = Counter()
    layers = []
    for proto in graph.nodes:
        try:
            layer = movement(Node(proto, graph)) if set(proto.output) & expanded else _layer(proto, graph)
        except UnknownShapeError:
            if ran is None:
                raise
            layer = None
        if layer is None:
            unknown[_full_name(proto)] += 1
        elif not _folded(proto, graph):
            layers.append(layer.repeated(times.get(proto.output[0], 1) if proto.output else 1))
    return Requirements(graph.name, graph.batch, tuple(layers), dict(unknown), len(graph.nodes))


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


def _unknown_shape(proto: onnx.NodeProto, graph: Graph) -> "UnknownShapeError":
    """Names the first node before `proto`, or itself, that ends the inference of shapes."""
    before = graph.nodes[: graph.nodes.index(proto) + 1]
    unknown = (node for node in before if any(name not in graph.shapes for name in node.output if name))
    source = next(unknown, proto)
    output = next((name for name in source.output if name not in graph.shapes), "")
    problem = f"ONNX cannot infer the shape of '{output}', the output of {_full_name(source)}"
    cure = "giving input shapes does not help: add the shape of this tensor to the file's value_info"
    return UnknownShapeError(problem, where=graph.name, cure=cure)


class UnknownShapeError(InputError):
    """A shape that counting needs and inference does not find."""
