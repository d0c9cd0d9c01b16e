"""A workload's tensors and samples against those of its model file."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import isclose
from pathlib import Path

import numpy as np

from qutiperf.datasets import open_samples
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.datasets.npz import Npz
from qutiperf.datasets.npz_inputs import npz_example
from qutiperf.errors import InputError, SetupError
from qutiperf.models.onnx_file import read_onnx
from qutiperf.models.tensors import FileTensor, ModelTensors
from qutiperf.models.tflite_file import read_tflite
from qutiperf.regular_file import unreadable
from qutiperf.spec.source import ConstantSource, RandomSource
from qutiperf.spec.workload import InputSpec, OutputSpec, Workload

_SCALE_TOLERANCE = 1e-6  # the file has float32, a workload may have been written with fewer digits


def check_tensors(workload: Workload, path: Path, dataset: Dataset) -> None:
    """Raises InputError with everything in which an ONNX or TFLite file, workload and samples differ."""
    if problems := misfits(workload, path, dataset):
        raise InputError("; ".join(problems), where=workload.name, cure=_cure(path))


def open_fitting(workload: Workload) -> Dataset:
    """The samples; raises InputError with everything in which they, the workload and an ONNX file differ.

    Raises SetupError like the dataset. A file that fits samples that fit is not read.
    """
    unlisted, dataset, cure = workload.model.unlisted, None, ""
    problems = list(unlisted.values())
    try:
        dataset = open_samples(_without(workload, unlisted))
    except InputError as error:
        elsewhere = error.where not in ("", workload.name)
        problems.append(f"{error.where}: {error.what}" if elsewhere else error.what)
        cure = error.cure
    if dataset is not None and not problems:
        return dataset
    path = Path(workload.model.file or "")
    content = _read(path) if unreadable(path) is None else None
    if content is not None:
        different = misfits(workload, path, dataset or _arrays(workload))
        if different:
            example = _with_example(workload, path, content, dataset)
            cure = example if workload.dataset.name == Npz.name or not cure else f"{cure}; {example}"
        problems += different
    raise InputError("; ".join(problems), where=workload.name, cure=cure)


def _arrays(workload: Workload) -> Dataset | None:
    """Those of an .npz file that is whole, but does not fit."""
    if workload.dataset.name != Npz.name:
        return None
    with suppress(InputError):
        return Npz(
            workload.dataset, [each.name for each in workload.model.inputs if each.padding is not None]
        )
    return None


def _without(workload: Workload, unlisted: Mapping[str, str]) -> Workload:
    """With zeros for the inputs whose sources name nothing."""
    if not unlisted:
        return workload
    inputs = [
        spec.model_copy(update={"source": "zeros"}) if spec.name in unlisted else spec
        for spec in workload.model.inputs
    ]
    model = workload.model.model_copy(update={"inputs": inputs})
    return workload.model_copy(update={"model": model})


def _with_example(workload: Workload, path: Path, content: ModelTensors, dataset: Dataset | None) -> str:
    """Samples in the types and sizes of the file, where those of the workload are wrong as well."""
    if workload.dataset.name != Npz.name or dataset is not None:
        return _cure(path)
    tensors = {tensor.name: tensor for tensor in content.inputs}
    names = [spec.name for spec in workload.model.inputs]
    rest = [tensor for tensor in content.inputs if tensor.name not in names]
    only = rest[0] if len(rest) == 1 else None  # what an unknown name must mean
    inputs = [_as_in(spec, tensors.get(spec.name, only)) for spec in workload.model.inputs]
    return f"{_cure(path)}; {npz_example(workload.model.model_copy(update={'inputs': inputs}))}"


def _as_in(spec: InputSpec, tensor: FileTensor | None) -> InputSpec:
    if tensor is None or not tensor.has_rank or len(tensor.shape) != len(spec.shape):
        return spec
    shape = [
        size if isinstance(size, int) else declared
        for size, declared in zip(tensor.shape, spec.shape, strict=True)
    ]
    return spec.model_copy(update={"name": tensor.name, "dtype": tensor.dtype, "shape": shape})


def _cure(path: Path) -> str:
    return f"`qutiperf workload new {path.name}` writes what fits the model"


def misfits(workload: Workload, path: Path, dataset: Dataset | None) -> list[str]:
    """Everything in which a file differs from the workload, and its samples if they could be opened."""
    spec, content = workload.model, _read(path)
    if content is None:
        return []
    tensors = {tensor.name: tensor for tensor in content.inputs}
    problems = _missing("input", [each.name for each in spec.inputs], list(tensors), path.name)
    unlisted = [name for name in tensors if name not in [each.name for each in spec.inputs]]
    if unlisted and not problems:
        problems.append(f"model.inputs: {', '.join(unlisted)} of {path.name} is not listed")
    outputs = [each.name for each in content.outputs]
    problems += _missing("output", [each.name for each in spec.outputs], outputs, path.name)
    for number, each in enumerate(spec.inputs):
        if each.name in tensors:
            key = f"model.{_key('input', number, len(spec.inputs))}"
            problems += _differences(key, each, tensors[each.name], path.name)
            problems += _other_quantization(key, each, tensors[each.name], path)
            problems += _fixed_sizes(key, each, tensors[each.name], path.name, one_size=spec.one_size)
            problems += _beyond_vocabulary(key, each, tensors[each.name], dataset)
    results = {each.name: each for each in content.outputs}
    for number, output in enumerate(spec.outputs):
        if output.name in results:
            key = f"model.{_key('output', number, len(spec.outputs))}"
            problems += _other_quantization(key, output, results[output.name], path)
    return problems + _beyond_classes(workload, content, dataset)


def _read(path: Path) -> ModelTensors | None:
    """None for other formats, and for a TFLite file that LiteRT cannot open alone: a delegate may."""
    if path.suffix == ".onnx":
        return read_onnx(path)
    if path.suffix != ".tflite":
        return None
    try:
        return read_tflite(path)
    except (InputError, SetupError):
        return None


def _other_quantization(key: str, spec: InputSpec | OutputSpec, tensor: FileTensor, path: Path) -> list[str]:
    """Of a TFLite file; an ONNX file has nodes for it."""
    given, own = spec.quantization, tensor.quantization
    if path.suffix == ".onnx" or (given is None and own is None):
        return []
    if given is not None and own is not None:
        close = isclose(given.scale, own[0], rel_tol=_SCALE_TOLERANCE)
        if close and given.zero_point == own[1]:
            return []
    shown = "none" if own is None else f"{{scale: {_shortest(own[0])}, zero_point: {own[1]}}}"
    return [f"{key}.quantization: {path.name} has {shown}"]


def _shortest(scale: float) -> str:
    """The fewest digits that are the same float32, as the file has it."""
    return str(np.float32(scale))


def _missing(kind: str, names: Sequence[str], available: Sequence[str], file: str) -> list[str]:
    return [
        f"model.{_key(kind, number, len(names))}.name: '{name}', but {file} has {sorted(available)}"
        for number, name in enumerate(names)
        if name not in available
    ]


def _key(kind: str, number: int, count: int) -> str:
    """As in the file: `input`, or `inputs.1` where there are several."""
    return f"{kind}s.{number}" if count > 1 else kind


def _differences(key: str, spec: InputSpec, tensor: FileTensor, file: str) -> list[str]:
    problems = []
    if tensor.dtype != spec.dtype:
        problems.append(f"{key}.dtype: {spec.dtype}, but {file} takes {tensor.dtype}")
    if not tensor.has_rank:
        return problems
    same = len(tensor.shape) == len(spec.shape) and all(
        not isinstance(size, int) or size == declared
        for size, declared in zip(tensor.shape, spec.shape, strict=True)
    )
    if not same:
        problems.append(f"{key}.shape: {spec.shape}, but {file} takes {list(tensor.shape)}")
    return problems


def _fixed_sizes(key: str, spec: InputSpec, tensor: FileTensor, file: str, *, one_size: bool) -> list[str]:
    """A padded axis whose size the file fixes."""
    if spec.padding is None or one_size or spec.padding.axis >= len(tensor.shape):
        return []
    size = tensor.shape[spec.padding.axis]
    if not isinstance(size, int) or size < 1:
        return []
    return [f"{key}.padding: {file} fixes axis {spec.padding.axis} at {size}; give buckets: [{size}]"]


def _beyond_classes(workload: Workload, content: ModelTensors, dataset: Dataset | None) -> list[str]:
    """Labels for which the judged output has no score."""
    spec = workload.model.output
    shape = next((each.shape for each in content.outputs if each.name == spec.name and each.has_rank), ())
    classes, labels = shape[-1] if len(shape) == 2 else None, dataset.labels if dataset else None
    judged = workload.task != "none" and spec.kind == "scores"
    if labels is None or not len(labels) or not isinstance(classes, int) or not judged:
        return []
    first, last = int(labels.min()), int(labels.max())
    if first + spec.label_offset >= 0 and last + spec.label_offset < classes:
        return []
    offset = f" and label_offset is {spec.label_offset}" if spec.label_offset else ""
    fitting = [each for each in (0, 1, -1) if first + each >= 0 and last + each < classes]
    hint = f" (with label_offset {fitting[0]} they fit)" if fitting else ""
    return [f"labels: from {first} to {last}, but '{spec.name}' has {classes} classes{offset}{hint}"]


def _beyond_vocabulary(key: str, spec: InputSpec, tensor: FileTensor, dataset: Dataset | None) -> list[str]:
    """Values that are not rows of the table that the input looks up; negative ones count from its end."""
    rows, limits = tensor.vocabulary, _limits(spec, dataset)
    if rows is None or limits is None or (limits[0] >= -rows and limits[1] < rows):
        return []
    return [f"{key}: values from {limits[0]:g} to {limits[1]:g}, but '{spec.name}' looks up {rows} rows"]


def _limits(spec: InputSpec, dataset: Dataset | None) -> tuple[float, float] | None:
    """The least and the greatest value of an input, None where they are not known or small anyway."""
    if isinstance(spec.source, RandomSource):
        return spec.source.random[0], spec.source.random[1]
    if isinstance(spec.source, ConstantSource):
        value = spec.source.constant
        return None if isinstance(value, str) else (float(value), float(value))
    data = dataset.data if isinstance(dataset, ManyInputs) else dataset
    array = data.field(spec.name) if spec.has_data and isinstance(data, Npz) else None
    if array is None or not array.size or array.dtype.kind not in "iu":
        return None
    padding = [] if spec.padding is None else [float(spec.padding.value)]
    return min([float(np.min(array)), *padding]), max([float(np.max(array)), *padding])
