"""A shipped TFLite file with something changed, as no converter here would write it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def edited(source: Path, target: Path, edit: Callable[[Any], None]) -> str:
    """Writes `source` with its ModelT changed by `edit`; gives the path of `target`."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes()))
    edit(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return str(target)


def edge_tpu_operator(model: Any) -> None:  # noqa: ANN401  # no types published
    """As edgetpu_compiler leaves it: a custom operator instead of a built-in one."""
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "edgetpu-custom-op"


def unknown_operator(model: Any) -> None:  # noqa: ANN401  # no types published
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = 9999, 127


def newer_version(model: Any) -> None:  # noqa: ANN401  # no types published
    for code in model.operatorCodes:
        code.version = 99


def newer_schema(model: Any) -> None:  # noqa: ANN401  # no types published
    model.version = 4


def second_input(model: Any) -> None:  # noqa: ANN401  # no types published
    graph = model.subgraphs[0]
    graph.inputs = [*graph.inputs, graph.operators[1].inputs[1]]
    model.signatureDefs = []


def second_signature(model: Any) -> None:  # noqa: ANN401  # no types published
    found = model.signatureDefs[0]
    other = schema.SignatureDefT()
    other.inputs, other.outputs, other.subgraphIndex = found.inputs, found.outputs, found.subgraphIndex
    other.signatureKey = "training"
    model.signatureDefs = [found, other]


def reshape_of_one_sample(model: Any) -> None:  # noqa: ANN401  # no types published
    """A hard-coded batch behind an input of any batch."""
    for operator in model.subgraphs[0].operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.RESHAPE:
            buffer = model.buffers[model.subgraphs[0].tensors[operator.inputs[1]].buffer]
            buffer.data = [1, 0, 0, 0, *buffer.data[4:]]


def fixed_batch(model: Any) -> None:  # noqa: ANN401  # no types published
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].shapeSignature = None
