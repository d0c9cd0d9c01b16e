"""Inputs and outputs of an ONNX file, read without its weights' data being used and without a runtime."""

from dataclasses import replace
from pathlib import Path

from qutiperf.element_type import STRING
from qutiperf.errors import InputError
from qutiperf.models.damage import name_of, reading
from qutiperf.models.tensors import FileTensor, ModelTensors
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import shortened


def read_onnx(path: Path) -> ModelTensors:
    """Without initialisers listed as inputs. Raises InputError if there is no such file or no ONNX model."""
    import onnx

    if (problem := unreadable(path)) is not None:
        raise InputError(problem, where=shortened(str(path)), cure="name an existing model file")
    with reading(path):
        model = onnx.load(str(path), load_external_data=False)
        if not model.graph.node:
            raise InputError("is not an ONNX model, or an empty one", where=str(path))
        weights = {initializer.name for initializer in model.graph.initializer}
        tables = _vocabularies(model.graph)
        return ModelTensors(
            inputs=[
                replace(_tensor(value, path), vocabulary=tables.get(value.name))
                for value in model.graph.input
                if value.name not in weights
            ],
            outputs=[_tensor(value, path) for value in model.graph.output],
        )


def _tensor(value: "onnx.ValueInfoProto", path: Path) -> FileTensor:  # type: ignore[name-defined]  # noqa: F821
    import onnx

    kind, name = value.type.tensor_type, name_of(value.name)
    try:
        dtype = "unknown"
        if kind.elem_type == onnx.TensorProto.STRING:
            dtype = STRING
        elif kind.elem_type:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    except KeyError:
        problem = f"'{name}' has the element type {kind.elem_type}, which ONNX does not define"
        raise InputError(problem, where=str(path), cure="export the model again") from None
    dimensions = tuple(_dimension(size) for size in kind.shape.dim)
    return FileTensor(name, dtype, dimensions, has_rank=kind.HasField("shape"))


_SAME_VALUES = {"Cast", "Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}


def _vocabularies(graph: "onnx.GraphProto") -> dict[str, int]:  # type: ignore[name-defined]  # noqa: F821
    """Rows of the smallest table that each input looks up with Gather, also after a reshape or cast."""
    rows = {initializer.name: initializer.dims[0] for initializer in graph.initializer if initializer.dims}
    origin = {value.name: value.name for value in graph.input}
    sizes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in _SAME_VALUES and node.input and node.input[0] in origin and node.output:
            origin[node.output[0]] = origin[node.input[0]]
        elif node.op_type == "Gather" and len(node.input) > 1 and _along_rows(node):
            source, table = origin.get(node.input[1]), rows.get(node.input[0])
            if source is not None and table:
                sizes[source] = min(table, sizes.get(source, table))
    return sizes


def _along_rows(node: "onnx.NodeProto") -> bool:  # type: ignore[name-defined]  # noqa: F821
    return all(attribute.i == 0 for attribute in node.attribute if attribute.name == "axis")


def _dimension(size: "onnx.TensorShapeProto.Dimension") -> int | str | None:  # type: ignore[name-defined]  # noqa: F821
    """A size, a name, or None for a silent one; exporters write -1 for a size that is open too."""
    if size.HasField("dim_value"):
        return int(size.dim_value) if size.dim_value >= 0 else None
    return name_of(size.dim_param) or None
