"""EfficientNet-EdgeTPU S, M and L.

Source: Gupta and Akin 2020, Accelerator-aware neural network design using AutoML (arXiv 2003.02838), and
the published model definition: fused blocks (a full 3x3 convolution that expands, then 1x1 with the stride)
in the first three stages, depthwise 5x5 blocks after, ReLU, no squeeze-and-excitation.
"""

import math
from dataclasses import dataclass

import onnx

from qutiperf.models.topologies_builder import NetworkBuilder

CLASSES = 1000
STEM_FILTERS = 32
HEAD_FILTERS = 1280
CHANNEL_DIVISOR = 8


@dataclass(frozen=True, slots=True)
class Stage:
    """Repeats of one block; `base_filters` is what the first block's expansion is counted from."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    base_filters: int
    filters: int
    fused: bool
    skip: bool = True


STAGES = (
    Stage(1, 3, 1, 4, 24, 24, fused=True, skip=False),
    Stage(2, 3, 2, 8, 24, 32, fused=True),
    Stage(4, 3, 2, 8, 32, 48, fused=True),
    Stage(5, 5, 2, 8, 48, 96, fused=False),
    Stage(4, 5, 1, 8, 96, 144, fused=False),
    Stage(2, 5, 2, 8, 144, 192, fused=False),
)


def efficientnet_edgetpu_s(scale: float, size: int, batch: int | str) -> onnx.ModelProto:
    return _efficientnet("efficientnet-edgetpu-s", scale, 1.0, size, batch)


def efficientnet_edgetpu_m(scale: float, size: int, batch: int | str) -> onnx.ModelProto:
    return _efficientnet("efficientnet-edgetpu-m", scale, 1.1, size, batch)


def efficientnet_edgetpu_l(scale: float, size: int, batch: int | str) -> onnx.ModelProto:
    return _efficientnet("efficientnet-edgetpu-l", 1.2 * scale, 1.4, size, batch)


def _rounded(filters: int, width: float) -> int:
    """Filters x width to the next multiple of 8, but never more than 10 % below the product."""
    product = filters * width
    if width == 1:
        return filters
    multiple = max(CHANNEL_DIVISOR, int(product + CHANNEL_DIVISOR / 2) // CHANNEL_DIVISOR * CHANNEL_DIVISOR)
    return multiple if multiple >= 0.9 * product else multiple + CHANNEL_DIVISOR


def _efficientnet(name: str, width: float, depth: float, size: int, batch: int | str) -> onnx.ModelProto:
    net = NetworkBuilder()
    tensor = net.conv("stem", net.input("image", 3, size), _rounded(STEM_FILTERS, width), 3, stride=2)
    for number, stage in enumerate(STAGES, start=1):
        for block in range(math.ceil(stage.repeats * depth)):
            tensor = _block(net, f"block{number}_{block}", tensor, stage, width, first=block == 0)
    tensor = net.conv("head", tensor, _rounded(HEAD_FILTERS, width), 1)
    tensor = net.flatten("flatten", net.global_average("pool", tensor))
    result = net.dense("classifier", tensor, CLASSES, relu=False)
    return net.model(name, "image", [batch, 3, size, size], result)


def _block(net: NetworkBuilder, name: str, tensor: str, stage: Stage, width: float, *, first: bool) -> str:
    base = stage.base_filters if first else stage.filters
    expanded, filters = _rounded(base, width) * stage.expansion, _rounded(stage.filters, width)
    stride = stage.stride if first else 1
    if stage.fused:
        inner = net.conv(f"{name}_expand", tensor, expanded, stage.kernel)
    else:
        inner = net.conv(f"{name}_expand", tensor, expanded, 1)
        inner = net.conv(f"{name}_depthwise", inner, expanded, stage.kernel, stride=stride, groups=expanded)
    inner = net.conv(f"{name}_project", inner, filters, 1, stride=stride if stage.fused else 1, relu=False)
    if stage.skip and stride == 1 and net.channels[tensor] == filters:
        return net.add(name, inner, tensor, relu=False)
    return inner
