"""A workload for a model that has none: tensors from its file, random data unless some is given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path

from qutiperf.element_type import STRING
from qutiperf.errors import InputError
from qutiperf.models.onnx_file import read_onnx
from qutiperf.models.tensors import EXAMPLE_SIZE, FileTensor, ModelTensors
from qutiperf.models.tflite_file import read_tflite
from qutiperf.spec.config import nearest, shortened, whole_number
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.source import ConstantSource, RandomSource, Source
from qutiperf.spec.variant import Variant
from qutiperf.spec.workload import DTYPES, InputSpec, ModelSpec, OutputSpec, QuantizationSpec, Workload

BATCH = "batch"
_SAMPLES = 256
_POSITIVE = "sizes are at least 1, and the batch may be a name"
_BATCH_NAMES = re.compile(r"(?i)n|b|bs|.*batch.*")
_READERS = {".onnx": read_onnx, ".tflite": read_tflite}
Sizes = list[int | str | None]


@dataclass(frozen=True, slots=True)
class Given:
    """What a file leaves open: `input=batch,3,224,224`, `seq=128`, `sr=16000`, samples in an .npz file."""

    shapes: Sequence[str] = ()
    dims: Sequence[str] = ()
    constants: Sequence[str] = ()
    data: Path | None = None


@dataclass(slots=True)
class _Gathered:
    """The file, what was given for it, and everything that is wrong."""

    path: Path
    content: ModelTensors
    shapes: dict[str, Sizes] = field(default_factory=dict)
    dims: dict[str, int] = field(default_factory=dict)
    constants: dict[str, float | str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    misfits: set[str] = field(default_factory=set)
    open: bool = False
    empty: bool = False


def workload_of_file(path: Path, given: Given | str | None = None) -> Workload:
    """Raises InputError with everything that the file leaves open or that does not fit, and an example.

    One `shape` may be given as a text. The first input's first dimension is the batch if it is open or
    named, as are dimensions of that name in other inputs.
    """
    content = tensors_of(path)
    if not content.inputs or not content.outputs:
        what = "has no output" if content.inputs else "has no input"
        raise InputError(what, where=str(path), cure="export it with its inputs and outputs named")
    given = Given([given]) if isinstance(given, str) else given or Given()
    known = _Gathered(path, content)
    _read_given(known, given)
    inputs = _inputs(known, given.data is not None)
    if known.problems:
        raise InputError("; ".join(known.problems), where=str(path), cure=_cure(known))
    dataset = (
        DatasetSpec(name="synthetic", count=_SAMPLES)
        if given.data is None
        else DatasetSpec(name="npz", file=str(given.data.resolve()))
    )
    return Workload(
        name=path.stem,
        task="none",
        dataset=dataset,
        model=ModelSpec(
            file=str(path.resolve()),
            inputs=inputs,
            outputs=[
                OutputSpec(name=output.name, kind="tensor", quantization=_quantization(output))
                for output in content.outputs
            ],
        ),
        variant=Variant(topology=path.stem),
        rehearsal=True,
    )


def tensors_of(path: Path) -> ModelTensors:
    """Inputs and outputs of a file; raises InputError if its format is not known or it is damaged."""
    if path.suffix not in _READERS:
        cure = f"--model takes {' and '.join(_READERS)}; for other formats write a workload file"
        raise InputError("its inputs cannot be read", where=shortened(str(path)), cure=cure)
    return _READERS[path.suffix](path)


def _cure(known: _Gathered) -> str:
    """The options that fill in what is open, all of them, so that the line can be copied."""
    if not known.examples:
        return _POSITIVE if known.empty else ""
    verb = "give them, for instance" if known.open else "fill in its open sizes:"
    return f"{verb} {' '.join(dict.fromkeys(known.examples))}"


def _quantization(tensor: FileTensor) -> QuantizationSpec | None:
    if tensor.quantization is None:
        return None
    return QuantizationSpec(scale=tensor.quantization[0], zero_point=tensor.quantization[1])


def _read_given(known: _Gathered, given: Given) -> None:
    for text in given.shapes:
        _read_shape(known, text)
    for text in given.dims:
        _read_dim(known, text)
    for text in given.constants:
        _read_constant(known, text)


def _read_shape(known: _Gathered, text: str) -> None:
    tensors = {tensor.name: tensor for tensor in known.content.inputs}
    name, separator, sizes = text.rpartition("=")
    if not separator and len(tensors) == 1:
        [name] = tensors
    if name not in tensors:
        known.problems.append(f"--shape: no input '{shortened(name or text, 80)}'; {nearest(name, tensors)}")
        return
    tensor, parsed = tensors[name], _parsed(sizes)
    if not tensor.has_rank or _fits(parsed, tensor.shape):
        known.shapes[name] = parsed
    else:
        known.problems.append(f"--shape {shortened(text, 80)}: the file has {_written(tensor.shape)}")
        known.examples.append(_example(tensor, known))
        known.misfits.add(name)


def _read_dim(known: _Gathered, text: str) -> None:
    names = {size for tensor in known.content.inputs for size in tensor.shape if isinstance(size, str)}
    name, _, number = text.rpartition("=")
    size, shown = whole_number(number.strip()), shortened(text, 80)
    if name not in names:
        known.problems.append(f"--dim {shown}: no such dimension; {nearest(name, names)}")
    elif size is None or size < 1:
        known.problems.append(f"--dim {shown}: is not a size of at least 1")
    else:
        known.dims[name] = size


def _read_constant(known: _Gathered, text: str) -> None:
    types = {tensor.name: tensor.dtype for tensor in known.content.inputs}
    name, _, number = text.rpartition("=")
    if name not in types and types.get(text.partition("=")[0]) == STRING:
        name, _, number = text.partition("=")  # the text itself may have the sign
    shown = shortened(text, 80)
    if name not in types:
        known.problems.append(f"--constant {shown}: no such input; {nearest(name, types)}")
        return
    if types[name] == STRING:
        known.constants[name] = number
        return
    try:
        value = float(number)
    except ValueError:
        value = nan
    if not isfinite(value):
        known.problems.append(f"--constant {shown}: is not a finite number")
        return
    known.constants[name] = value


def _parsed(sizes: str) -> Sizes:
    parts = [part.strip() for part in sizes.split(",")] if sizes.strip() else []
    return [part if (number := whole_number(part)) is None else number for part in parts]


def _fits(sizes: Sizes, shape: Sequence[int | str | None]) -> bool:
    return len(sizes) == len(shape) and all(
        not isinstance(known, int) or known == size for known, size in zip(shape, sizes, strict=True)
    )


def _inputs(known: _Gathered, data: bool) -> list[InputSpec]:
    """One for each input of the file; what is open goes into `problems`."""
    batch_names = _batch_names(known)
    specs = []
    for number, tensor in enumerate(known.content.inputs):
        if tensor.name in known.misfits or not _can_be_made(tensor, known):
            continue
        sizes = known.shapes.get(tensor.name) or [_size(size, known) for size in tensor.shape]
        axis = _batch_axis(sizes, number, batch_names)
        shape = [BATCH if position == axis else size for position, size in enumerate(sizes)]
        if any(not isinstance(size, int) for position, size in enumerate(shape) if position != axis):
            known.problems.append(f"input '{tensor.name}' leaves sizes open: {_written(sizes)}")
            known.examples.append(_example(tensor, known))
            known.open = True
        elif any(isinstance(size, int) and size < 1 for size in shape):
            known.problems.append(f"input '{tensor.name}' has an empty dimension: {_written(sizes)}")
            known.empty = True
        else:
            specs.append(
                InputSpec(
                    name=tensor.name,
                    dtype=tensor.dtype,
                    shape=[size for size in shape if size is not None],
                    batch_axis="none" if _is_alone(tensor, sizes, axis, number) else None,
                    quantization=_quantization(tensor),
                    source=_source(tensor, known, data),
                )
            )
    return specs


def _can_be_made(tensor: FileTensor, known: _Gathered) -> bool:
    """Whether there are values of its type, and its rank is known; adds the problem if not."""
    if tensor.dtype not in DTYPES:
        kind = "a sequence, map or optional" if tensor.dtype == "unknown" else tensor.dtype
        known.problems.append(f"input '{tensor.name}' is {kind}; only {', '.join(DTYPES)} can be fed")
        return False
    if not tensor.has_rank and tensor.name not in known.shapes:
        known.problems.append(f"input '{tensor.name}' has no shape in the file")
        known.examples.append(f"--shape {tensor.name}={BATCH},{EXAMPLE_SIZE}")
        known.open = True
        return False
    return True


def _is_alone(tensor: FileTensor, sizes: Sizes, axis: int | None, number: int) -> bool:
    """Whether the first input is one list of given length, whose only axis is not a batch."""
    opened = len(tensor.shape) == 1 and not isinstance(tensor.shape[0], int)
    return number == 0 and opened and axis is None and isinstance(sizes[0], int)


def _size(size: int | str | None, known: _Gathered) -> int | str | None:
    return known.dims.get(size, size) if isinstance(size, str) else size


def _batch_names(known: _Gathered) -> set[str]:
    """How the file calls the batch: by a usual name in the first input, else its open first dimension."""
    shape = known.content.inputs[0].shape
    names = [size for size in shape if isinstance(size, str) and size not in known.dims]
    usual = [name for name in names if _BATCH_NAMES.fullmatch(name)]
    return {BATCH, *(usual[:1] or (names[:1] if shape and names[:1] == [shape[0]] else []))}


def _batch_axis(sizes: Sizes, number: int, names: set[str]) -> int | None:
    """The first axis with a batch's name; the first of all where it is open and could be one."""
    for axis, size in enumerate(sizes):
        if isinstance(size, str) and size in names:
            return axis
    if not sizes or isinstance(sizes[0], int):
        return None
    likely = sizes[0] is None or bool(_BATCH_NAMES.fullmatch(str(sizes[0])))
    return 0 if number == 0 or likely else None


