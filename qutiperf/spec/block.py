"""Blocks of layers with branches, and parts: what can be built alone."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from pydantic import model_validator

from qutiperf.spec.config import StrictModel
from qutiperf.spec.layer import (
    ActivationName,
    Attention,
    Convolution,
    Count,
    Dense,
    Elementwise,
    Function,
    Pair,
    Pool,
    Product,
    Recurrent,
    Shape,
    Threshold,
)

MOST_WEIGHTS = 500_000_000  # of one part: an ONNX file holds 2 GB


class Block(StrictModel):
    """A group of layers with branches, as networks repeat them; `channels` are those inside the block.

    residual: 1x1, 3x3 with the stride, 1x1, added to the input or to its 1x1 projection. fire: a 1x1
    convolution, then a 1x1 and a 3x3 one side by side. inverted_bottleneck: 1x1, depthwise 3x3 with the
    stride, 1x1, added to the input if the shapes are equal. squeeze: each channel scaled by two dense
    layers over the channels' averages.
    """

    kind: Literal["residual", "fire", "inverted_bottleneck", "squeeze"]
    in_channels: Count
    channels: Count
    out_channels: Count
    size: Pair
    stride: Pair = [1, 1]

    @model_validator(mode="after")
    def _fits(self) -> "Block":
        if self.kind == "fire" and self.out_channels % 2:
            raise ValueError(f"out_channels: {self.out_channels} is odd; a fire block has two equal halves")
        if self.kind == "squeeze" and self.in_channels != self.out_channels:
            raise ValueError("out_channels: a squeeze block keeps its channels")
        if self.kind in ("fire", "squeeze") and self.stride != [1, 1]:
            raise ValueError(f"stride: a {self.kind} block has none")
        return self

    @property
    def projects(self) -> bool:
        """Whether the shortcut of a residual block is a convolution."""
        return self.in_channels != self.out_channels or self.stride != [1, 1]

    @property
    def layers(self) -> list[Convolution]:
        """Its convolutions, each with its own input size."""
        small = [math.ceil(size / step) for size, step in zip(self.size, self.stride, strict=True)]
        of_kind = {
            "residual": self._residual,
            "fire": self._fire,
            "inverted_bottleneck": self._inverted,
            "squeeze": self._squeeze,
        }
        return of_kind[self.kind](small)

    def _residual(self, small: list[int]) -> list[Convolution]:
        inner, outer = self.channels, self.out_channels
        layers = [
            _convolution(self.in_channels, inner, self.size, 1, "relu"),
            _convolution(inner, inner, self.size, 3, "relu", self.stride),
            _convolution(inner, outer, small, 1, "none"),
        ]
        shortcut = _convolution(self.in_channels, outer, self.size, 1, "none", self.stride)
        return [*layers, shortcut] if self.projects else layers

    def _fire(self, small: list[int]) -> list[Convolution]:
        half = self.out_channels // 2
        return [
            _convolution(self.in_channels, self.channels, self.size, 1, "relu"),
            _convolution(self.channels, half, self.size, 1, "relu"),
            _convolution(self.channels, half, self.size, 3, "relu"),
        ]

    def _inverted(self, small: list[int]) -> list[Convolution]:
        inner = self.channels
        return [
            _convolution(self.in_channels, inner, self.size, 1, "relu6"),
            _convolution(inner, inner, self.size, 3, "relu6", self.stride, inner),
            _convolution(inner, self.out_channels, small, 1, "none"),
        ]

    def _squeeze(self, small: list[int]) -> list[Convolution]:
        return [
            _convolution(self.in_channels, self.channels, [1, 1], 1, "relu"),
            _convolution(self.channels, self.out_channels, [1, 1], 1, "sigmoid"),
        ]

    @property
    def input_shapes(self) -> list[Shape]:
        return [(self.in_channels, *self.size)]

    @property
    def output_shape(self) -> Shape:
        small = (math.ceil(size / step) for size, step in zip(self.size, self.stride, strict=True))
        return (self.out_channels, *small)

    @property
    def accumulation(self) -> int:
        return sum(layer.accumulation for layer in self.layers)

    @property
    def weights(self) -> int:
        return sum(layer.weights for layer in self.layers)


def _convolution(
    inputs: int,
    outputs: int,
    size: list[int],
    kernel: int,
    activation: ActivationName,
    stride: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Convolution:
    return Convolution(
        in_channels=inputs,
        out_channels=outputs,
        size=list(size),
        kernel=[kernel, kernel],
        stride=list(stride),
        groups=groups,
        activation=activation,
    )


Part = (
    Convolution | Dense | Product | Pool | Elementwise | Function | Recurrent | Attention | Threshold | Block
)


def check_stack(layers: Sequence[Part]) -> None:
    """Raises ValueError unless each layer takes the output of the one before."""
    for number, (before, after) in enumerate(pairwise(layers), start=1):
        if after.input_shapes != [before.output_shape]:
            given, takes = list(before.output_shape), [list(shape) for shape in after.input_shapes]
            raise ValueError(f"stack.{number}: takes {takes}, but the layer before gives {given}")


def check_size(parts: Sequence[Part]) -> None:
    """Raises ValueError for more weights than a file can hold."""
    weights = sum(part.weights for part in parts)
    if weights > MOST_WEIGHTS:
        raise ValueError(f"has {weights:,} weights, more than {MOST_WEIGHTS:,}")
