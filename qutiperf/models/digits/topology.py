"""The layers of digits-mlp and digits-cnv at every channel scale, without weights."""

from dataclasses import dataclass
from typing import Literal

SIDE_PIXELS = 8
CLASSES = 10
CHANNEL_SCALES_PERCENT = (100.0, 50.0, 25.0, 12.5)
BASE_WIDTHS = {"digits-mlp": 256, "digits-cnv": 24}
MLP_HIDDEN_LAYERS = 3
CNV_STAGES = (1, 2, 4)
CNV_POOLED_STAGES = 2
CNV_DENSE_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class Layer:
    """One conv (3x3, padded) or dense layer; `relu` after it, then `pool` (2x2 maximum)."""

    kind: Literal["conv", "dense"]
    inputs: int
    outputs: int
    relu: bool = True
    pool: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        window = 9 if self.kind == "conv" else 1
        return self.outputs * (self.inputs * window + 1)


@dataclass(frozen=True, slots=True)
class DigitsTopology:
    """A network by name and channel scale, first layer first."""

    name: str
    channel_scale_percent: float
    layers: tuple[Layer, ...]

    @property
    def label(self) -> str:
        """Name used for files, such as digits-cnv-12.5."""
        return f"{self.name}-{self.channel_scale_percent:g}"

    @property
    def parameters(self) -> int:
        """Weights and biases, batch normalisation folded in."""
        return sum(layer.parameters for layer in self.layers)


def all_topologies() -> tuple[DigitsTopology, ...]:
    """Both networks at all four scales, the widest first."""
    return tuple(topology(name, scale) for name in BASE_WIDTHS for scale in CHANNEL_SCALES_PERCENT)


def topology(name: str, channel_scale_percent: float) -> DigitsTopology:
    """Raises KeyError for a name that is not in BASE_WIDTHS."""
    width = round(BASE_WIDTHS[name] * channel_scale_percent / 100)
    layers = _mlp_layers(width) if name == "digits-mlp" else _cnv_layers(width)
    return DigitsTopology(name, channel_scale_percent, layers)


def _mlp_layers(width: int) -> tuple[Layer, ...]:
    return _dense_layers([SIDE_PIXELS**2, *[width] * MLP_HIDDEN_LAYERS, CLASSES])


def _cnv_layers(width: int) -> tuple[Layer, ...]:
    """Two convolutions a stage; the last stage is not pooled, as in the published CNV."""
    layers: list[Layer] = []
    channels = 1
    for stage, multiple in enumerate(CNV_STAGES):
        outputs = width * multiple
        layers += [
            Layer("conv", channels, outputs),
            Layer("conv", outputs, outputs, pool=stage < CNV_POOLED_STAGES),
        ]
        channels = outputs
    features = channels * (SIDE_PIXELS >> CNV_POOLED_STAGES) ** 2
    hidden = width * CNV_DENSE_MULTIPLE
    return (*layers, *_dense_layers([features, hidden, hidden, CLASSES]))


def _dense_layers(sizes: list[int]) -> tuple[Layer, ...]:
    last = len(sizes) - 2
    return tuple(Layer("dense", sizes[i], sizes[i + 1], relu=i < last) for i in range(len(sizes) - 1))
