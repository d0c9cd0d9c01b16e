"""Layers that ONNX writes as several nodes: attention, and activation functions with many thresholds."""

import numpy as np

from qutiperf.models.part_builder import PartBuilder, PartTensor
from qutiperf.spec.layer import Attention, Threshold


def attention(builder: PartBuilder, layer: Attention, tensors: list[PartTensor]) -> PartTensor:
    """Of one input and four weights, or of Q, K and V."""
    if not layer.projections:
        query, key, value = tensors
        return builder.attended(query, builder.transposed(key, [0, 1, 3, 2]), value)
    source = tensors[0]
    query, key, value = (_projected(builder, layer, source) for _ in range(3))
    heads = [builder.reshaped(each, (layer.rows, layer.heads, -1)) for each in (query, key, value)]
    orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    turned = [builder.transposed(each, order) for each, order in zip(heads, orders, strict=True)]
    joined = builder.transposed(builder.attended(*turned), [0, 2, 1, 3])
    return _projected(builder, layer, builder.reshaped(joined, (layer.rows, layer.width)))


def _projected(builder: PartBuilder, layer: Attention, source: PartTensor) -> PartTensor:
    shape = (layer.rows, layer.width)
    return builder.dense(source, layer.width, shape, bias=layer.bias, activation="none")


def thresholded(builder: PartBuilder, layer: Threshold, source: PartTensor) -> PartTensor:
    """Each channel has sorted thresholds of its own over the range of the input.

    In int8 they are between the steps of the input, so that no rounding decides a comparison.
    """
    least, most = source.least_and_most
    count, channels = layer.thresholds, layer.shape[0]
    places = np.sort(builder.weights.generator.random((channels, count), np.float32), axis=1)
    values = least + (most - least) * places
    if builder.integer:
        steps = np.floor(values / source.scale)
        values = (steps + 0.5) * source.scale
    dims = (channels, *[1] * (len(layer.shape) - 1), count)
    return builder.counted(source, values.reshape(dims).astype(np.float32))