def _source(tensor: FileTensor, known: _Gathered, data: bool) -> Source | None:
    """The given constant; 1 for a number and `text` for a text without one; rows of a table; else data."""
    value = known.constants.get(tensor.name)
    if value is None and not tensor.shape:
        value = "text" if tensor.dtype == STRING else 1
    if isinstance(value, str):
        return ConstantSource(constant=value)
    if value is not None:
        return ConstantSource(constant=int(value) if value == int(value) else value)
    if data:
        return None
    if tensor.vocabulary is not None:
        return RandomSource(random=[0, tensor.vocabulary - 1])
    return "random" if len(known.content.inputs) > 1 else None


def _written(sizes: Sequence[int | str | None]) -> str:
    return ",".join("?" if size is None else str(size) for size in sizes)


def _example(tensor: FileTensor, known: _Gathered) -> str:
    """A --shape that fits the tensor; of later inputs an unnamed size is more likely the batch than not."""
    given: Sizes = [_size(size, known) for size in tensor.shape]
    axis = _batch_axis(given, known.content.inputs.index(tensor), _batch_names(known))
    if axis is None and None in given:
        axis = given.index(None)
    sizes: Sizes = [
        size if isinstance(size, int) else BATCH if position == axis else EXAMPLE_SIZE
        for position, size in enumerate(given)
    ]
    return f"--shape {tensor.name}={_written(sizes)}"
