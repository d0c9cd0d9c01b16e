"""A network as arrays over its weight layers, the operands of the prediction."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qutiperf.errors import InputError
from qutiperf.level0.requirements import LayerRequirement, Requirements

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """Per input and per weight layer [layers]: ops, weights and activations in elements, channels, positions.

    `depthwise` and `dense` are 0 or 1. Layers of attention without weights count as dense ones. `nodes` is
    the number of nodes that compute, activation functions and pooling included.
    """

    name: str
    topology: str
    ops: Array
    weights: Array
    inputs: Array
    outputs: Array
    in_channels: Array
    out_channels: Array
    positions: Array
    depthwise: Array
    dense: Array
    nodes: float = 0.0

    @cached_property
    def total_ops(self) -> float:
        return float(self.ops.sum())

    @cached_property
    def total_weights(self) -> float:
        return float(self.weights.sum())

    def matched(self, ops: float | None, weights: float | None) -> "Network":
        """The same layers scaled to published totals (ops per input, weights in elements)."""
        ops_factor = 1.0 if ops is None else ops / self.total_ops
        weight_factor = 1.0 if weights is None else weights / self.total_weights
        return replace(self, ops=self.ops * ops_factor, weights=self.weights * weight_factor)


def network_of(requirements: Requirements, topology: str | None = None) -> Network:
    """Arrays of the layers that multiply; raises InputError if the graph has none."""
    layers = [layer for layer in requirements.layers if layer.multiplies and layer.ops]
    if not layers:
        raise InputError(
            "has no layer that multiplies, so there is nothing to predict", where=requirements.name
        )
    batch = requirements.batch
    return Network(
        name=requirements.name,
        topology=topology or requirements.name,
        ops=_array([layer.ops / batch for layer in layers]),
        weights=_array([layer.weights for layer in layers]),
        inputs=_array([layer.input_activations / batch for layer in layers]),
        outputs=_array([layer.activations / batch for layer in layers]),
        in_channels=_array([max(1, layer.in_channels) for layer in layers]),
        out_channels=_array([_channels(layer) for layer in layers]),
        positions=_array([layer.positions for layer in layers]),
        depthwise=_array([layer.kind == "depthwise" for layer in layers]),
        dense=_array([layer.positions == 1 for layer in layers]),
        nodes=float(sum(layer.ops > 0 or layer.other_ops > 0 for layer in requirements.layers)),
    )


def _channels(layer: LayerRequirement) -> int:
    """Output channels that share their inputs in one pass of the array: one for depthwise layers."""
    return 1 if layer.kind == "depthwise" else max(1, layer.out_channels)


def _array(values: list[float] | list[int] | list[bool]) -> Array:
    return np.array(values, dtype=np.float64)
