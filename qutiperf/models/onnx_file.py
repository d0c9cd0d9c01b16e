"""Inputs and outputs of an ONNX file, read without its weights' data being used and without a runtime."""

from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.models.damage import name_of, reading
from qutiperf.models.tensors import ModelTensors, Tensor
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
        return ModelTensors(
            inputs=[_tensor(value, path) for value in model.graph.input if value.name not in weights],
            outputs=[_tensor(value, path) for value in model.graph.output],
        )


def _tensor(value: "onnx.ValueInfoProto", path: Path) -> Tensor:  # type: ignore[name-defined]  # noqa: F821
    import onnx

    kind, name = value.type.tensor_type, name_of(value.name)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "unknown"
    except KeyError:
        problem = f"'{name}' has the element type {kind.elem_type}, which ONNX does not define"
        raise InputError(problem, where=str(path), cure="export the model again") from None
    return Tensor(name, dtype, tuple(_dimension(size) for size in kind.shape.dim))


def _dimension(size: "onnx.TensorShapeProto.Dimension") -> int | str | None:  # type: ignore[name-defined]  # noqa: F821
    """A size, a name, or None for a silent one; exporters write -1 for a size that is open too."""
    if size.HasField("dim_value"):
        return int(size.dim_value) if size.dim_value >= 0 else None
    return name_of(size.dim_param) or None
