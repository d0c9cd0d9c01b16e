"""Other normalisations and orders of channels that a model may have been trained with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qutiperf.datasets import open_samples
from qutiperf.datasets.base import Array
from qutiperf.datasets.imagenet import ImageNet
from qutiperf.datasets.normalised import COLOURS, channel_axis, normalised, reordered
from qutiperf.datasets.npz import Npz
from qutiperf.datasets.quantized import Quantized
from qutiperf.datasets.synthetic import Synthetic
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.normalisation import ChannelOrder, NormalisationSpec
from qutiperf.spec.workload import InputSpec, ModelSpec, Workload

_CENTRED = NormalisationSpec(mean=[0.5], std=[0.5])
_MEAN_COLOUR = NormalisationSpec(scale=255, mean=[123.68, 116.78, 103.94])
_PREPROCESSING = {"resnet50": _MEAN_COLOUR, "mobilenet": _CENTRED}
# What training scripts use, most usual first, for values from 0 to 1: as they are, from -1 to 1, and bytes.
_ANY = (NormalisationSpec(), _CENTRED, NormalisationSpec(scale=255))
_OF_GREY = (NormalisationSpec(mean=[0.1307], std=[0.3081]),)  # MNIST's
_OF_COLOUR = (
    NormalisationSpec(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),  # ImageNet's
    _MEAN_COLOUR,
    NormalisationSpec(mean=[0.4914, 0.4822, 0.4465], std=[0.247, 0.2435, 0.2616]),  # CIFAR-10's
)
_LARGEST_UNIT = 2.0  # an .npz file with greater values has bytes, not 0 to 1
_LEAST_STD = 1e-3


@dataclass(frozen=True, slots=True)
class Alternative:
    """Values and order of the samples; `settings` are the keys of the workload that make it so."""

    normalisation: NormalisationSpec
    order: ChannelOrder
    settings: dict[str, str]


class Alternatives:
    """What else the samples of a workload with one input could be, in the form of that input."""

    def __init__(self, workload: Workload, indices: Sequence[int]) -> None:
        """Decodes these samples once; raises InputError, SetupError, RunError like the dataset."""
        model, spec = workload.model, workload.dataset
        self._spec, self._input = spec, model.input
        plain = spec.model_copy(update={"normalisation": None, "channel_order": None})
        scaled = _is_scaled(model.input)
        if scaled and spec.name == ImageNet.name:
            plain = plain.model_copy(update={"normalisation": NormalisationSpec()})
        self._values = open_samples(_real(workload, plain)).load(indices)
        self._axis = channel_axis(self._values.shape[1:])
        large = spec.name == Npz.name and scaled and float(np.max(self._values)) > _LARGEST_UNIT
        self._unit = 255.0 if large else 1.0
        self.listed = self._list(scaled)

    def samples(self, alternative: Alternative, first: int, last: int) -> Array:
        """Some of the samples as the model's input."""
        values, scaled = self._values[first:last], _is_scaled(self._input)
        changed = normalised(values, alternative.normalisation if scaled else None, self._axis)
        ordered = reordered(changed, alternative.order, self._axis)
        if self._input.quantization is not None:
            return Quantized.integers(ordered, self._input.dtype, self._input.quantization)
        return ordered.astype(self._input.dtype)

    def _list(self, scaled: bool) -> list[Alternative]:
        """All but what the workload declares."""
        colours = self._axis is not None and self._values.shape[1 + self._axis] == COLOURS
        declared, order = declared_normalisation(self._spec), self._spec.channel_order or "rgb"
        normalisations = [declared]
        if scaled:
            normalisations += [self._of_file(each) for each in self._usual(colours)]
        orders: list[ChannelOrder] = ["rgb", "bgr"] if colours else [order]
        pairs = [(each, one) for each in _unique(normalisations) for one in orders]
        return [
            Alternative(each, one, _settings(self._spec, each, one))
            for each, one in pairs
            if (each, one) != (declared, order)
        ]

    def _usual(self, colours: bool) -> Sequence[NormalisationSpec]:
        own = self._standardised(colours)
        return [*_ANY, *(_OF_COLOUR if colours else _OF_GREY), *([own] if own else [])]

    def _standardised(self, colours: bool) -> NormalisationSpec | None:
        """By the samples' own mean and standard deviation."""
        kept = None if not colours or self._axis is None else self._axis + 1
        axes = tuple(axis for axis in range(self._values.ndim) if axis != kept)
        real = self._values.astype(np.float64) / self._unit
        mean, std = np.atleast_1d(real.mean(axis=axes)), np.atleast_1d(real.std(axis=axes))
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and std.min() > _LEAST_STD):
            return None
        return NormalisationSpec(mean=np.round(mean, 3).tolist(), std=np.round(std, 3).tolist())

    def _of_file(self, each: NormalisationSpec) -> NormalisationSpec:
        """The same for values that are not from 0 to 1."""
        if self._unit == 1:
            return each
        return each.model_copy(update={"scale": float(f"{each.scale / self._unit:.6g}")})


