"""ResNet-50, GoogLeNet v1 and MobileNet v1 as published, at any channel scale and input size."""

from collections.abc import Sequence

import onnx

from qutiperf.models.topologies_builder import NetworkBuilder

CLASSES = 1000
Scale = float  # 1.0 = the published number of channels


def scaled(channels: int, scale: Scale) -> int:
    return max(1, round(channels * scale))


def resnet50(scale: Scale, size: int, batch: int | str) -> onnx.ModelProto:
    """He et al. 2015 with the stride in the 3x3 convolution (v1.5, as MLPerf); `scale` thins every layer."""
    return _resnet50("resnet50", scale, scale, size, batch, stride_in_first=False)


def resnet50_v1(scale: Scale, size: int, batch: int | str) -> onnx.ModelProto:
    """He et al. 2015, the stride in the first 1x1 convolution: the published 7.72 GOP."""
    return _resnet50("resnet50-v1", scale, scale, size, batch, stride_in_first=True)


def resnet50_pruned(scale: Scale, size: int, batch: int | str) -> onnx.ModelProto:
    """ResNet-50 v1 whose blocks keep their outputs; `scale` thins the two layers inside each block."""
    return _resnet50("resnet50-pruned", 1.0, scale, size, batch, stride_in_first=True)


def _resnet50(
    name: str, outer: Scale, inner: Scale, size: int, batch: int | str, *, stride_in_first: bool
) -> onnx.ModelProto:
    net = NetworkBuilder()
    tensor = net.conv("conv1", net.input("image", 3, size), scaled(64, outer), 7, stride=2, padding=3)
    tensor = net.pool("pool1", tensor, 3, 2, padding=1)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=2):
        for block in range(blocks):
            stride = 2 if stage > 2 and block == 0 else 1
            strides = (stride, 1) if stride_in_first else (1, stride)
            filters = (scaled(width, inner), scaled(4 * width, outer))
            tensor = _bottleneck(net, f"res{stage}{'abcdef'[block]}", tensor, filters, strides)
    tensor = net.flatten("flatten", net.global_average("pool5", tensor))
    result = net.dense("fc1000", tensor, CLASSES, relu=False)
    return net.model(name, "image", [batch, 3, size, size], result)


def _bottleneck(
    net: NetworkBuilder, name: str, tensor: str, filters: tuple[int, int], strides: tuple[int, int]
) -> str:
    inner, outer = filters
    branch = net.conv(f"{name}_branch2a", tensor, inner, 1, stride=strides[0])
    branch = net.conv(f"{name}_branch2b", branch, inner, 3, stride=strides[1], padding=1)
    branch = net.conv(f"{name}_branch2c", branch, outer, 1, relu=False)
    stride = strides[0] * strides[1]
    if stride > 1 or net.channels[tensor] != outer:
        tensor = net.conv(f"{name}_branch1", tensor, outer, 1, stride=stride, relu=False)
    return net.add(name, branch, tensor, relu=True)


# filters of each module: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
# source: Szegedy et al. 2014, Going deeper with convolutions, table 1
_INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(scale: Scale, size: int, batch: int | str) -> onnx.ModelProto:
    """Szegedy et al. 2014 without the auxiliary classifiers, which inference leaves out."""
    net = NetworkBuilder()
    tensor = net.conv("conv1", net.input("image", 3, size), scaled(64, scale), 7, stride=2, padding=3)
    tensor = net.pool("pool1", tensor, 3, 2, ceil=True)
    tensor = net.conv("conv2_reduce", tensor, scaled(64, scale), 1)
    tensor = net.conv("conv2", tensor, scaled(192, scale), 3)
    tensor = net.pool("pool2", tensor, 3, 2, ceil=True)
    for name, filters in _INCEPTIONS.items():
        if name in {"4a", "5a"}:
            tensor = net.pool(f"pool_{name}", tensor, 3, 2, ceil=True)
        tensor = _inception(net, f"inception_{name}", tensor, [scaled(count, scale) for count in filters])
    tensor = net.flatten("flatten", net.global_average("pool5", tensor))
    result = net.dense("classifier", tensor, CLASSES, relu=False)
    return net.model("googlenet", "image", [batch, 3, size, size], result)


def _inception(net: NetworkBuilder, name: str, tensor: str, filters: Sequence[int]) -> str:
    single, reduce3, wide3, reduce5, wide5, projection = filters
    branches = [
        net.conv(f"{name}_1x1", tensor, single, 1),
        net.conv(f"{name}_3x3", net.conv(f"{name}_3x3_reduce", tensor, reduce3, 1), wide3, 3),
        net.conv(f"{name}_5x5", net.conv(f"{name}_5x5_reduce", tensor, reduce5, 1), wide5, 5),
        net.conv(f"{name}_proj", net.pool(f"{name}_pool", tensor, 3, 1, padding=1), projection, 1),
    ]
    return net.concat(name, branches)


# filters and stride of each separable layer; source: Howard et al. 2017, MobileNets, table 1
_SEPARABLE = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)


def mobilenet(scale: Scale, size: int, batch: int | str) -> onnx.ModelProto:
    """Howard et al. 2017; `scale` is the width multiplier."""
    net = NetworkBuilder()
    tensor = net.conv("conv1", net.input("image", 3, size), scaled(32, scale), 3, stride=2)
    for index, (filters, stride) in enumerate(_SEPARABLE, start=2):
        width = net.channels[tensor]
        tensor = net.conv(f"conv{index}_depthwise", tensor, width, 3, stride=stride, groups=width)
        tensor = net.conv(f"conv{index}_pointwise", tensor, scaled(filters, scale), 1)
    tensor = net.flatten("flatten", net.global_average("pool", tensor))
    result = net.dense("classifier", tensor, CLASSES, relu=False)
    return net.model("mobilenet", "image", [batch, 3, size, size], result)
