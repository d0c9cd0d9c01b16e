"""Samples, tasks, and the accuracy of answers."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from qutiperf.datasets.base import Array, Dataset
from qutiperf.datasets.cifar10 import open_cifar10
from qutiperf.datasets.digits import open_digits
from qutiperf.datasets.imagenet import ImageNet
from qutiperf.datasets.inputs import (
    Load,
    ManyInputs,
    bytes_of_inputs,
    bytes_of_sample,
    check_dtypes,
    sample_shape,
)
from qutiperf.datasets.mnist import open_mnist
from qutiperf.datasets.npz import Npz
from qutiperf.datasets.quantized import Quantized
from qutiperf.datasets.synthetic import Synthetic
from qutiperf.datasets.tasks import task_for
from qutiperf.datasets.values import described, elements_of, example
from qutiperf.errors import InputError
from qutiperf.spec.config import nearest
from qutiperf.spec.limits import check_sample
from qutiperf.spec.workload import DatasetSpec, InputSpec, ModelSpec, Workload

_DATASETS: dict[str, Callable[[DatasetSpec, InputSpec], Dataset]] = {
    "cifar10": open_cifar10,
    "digits": open_digits,
    "imagenet": ImageNet,
    "mnist": open_mnist,
    "synthetic": Synthetic,
}


def names() -> list[str]:
    return sorted([*_DATASETS, Npz.name])


def open_samples(workload: Workload) -> Dataset:
    """What a workload's model is fed with; raises InputError, SetupError."""
    task, dataset = task_for(workload), _opened(workload)
    if task.judged and dataset.truth is not None:
        task.check_truth(dataset.truth, workload.name)
    return dataset


def _opened(workload: Workload) -> Dataset:
    model, spec = workload.model, workload.dataset
    if model.many or spec.name == Npz.name:
        check_dtypes(model, workload.name)
        check_sample(max(bytes_of_sample(model), bytes_of_inputs(model)), workload.name)
    if spec.name == Npz.name:
        return _of_npz(Npz(spec), model, workload.name)
    if not model.many:
        return open_dataset(spec, model.input)
    if not model.input.has_data or spec.name == Synthetic.name:
        rows = InputSpec(name="rows", dtype="uint8", shape=["batch", 1])
        return ManyInputs(open_dataset(spec, rows), [None] * len(model.inputs), model, spec.seed)
    if model.input.axis != 0 or model.steps > 1:
        problem = (
            f"dataset.name: samples of {spec.name} have no {'steps' if model.steps > 1 else 'batch there'}"
        )
        raise InputError(problem, where=workload.name, cure="use the dataset npz")
    data = open_dataset(spec, model.input)
    if unknown := [other.name for other in model.inputs[1:] if other.has_data]:
        problem = f"model.inputs: {', '.join(unknown)}: {spec.name} has no such field"
        cure = "give each a source: random, zeros, {constant: VALUE}, {state: OUTPUT}, {mask: INPUT}, ..."
        raise InputError(problem, where=workload.name, cure=cure)
    return ManyInputs(data, [data.load, *[None] * (len(model.inputs) - 1)], model, spec.seed)


def _of_npz(data: Npz, model: ModelSpec, where: str) -> Dataset:
    """Raises InputError with everything in which the file does not fit."""
    problems, fields = [], list[Load | None]()
    for number, spec in enumerate(model.inputs):
        array = data.field(spec.name) if spec.has_data else None
        if array is None:
            fields.append(None)
            if spec.has_data:
                problems.append(f"no array '{spec.name}' (it has {', '.join(data.arrays)})")
            continue
        shape = sample_shape(model, number)
        expected = (model.steps, *shape) if model.steps > 1 else shape
        if array.shape[1:] != expected:
            problems.append(f"'{spec.name}' has samples of {list(array.shape[1:])}, not {list(expected)}")
        elements = elements_of(array, spec.dtype)
        if elements is None:
            problems.append(f"'{spec.name}' is {array.dtype}, not {described(spec.dtype)}")
        else:
            data.arrays[spec.name] = elements
            fields.append(partial(_rows, elements))
    if problems:
        raise InputError(f"dataset npz: {'; '.join(problems)}", where=where, cure=_npz_example(model))
    if model.many:
        return ManyInputs(data, fields, model, seed=1)
    return data.of(model.input.name)


def _npz_example(model: ModelSpec) -> str:
    """A line of Python that writes a file of eight samples which fits."""
    arrays = []
    for number, spec in enumerate(model.inputs):
        if spec.has_data:
            steps = (model.steps,) if model.steps > 1 else ()
            shape = (8, *steps, *sample_shape(model, number))
            arrays.append(f"{spec.name!r}: {example(spec.dtype, shape)}")
    return f"one that fits: numpy.savez('data.npz', **{{{', '.join(arrays)}}})"


def _rows(array: Array, indices: Sequence[int]) -> Array:
    return np.asarray(array[list(indices)])


def open_dataset(spec: DatasetSpec, model_input: InputSpec) -> Dataset:
    """The dataset in the type and layout of the model's input; raises InputError, SetupError."""
    if spec.name not in _DATASETS:
        raise InputError(f"dataset.name: no dataset '{spec.name}'", cure=nearest(spec.name, names()))
    if model_input.quantization is None:
        return _DATASETS[spec.name](spec, model_input)
    real = model_input.model_copy(update={"dtype": "float32", "quantization": None})
    return Quantized(_DATASETS[spec.name](spec, real), model_input.dtype, model_input.quantization)