def has_alternatives(workload: Workload) -> bool:
    """Whether the samples can be anything else: of one input, from a real dataset."""
    return not workload.model.many and workload.dataset.name != Synthetic.name


def most_alternatives(model: ModelSpec) -> int:
    """The length of the list, before any sample is read."""
    axis = channel_axis(model.input.sample_shape)
    colours = axis is not None and model.input.sample_shape[axis] == COLOURS
    own, declared = 1, 1
    usual = len(_ANY) + len(_OF_COLOUR if colours else _OF_GREY) + own + declared
    return (usual if _is_scaled(model.input) else 1) * (2 if colours else 1) - 1


def declared_normalisation(spec: DatasetSpec) -> NormalisationSpec:
    """What a workload without the key `normalisation` has."""
    if spec.normalisation is not None:
        return spec.normalisation
    if spec.name == ImageNet.name:
        return _PREPROCESSING[spec.preprocessing or "resnet50"]
    return NormalisationSpec()


def _settings(spec: DatasetSpec, each: NormalisationSpec, order: ChannelOrder) -> dict[str, str]:
    settings = {}
    if each != declared_normalisation(spec):
        names = [name for name, known in _PREPROCESSING.items() if known == each]
        if spec.name == ImageNet.name and spec.normalisation is None and names:
            settings["dataset.preprocessing"] = names[0]
        else:
            settings["dataset.normalisation"] = _written(each)
    if order != (spec.channel_order or "rgb"):
        settings["dataset.channel_order"] = order
    return settings


def _written(each: NormalisationSpec) -> str:
    """As YAML: {mean: [0.5], std: [0.5]}."""
    values = each.model_dump(exclude_defaults=True) or {"scale": 1.0}
    parts = [f"{key}: {json.dumps(_short(value))}" for key, value in values.items()]
    return f"{{{', '.join(parts)}}}"


def _short(value: float | list[float]) -> object:
    if isinstance(value, list):
        return [_short(number) for number in value]
    return int(value) if value == int(value) else value


def _is_scaled(spec: InputSpec) -> bool:
    """Whether values may be normalised: floats, or integers that stand for real numbers."""
    return spec.quantization is not None or spec.dtype.startswith("float")


def _real(workload: Workload, plain: DatasetSpec) -> Workload:
    """The workload before its input is quantized."""
    spec = workload.model.input
    if spec.quantization is not None:
        spec = spec.model_copy(update={"dtype": "float32", "quantization": None})
    model = workload.model.model_copy(update={"inputs": [spec]})
    return workload.model_copy(update={"dataset": plain, "model": model})


def _unique(listed: Sequence[NormalisationSpec]) -> list[NormalisationSpec]:
    return [each for number, each in enumerate(listed) if each not in listed[:number]]
