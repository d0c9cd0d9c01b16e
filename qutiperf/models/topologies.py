"""Networks built in code: a name, a channel scale, an input size and a batch give an ONNX model."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from qutiperf.errors import InputError, SetupError
from qutiperf.models import topologies_efficientnet as efficientnet
from qutiperf.models import topologies_imagenet as imagenet
from qutiperf.models.topologies_builder import NetworkBuilder, draw_weights
from qutiperf.spec.config import nearest
from qutiperf.spec.limits import MOST
from qutiperf.units import BYTES_PER_GB

Build = Callable[[float, int, int | str], onnx.ModelProto]
LEAST_SCALE_PERCENT, MOST_SCALE_PERCENT = 0.1, 1000  # ten times as wide: a hundred times the weights
MOST_PIXELS = 10_000
MOST_SEED = 2**64 - 1
MOST_BYTES = 2_000_000_000  # protobuf's limit of a message is 2 GiB
FLOAT_BYTES = 4
MLP_HIDDEN = 2048
CNV_CHANNELS = 128


@dataclass(frozen=True, slots=True)
class TopologyEntry:
    """How to build a network, the side of its square input in pixels, and where it was published."""

    build: Build
    input_size: int
    source: str


def mlp(scale: float, size: int, batch: int | str) -> onnx.ModelProto:
    """784-h-h-h-10 for 28 x 28 pixels, h = 2048 at scale 1."""
    net = NetworkBuilder()
    tensor = net.input("image", size * size, 1)
    hidden = imagenet.scaled(MLP_HIDDEN, scale)
    for number in (1, 2, 3):
        tensor = net.dense(f"fc{number}", tensor, hidden, relu=True)
    return net.model("mlp", "image", [batch, size * size], net.dense("fc4", tensor, 10, relu=False))


def cnv(scale: float, size: int, batch: int | str) -> onnx.ModelProto:
    """Six 3x3 convolutions without padding and three dense layers; 128 channels at scale 1."""
    net = NetworkBuilder()
    tensor, width = net.input("image", 3, size), imagenet.scaled(CNV_CHANNELS, scale)
    for stage, factor in enumerate((1, 2, 4), start=1):
        for layer in (1, 2):
            tensor = net.conv(f"conv{stage}_{layer}", tensor, factor * width, 3, padding=0)
        if factor < 4:
            tensor = net.pool(f"pool{stage}", tensor, 2, 2)
    tensor = net.flatten("flatten", tensor)
    for number in (1, 2):
        tensor = net.dense(f"fc{number}", tensor, 8 * width, relu=True)
    result = net.dense("fc3", tensor, 10, relu=False)
    return net.model("cnv", "image", [batch, 3, size, size], result)


TOPOLOGIES: Mapping[str, TopologyEntry] = {
    "mlp": TopologyEntry(mlp, 28, "Blott 2021, table 6.1"),
    "cnv": TopologyEntry(cnv, 32, "Blott 2021, table 6.1"),
    "resnet50": TopologyEntry(imagenet.resnet50, 224, "He et al. 2015; stride as in MLPerf (v1.5)"),
    "resnet50-v1": TopologyEntry(imagenet.resnet50_v1, 224, "He et al. 2015"),
    "resnet50-pruned": TopologyEntry(imagenet.resnet50_pruned, 224, "He et al. 2015, blocks thinned inside"),
    "googlenet": TopologyEntry(imagenet.googlenet, 224, "Szegedy et al. 2014"),
    "mobilenet": TopologyEntry(imagenet.mobilenet, 224, "Howard et al. 2017"),
    "efficientnet-edgetpu-s": TopologyEntry(efficientnet.efficientnet_edgetpu_s, 224, "Gupta and Akin 2020"),
    "efficientnet-edgetpu-m": TopologyEntry(efficientnet.efficientnet_edgetpu_m, 240, "Gupta and Akin 2020"),
    "efficientnet-edgetpu-l": TopologyEntry(efficientnet.efficientnet_edgetpu_l, 300, "Gupta and Akin 2020"),
}


def declare(
    name: str, channel_scale_percent: float = 100.0, input_size: int | None = None, batch: int | str = "batch"
) -> onnx.ModelProto:
    """The network with weights declared but without data: enough for requirements; raises InputError."""
    entry = TOPOLOGIES.get(name)
    if entry is None:
        raise InputError(f"no topology named '{name}'", cure=nearest(name, TOPOLOGIES))
    if not LEAST_SCALE_PERCENT <= channel_scale_percent <= MOST_SCALE_PERCENT:
        cure = f"give {LEAST_SCALE_PERCENT} to {MOST_SCALE_PERCENT:,} %"
        raise InputError(f"a channel scale of {channel_scale_percent:g} %", where=name, cure=cure)
    size = entry.input_size if input_size is None else input_size
    _check_count("an input of {} pixels", size, MOST_PIXELS, name)
    if isinstance(batch, int):
        _check_count("a batch of {}", batch, MOST["batch_size"], name)
    try:
        return entry.build(channel_scale_percent / 100, size, batch)
    except ValueError as error:
        cure = f"{error}; it was published for {entry.input_size}"
        raise InputError(f"an input of {size} pixels is too small", where=name, cure=cure) from None


def _check_count(what: str, count: int, most: int, where: str) -> None:
    if not 1 <= count <= most:
        raise InputError(what.format(f"{count:,}"), where=where, cure=f"give 1 to {most:,}")


def check_seed(seed: int, where: str) -> None:
    """Raises InputError unless numpy and YAML both take the seed."""
    if not 0 <= seed <= MOST_SEED:
        raise InputError(f"a seed of {seed:,}", where=where, cure=f"give 0 to {MOST_SEED:,}")


def build(
    name: str,
    channel_scale_percent: float = 100.0,
    input_size: int | None = None,
    batch: int | str = "batch",
    seed: int = 1,
    sparsity_percent: float = 0.0,
) -> onnx.ModelProto:
    """The network with seeded random weights, ready for a runtime; raises InputError."""
    check_seed(seed, name)
    model = declare(name, channel_scale_percent, input_size, batch)
    check_weights(model, name)
    draw_weights(model, seed, sparsity_percent)
    return model


def check_weights(model: onnx.ModelProto, name: str) -> None:
    """Raises InputError if the weights of a declared network do not fit into a file."""
    weight_bytes = sum(FLOAT_BYTES * math.prod(tensor.dims) for tensor in model.graph.initializer)
    if weight_bytes > MOST_BYTES:
        problem = f"has {weight_bytes / BYTES_PER_GB:,.1f} GB of weights, an ONNX file holds 2 GB"
        raise InputError(problem, where=name, cure="give a smaller channel scale or input")


def is_flat(name: str) -> bool:
    """Whether the input of a topology is a vector of pixels instead of an image with three channels."""
    return TOPOLOGIES[name].build is mlp


def write(
    path: Path,
    name: str,
    channel_scale_percent: float = 100.0,
    input_size: int | None = None,
    batch: int | str = "batch",
    seed: int = 1,
) -> None:
    """Builds and saves the network; raises InputError, or SetupError if the file cannot be written."""
    save(build(name, channel_scale_percent, input_size, batch, seed), path)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Raises SetupError if the file cannot be written."""
    try:
        path.write_bytes(model.SerializeToString())
    except OSError as error:
        cure = "name another file"
        raise SetupError(f"cannot be written: {error.strerror}", where=str(path), cure=cure) from None
