"""Inputs and outputs of an ONNX file, read without its weights' data being used and without a runtime."""

from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.models.tensors import ModelTensors, Tensor


def read_onnx(path: Path) -> ModelTensors:
    """Without initialisers listed as inputs. Raises InputError if there is no such file or no ONNX model."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise InputError("there is no such model file", where=str(path))
    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError:
        raise InputError("is no ONNX model, or a damaged one", where=str(path)) from None
    if not model.graph.node:
        raise InputError("is no ONNX model, or an empty one", where=str(path))
    weights = {initializer.name for initializer in model.graph.initializer}
    return ModelTensors(
        inputs=[_tensor(value) for value in model.graph.input if value.name not in weights],
        outputs=[_tensor(value) for value in model.graph.output],
    )


def _tensor(value: "onnx.ValueInfoProto") -> Tensor:  # type: ignore[name-defined]  # noqa: F821
    import onnx

    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "unknown"
    shape = [_dimension(size) for size in kind.shape.dim]
    return Tensor(value.name, dtype, tuple(shape))


def _dimension(size: "onnx.TensorShapeProto.Dimension") -> int | str | None:  # type: ignore[name-defined]  # noqa: F821
    if size.HasField("dim_value"):
        return int(size.dim_value)
    return str(size.dim_param) or None
