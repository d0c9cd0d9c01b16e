"""The workload of a model that is measured at once, with accuracy where its data has labels."""

from collections.abc import Sequence
from pathlib import Path

from qutiperf.datasets.base import Array
from qutiperf.datasets.npz import Npz
from qutiperf.datasets.values import elements_of, holds
from qutiperf.element_type import STRING
from qutiperf.errors import InputError
from qutiperf.models.tensors import EXAMPLE_SIZE, FileTensor
from qutiperf.models.workload_of import BATCH, Given, tensors_of, workload_of_file
from qutiperf.models.workload_text import judged_output
from qutiperf.spec.config import shortened
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import DTYPES, Workload


def workload_of_model(path: Path, given: Given) -> Workload:
    """As `workload_of_file`; labelled data with a model that answers one class a sample is judged.

    Raises InputError with everything that does not fit.
    """
    tensors_of(path)
    try:
        workload = workload_of_file(path, given)
    except InputError as error:
        raise _with_data_problems(error, path, given) from None
    if given.data is None or Npz(workload.dataset).labels is None:
        return workload
    first, model = tensors_of(path).outputs[0], workload.model
    if not _is_classification(first):
        return workload
    outputs = [judged_output(first, model.output), *model.outputs[1:]]
    judged = model.model_copy(update={"outputs": outputs})
    return workload.model_copy(update={"task": "image-classification", "model": judged})


def _is_classification(output: FileTensor) -> bool:
    """Scores by class, [batch, classes], or an integer a sample."""
    if not output.has_rank or output.dtype in ("bool", STRING, "unknown"):
        return False
    return len(output.shape) == 2 or (len(output.shape) == 1 and output.dtype in ("int32", "int64"))


def _with_data_problems(error: InputError, path: Path, given: Given) -> InputError:
    """The error of a model, with everything in which its data does not fit either."""
    problems = [error.what, *_constant_problems(path, given)]
    if given.data is None:
        return InputError("; ".join(problems), where=error.where, cure=error.cure)
    try:
        data = Npz(DatasetSpec(name=Npz.name, file=str(given.data)))
    except InputError as other:
        problems.append(f"{other.where}: {other.what}")
        return InputError("; ".join(problems), where=error.where, cure=error.cure)
    constants = {text.rpartition("=")[0] for text in given.constants}
    for tensor in tensors_of(path).inputs:
        if tensor.name not in constants and tensor.shape:
            problems += _array_problems(tensor, data.field(tensor.name), data)
    return InputError("; ".join(problems), where=error.where, cure=_cure(error, path, data, constants))


def _constant_problems(path: Path, given: Given) -> list[str]:
    """Constants that are numbers, but not of their input's type."""
    tensors = {tensor.name: tensor for tensor in tensors_of(path).inputs}
    problems = []
    for text in given.constants:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            continue  # which is in the error already
        dtype = tensors[name].dtype if name in tensors else ""
        if dtype in DTYPES and dtype != STRING and not holds(dtype, value):
            problems.append(f"--constant {shortened(text, 80)}: is not a {dtype}")
    return problems


def _array_problems(tensor: FileTensor, array: Array | None, data: Npz) -> list[str]:
    if array is None:
        return [f"dataset npz: no array '{tensor.name}' (it has {', '.join(data.names)})"]
    problems = []
    if tensor.dtype in DTYPES and elements_of(array, tensor.dtype) is None:
        problems.append(f"dataset npz: '{tensor.name}' is {array.dtype}, not {tensor.dtype}")
    if tensor.has_rank and _sizes(tensor, array) is None:
        written = ", ".join("?" if size is None else str(size) for size in tensor.shape)
        problems.append(
            f"dataset npz: '{tensor.name}' has samples of {list(array.shape[1:])}, not of [{written}]"
        )
    return problems


def _sizes(tensor: FileTensor, array: Array) -> list[str] | None:
    """The tensor's shape with the sizes of the samples, and the batch where it is; None if they differ."""
    if len(array.shape) != len(tensor.shape):
        return None
    axis, sizes = _axis(tensor), [str(size) for size in array.shape[1:]]
    sizes.insert(axis, BATCH)
    fits = all(
        number == axis or not isinstance(size, int) or str(size) == given
        for number, (size, given) in enumerate(zip(tensor.shape, sizes, strict=True))
    )
    return sizes if fits else None


def _axis(tensor: FileTensor) -> int:
    """Where the batch most likely is: the first open size."""
    return next((axis for axis, size in enumerate(tensor.shape) if not isinstance(size, int)), 0)


def _cure(error: InputError, path: Path, data: Npz, constants: set[str]) -> str:
    """Options with the sizes of the data, where it has them, and arrays for what it lacks."""
    tensors = [each for each in tensors_of(path).inputs if each.name not in constants and each.shape]
    known = _known_sizes(tensors, data)
    shapes, arrays = [], []
    for tensor in tensors:
        axis, array = _axis(tensor), data.field(tensor.name)
        fitting = None if array is None else _sizes(tensor, array)
        sizes = fitting or [
            BATCH if number == axis else str(size if isinstance(size, int) else known.get(size, EXAMPLE_SIZE))
            for number, size in enumerate(tensor.shape)
        ]
        if sum(not isinstance(size, int) for size in tensor.shape) > 1:
            shapes.append(f"--shape {tensor.name}={','.join(sizes)}")
        if fitting is None or array is None or array.dtype.name != tensor.dtype:
            rest = [int(size) for number, size in enumerate(sizes) if number != axis]
            arrays.append(f"{tensor.name!r}: numpy.zeros({(8, *rest)}, '{tensor.dtype}')")
    parts = [f"sizes that fit: {' '.join(shapes)}" if shapes else error.cure]
    if arrays:
        parts.append(f"arrays that fit: numpy.savez('data.npz', **{{{', '.join(arrays)}}})")
    return "; ".join(part for part in parts if part)


def _known_sizes(tensors: Sequence[FileTensor], data: Npz) -> dict[str | None, str]:
    """Of named dimensions, by the arrays that fit."""
    known: dict[str | None, str] = {}
    for tensor in tensors:
        array = data.field(tensor.name)
        sizes = None if array is None else _sizes(tensor, array)
        for name, size in zip(tensor.shape, sizes or [], strict=False):
            if isinstance(name, str):
                known.setdefault(name, size)
    return known
