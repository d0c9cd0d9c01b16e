"""Samples, tasks, and the accuracy of answers."""

from collections.abc import Callable

from qutiperf.datasets.base import Dataset
from qutiperf.datasets.cifar10 import open_cifar10
from qutiperf.datasets.digits import open_digits
from qutiperf.datasets.imagenet import ImageNet
from qutiperf.datasets.inputs import (
    ManyInputs,
    bytes_of_inputs,
    bytes_of_sample,
    check_dtypes,
    check_sources,
)
from qutiperf.datasets.mnist import open_mnist
from qutiperf.datasets.normalised import with_normalisation
from qutiperf.datasets.npz import Npz
from qutiperf.datasets.npz_inputs import open_npz
from qutiperf.datasets.quantized import Quantized
from qutiperf.datasets.rehearsal import Rehearsal
from qutiperf.datasets.synthetic import Synthetic
from qutiperf.datasets.tasks import task_for
from qutiperf.errors import InputError
from qutiperf.spec.config import nearest
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.limits import check_sample
from qutiperf.spec.workload import InputSpec, Workload

_DATASETS: dict[str, Callable[[DatasetSpec, InputSpec], Dataset]] = {
    "cifar10": open_cifar10,
    "digits": open_digits,
    "imagenet": ImageNet,
    "mnist": open_mnist,
    "rehearsal": Rehearsal,
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
    if model.many and spec.name == Npz.name and (spec.normalisation or spec.channel_order):
        problem = "dataset.normalisation and channel_order: not with several tensors in an .npz file"
        raise InputError(problem, where=workload.name, cure="save the arrays as the model takes them")
    if model.many or spec.name == Npz.name:
        check_dtypes(model, workload.name)
        if spec.name != Npz.name:
            check_sources(model, workload.name)
        check_sample(max(bytes_of_sample(model), bytes_of_inputs(model)), workload.name)
    if spec.name == Npz.name:
        ragged = [each.name for each in model.inputs if each.padding is not None]
        return open_npz(Npz(spec, ragged), spec, model, workload.name)
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
    if model.padded:
        problem = f"model.inputs: padding, but all samples of {spec.name} have the same size"
        raise InputError(problem, where=workload.name, cure="remove it, or use the dataset npz")
    data = open_dataset(spec, model.input)
    if unknown := [other.name for other in model.inputs[1:] if other.has_data]:
        problem = f"model.inputs: {', '.join(unknown)}: {spec.name} has no such field"
        cure = "give each a source: random, zeros, {constant: VALUE}, {state: OUTPUT}, {mask: INPUT}, ..."
        raise InputError(problem, where=workload.name, cure=cure)
    return ManyInputs(data, [data.load, *[None] * (len(model.inputs) - 1)], model, spec.seed)


def open_dataset(spec: DatasetSpec, model_input: InputSpec) -> Dataset:
    """The dataset in the type and layout of the model's input; raises InputError, SetupError."""
    if spec.name not in _DATASETS:
        raise InputError(f"dataset.name: no dataset '{spec.name}'", cure=nearest(spec.name, names()))
    if model_input.quantization is None:
        return with_normalisation(_DATASETS[spec.name](spec, model_input), spec)
    real_input = model_input.model_copy(update={"dtype": "float32", "quantization": None})
    real = with_normalisation(_DATASETS[spec.name](spec, real_input), spec)
    return Quantized(real, model_input.dtype, model_input.quantization)
