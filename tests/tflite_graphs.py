"""Small TFLite files of one operator for any number of tensors, as no converter here would write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    name: getattr(schema.TensorType, name.upper())
    for name in (
        *("float16", "float32", "float64", "bool", "string", "bfloat16", "complex64", "int4"),
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    )
    if hasattr(schema.TensorType, name.upper())
}


def copies(path: Path, tensors: Sequence[tuple[str, str, Sequence[int]]]) -> Path:
    """`NAME_copy` = NAME for each (NAME, dtype, shape), by reshaping; a first size of -1 is open."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "copies"
    model.buffers = [schema.BufferT()]
    graph.tensors, graph.operators = [], []
    graph.inputs, graph.outputs = [], []
    for name, dtype, shape in tensors:
        source = _tensor(graph, name, TYPES[dtype], shape, 0)
        sizes = schema.BufferT()
        sizes.data = np.array(shape, np.int32).view(np.uint8).tolist()
        model.buffers.append(sizes)
        given = _tensor(graph, f"{name}_sizes", schema.TensorType.INT32, [len(shape)], len(model.buffers) - 1)
        result = _tensor(graph, f"{name}_copy", TYPES[dtype], shape, 0)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, [source, given], [result]
        graph.operators.append(operator)
        graph.inputs.append(source)
        graph.outputs.append(result)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _tensor(graph: Any, name: str, kind: int, shape: Sequence[int], buffer: int) -> int:  # noqa: ANN401  # no types published
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = name, kind, buffer
    tensor.shape = [max(size, 1) for size in shape]
    if any(size < 0 for size in shape):
        tensor.shapeSignature = list(shape)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
