"""A workload for a model that has none: shapes from its graph, random data, no accuracy."""

from collections.abc import Sequence
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.models.onnx_file import read_onnx
from qutiperf.models.tensors import EXAMPLE_SIZE, Tensor
from qutiperf.models.tflite_file import read_tflite
from qutiperf.spec.config import nearest, shortened, whole_number
from qutiperf.spec.workload import (
    DatasetSpec,
    InputSpec,
    ModelSpec,
    OutputSpec,
    QuantizationSpec,
    Variant,
    Workload,
)

BATCH = "batch"
_SAMPLES = 256


_READERS = {".onnx": read_onnx, ".tflite": read_tflite}


def workload_of_file(path: Path, shape: str | None = None) -> Workload:
    """Raises InputError if the format is not known, the file has several inputs, or leaves sizes open.

    `shape` is `input=batch,3,224,224` or `batch,3,224,224`; its first entry may be a number.
    """
    if path.suffix not in _READERS:
        cure = f"--model takes {' and '.join(_READERS)}; for other formats write a workload file"
        raise InputError("its inputs cannot be read", where=shortened(str(path)), cure=cure)
    found = _READERS[path.suffix](path)
    if len(found.inputs) != 1:
        names = [tensor.name for tensor in found.inputs]
        raise InputError(
            f"has {len(names)} inputs {names}", where=str(path), cure="only models with one input can be fed"
        )
    if not found.outputs:
        raise InputError("has no output", where=str(path), cure="export it with its outputs named")
    tensor = found.inputs[0]
    return Workload(
        name=path.stem,
        task="none",
        dataset=DatasetSpec(name="synthetic", count=_SAMPLES),
        model=ModelSpec(
            file=str(path.resolve()),
            input=InputSpec(
                name=tensor.name,
                dtype=tensor.dtype,
                shape=_shape(tensor, shape, path),
                quantization=_quantization(tensor),
            ),
            output=OutputSpec(
                name=found.outputs[0].name, kind="tensor", quantization=_quantization(found.outputs[0])
            ),
        ),
        variant=Variant(topology=path.stem),
        rehearsal=True,
    )


def _quantization(tensor: Tensor) -> QuantizationSpec | None:
    if tensor.quantization is None:
        return None
    return QuantizationSpec(scale=tensor.quantization[0], zero_point=tensor.quantization[1])


def _shape(tensor: Tensor, given: str | None, path: Path) -> list[int | str]:
    if not tensor.shape:
        raise InputError(f"input '{tensor.name}' has no batch dimension", where=str(path))
    sizes = list(tensor.shape) if given is None else _parsed(given, tensor, path)
    first = sizes[0] if isinstance(sizes[0], int) else BATCH
    if any(not isinstance(size, int) for size in sizes[1:]):
        problem = f"input '{tensor.name}' leaves sizes open: {_written(sizes)}"
        raise InputError(problem, where=str(path), cure=f"give them, for instance {_example(tensor)}")
    if any(isinstance(size, int) and size < 1 for size in sizes):
        what = f"input '{tensor.name}' has an empty dimension: {_written(sizes)}"
        raise InputError(what, where=str(path), cure="sizes are at least 1, and the first may be a name")
    return [first, *[size for size in sizes[1:] if isinstance(size, int)]]


def _parsed(given: str, tensor: Tensor, path: Path) -> list[int | str | None]:
    name, separator, text = given.rpartition("=")
    if separator and name != tensor.name:
        raise InputError(
            f"--shape: no input '{shortened(name, 80)}'", where=str(path), cure=nearest(name, [tensor.name])
        )
    parts = [part.strip() for part in text.split(",")]
    sizes: list[int | str | None] = [
        part if (number := whole_number(part)) is None else number for part in parts
    ]
    fits = len(sizes) == len(tensor.shape) and all(
        not isinstance(known, int) or known == size for known, size in zip(tensor.shape, sizes, strict=True)
    )
    if not fits:
        problem = f"--shape {shortened(given, 80)}: the file has {_written(tensor.shape)}"
        raise InputError(problem, where=str(path), cure=f"fill in its open sizes: {_example(tensor)}")
    return sizes


def _written(sizes: Sequence[int | str | None]) -> str:
    return ",".join("?" if size is None else str(size) for size in sizes)


def _example(tensor: Tensor) -> str:
    """A --shape that fits the tensor."""
    first = tensor.shape[0] if isinstance(tensor.shape[0], int) else BATCH
    sizes = [size if isinstance(size, int) else EXAMPLE_SIZE for size in tensor.shape[1:]]
    return f"--shape {tensor.name}={_written([first, *sizes])}"
