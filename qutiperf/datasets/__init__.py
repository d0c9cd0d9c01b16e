"""Samples, tasks, and the accuracy of answers."""

from collections.abc import Callable

from qutiperf.datasets.base import Dataset
from qutiperf.datasets.cifar10 import open_cifar10
from qutiperf.datasets.digits import open_digits
from qutiperf.datasets.imagenet import ImageNet
from qutiperf.datasets.mnist import open_mnist
from qutiperf.datasets.quantized import Quantized
from qutiperf.datasets.synthetic import Synthetic
from qutiperf.errors import InputError
from qutiperf.spec.config import nearest
from qutiperf.spec.workload import DatasetSpec, InputSpec

_DATASETS: dict[str, Callable[[DatasetSpec, InputSpec], Dataset]] = {
    "cifar10": open_cifar10,
    "digits": open_digits,
    "imagenet": ImageNet,
    "mnist": open_mnist,
    "synthetic": Synthetic,
}


def names() -> list[str]:
    return sorted(_DATASETS)


def open_dataset(spec: DatasetSpec, model_input: InputSpec) -> Dataset:
    """The dataset in the type and layout of the model's input; raises InputError, SetupError."""
    if spec.name not in _DATASETS:
        raise InputError(f"dataset.name: no dataset '{spec.name}'", cure=nearest(spec.name, _DATASETS))
    if model_input.quantization is None:
        return _DATASETS[spec.name](spec, model_input)
    real = model_input.model_copy(update={"dtype": "float32", "quantization": None})
    return Quantized(_DATASETS[spec.name](spec, real), model_input.dtype, model_input.quantization)
