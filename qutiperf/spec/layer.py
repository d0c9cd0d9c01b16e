"""The layers that microbenchmarks measure, alone or in stacks.

Shapes are those of one input, channels first; sizes are [height, width], where one number is a square.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from qutiperf.spec.config import StrictModel

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Shape = tuple[int, ...]
ActivationName = Literal["none", "relu", "relu6", "sigmoid", "tanh", "silu", "hard_swish", "gelu"]


def _pair(value: object) -> object:
    return [value, value] if isinstance(value, int) and not isinstance(value, bool) else value


Pair = Annotated[list[Count], Field(min_length=2, max_length=2), BeforeValidator(_pair)]
Padding = Annotated[list[Annotated[int, Field(ge=0, le=1000)]], Field(min_length=4, max_length=4)]


class Convolution(StrictModel):
    """A convolution with its activation.

    `padding` is [top, left, bottom, right], by default TensorFlow's SAME. Groups as large as the input
    channels make it depthwise.
    """

    kind: Literal["convolution"] = "convolution"
    in_channels: Count
    out_channels: Count
    size: Pair
    kernel: Pair = [1, 1]
    stride: Pair = [1, 1]
    padding: Padding | None = None
    groups: Count = 1
    bias: bool = True
    activation: ActivationName = "none"

    @model_validator(mode="after")
    def _fits(self) -> "Convolution":
        if self.in_channels % self.groups or self.out_channels % self.groups:
            channels = f"{self.in_channels} and {self.out_channels} channels"
            raise ValueError(f"groups: {self.groups} does not divide {channels}")
        _check_window(self.size, self.kernel, self.pads)
        return self

    @property
    def pads(self) -> list[int]:
        return same_padding(self.size, self.kernel, self.stride) if self.padding is None else self.padding

    @property
    def input_shapes(self) -> list[Shape]:
        return [(self.in_channels, *self.size)]

    @property
    def output_shape(self) -> Shape:
        return (self.out_channels, *windows(self.size, self.kernel, self.stride, self.pads))

    @property
    def accumulation(self) -> int:
        """Products that are added up for one output."""
        return self.in_channels // self.groups * math.prod(self.kernel)

    @property
    def weights(self) -> int:
        return self.out_channels * self.accumulation


class Dense(StrictModel):
    """A matrix product with constant weights; `rows` vectors of one input are multiplied at a time."""

    kind: Literal["dense"] = "dense"
    inputs: Count
    outputs: Count
    rows: Count | None = None
    bias: bool = True
    activation: ActivationName = "none"

    @property
    def input_shapes(self) -> list[Shape]:
        return [(self.inputs,) if self.rows is None else (self.rows, self.inputs)]

    @property
    def output_shape(self) -> Shape:
        return (self.outputs,) if self.rows is None else (self.rows, self.outputs)

    @property
    def accumulation(self) -> int:
        return self.inputs

    @property
    def weights(self) -> int:
        return self.inputs * self.outputs


class Product(StrictModel):
    """A product of two computed matrices, as in attention: `heads` times [rows, inner] x [inner, columns]."""

    kind: Literal["product"] = "product"
    heads: Count = 1
    rows: Count
    inner: Count
    columns: Count

    @property
    def input_shapes(self) -> list[Shape]:
        return [(self.heads, self.rows, self.inner), (self.heads, self.inner, self.columns)]

    @property
    def output_shape(self) -> Shape:
        return (self.heads, self.rows, self.columns)

    @property
    def accumulation(self) -> int:
        return self.inner

    @property
    def weights(self) -> int:
        return 0


class Pool(StrictModel):
    """Pooling with a window, or over the whole feature map (`global_average`, without a kernel)."""

    kind: Literal["pool"] = "pool"
    operator: Literal["max", "average", "global_average"] = "max"
    channels: Count
    size: Pair
    kernel: Pair | None = None
    stride: Pair | None = None
    padding: Padding = [0, 0, 0, 0]
    ceil: bool = False

    @model_validator(mode="after")
    def _fits(self) -> "Pool":
        if (self.kernel is None) != (self.operator == "global_average"):
            raise ValueError("kernel: max and average pooling need one, global_average has none")
        if self.kernel is not None:
            _check_window(self.size, self.kernel, self.padding)
        return self

    @property
    def window(self) -> list[int]:
        return self.kernel or self.size

    @property
    def steps(self) -> list[int]:
        return self.stride or self.window

    @property
    def input_shapes(self) -> list[Shape]:
        return [(self.channels, *self.size)]

    @property
    def output_shape(self) -> Shape:
        return (self.channels, *windows(self.size, self.window, self.steps, self.padding, ceil=self.ceil))

    @property
    def accumulation(self) -> int:
        return math.prod(self.window)

    @property
    def weights(self) -> int:
        return 0


class Elementwise(StrictModel):
    """The sum or product of two tensors of one shape, with an activation."""

    kind: Literal["elementwise"] = "elementwise"
    operator: Literal["add", "multiply"] = "add"
    shape: Annotated[list[Count], Field(min_length=1, max_length=4)]
    activation: ActivationName = "none"

    @property
    def input_shapes(self) -> list[Shape]:
        return [tuple(self.shape)] * 2

    @property
    def output_shape(self) -> Shape:
        return tuple(self.shape)

    @property
    def accumulation(self) -> int:
        return 2

    @property
    def weights(self) -> int:
        return 0


class Function(StrictModel):
    """An activation function, softmax over the last axis, or normalisation, on its own."""

    kind: Literal["function"] = "function"
    operator: Literal[
        "relu", "relu6", "sigmoid", "tanh", "silu", "hard_swish", "gelu",
        "softmax", "batch_normalisation", "layer_normalisation",
    ]  # fmt: skip
    shape: Annotated[list[Count], Field(min_length=1, max_length=4)]

    @property
    def input_shapes(self) -> list[Shape]:
        return [tuple(self.shape)]

    @property
    def output_shape(self) -> Shape:
        return tuple(self.shape)

    @property
    def accumulation(self) -> int:
        return self.shape[-1]

    @property
    def weights(self) -> int:
        return 0


class Recurrent(StrictModel):
    """An LSTM or a GRU over a sequence of `steps` vectors, with the state of every step as the result."""

    kind: Literal["recurrent"] = "recurrent"
    operator: Literal["lstm", "gru"] = "lstm"
    inputs: Count
    hidden: Count
    steps: Count

    @property
    def gates(self) -> int:
        return 4 if self.operator == "lstm" else 3

    @property
    def input_shapes(self) -> list[Shape]:
        return [(self.steps, self.inputs)]

    @property
    def output_shape(self) -> Shape:
        return (self.steps, self.hidden)

    @property
    def accumulation(self) -> int:
        return (self.inputs + self.hidden) * self.steps

    @property
    def weights(self) -> int:
        return self.gates * self.hidden * (self.inputs + self.hidden)


class Attention(StrictModel):
    """Self-attention of several heads over `rows` vectors of `width`: softmax(Q K^T / sqrt(width / heads)) V.

    Q, K and V are products of the input with weights, and the result is multiplied with weights once more;
    without `projections` they are three inputs of [heads, rows, width / heads], and there are no weights.
    """

    kind: Literal["attention"] = "attention"
    rows: Count
    width: Count
    heads: Count = 1
    projections: bool = True
    bias: bool = True

    @model_validator(mode="after")
    def _divides(self) -> "Attention":
        if self.width % self.heads:
            raise ValueError(f"heads: {self.heads} does not divide the width of {self.width}")
        return self

    @property
    def of_heads(self) -> Shape:
        return (self.heads, self.rows, self.width // self.heads)

    @property
    def input_shapes(self) -> list[Shape]:
        return [(self.rows, self.width)] if self.projections else [self.of_heads] * 3

    @property
    def output_shape(self) -> Shape:
        return (self.rows, self.width) if self.projections else self.of_heads

    @property
    def accumulation(self) -> int:
        """Those of its products in sequence."""
        return (2 * self.width if self.projections else 0) + self.width // self.heads + self.rows

    @property
    def weights(self) -> int:
        return 4 * self.width * self.width if self.projections else 0

    @property
    def inner_elements(self) -> int:
        """Of tensors between its nodes: Q, K and V, scores and their softmax."""
        return 3 * self.rows * self.width + 2 * self.heads * self.rows * self.rows

    @property
    def roundings(self) -> int:
        """Tensors that are rounded in int8, up to the output."""
        return 7 if self.projections else 3


class Threshold(StrictModel):
    """A multi-threshold activation: how many of its channel's 2^bits - 1 thresholds each value reaches.

    ONNX has no operator for it: it is built as a comparison with every threshold, whose results are added.
    """

    kind: Literal["threshold"] = "threshold"
    shape: Annotated[list[Count], Field(min_length=1, max_length=4)]
    bits: Literal[1, 2, 3, 4] = 2

    @property
    def thresholds(self) -> int:
        return int(2**self.bits) - 1

    @property
    def input_shapes(self) -> list[Shape]:
        return [tuple(self.shape)]

    @property
    def output_shape(self) -> Shape:
        return tuple(self.shape)

    @property
    def accumulation(self) -> int:
        return self.thresholds

    @property
    def weights(self) -> int:
        return 0

    @property
    def inner_elements(self) -> int:
        """Of the comparisons, and of the numbers that they become."""
        return 2 * self.thresholds * math.prod(self.shape)

    @property
    def roundings(self) -> int:
        """The output is a count."""
        return 0


Layer = Annotated[
    Convolution | Dense | Product | Pool | Elementwise | Function | Recurrent | Attention | Threshold,
    Field(discriminator="kind"),
]


def same_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[int]:
    """[top, left, bottom, right] so that the output is ceil(size / stride); an odd row goes to the end."""
    totals = [
        max((math.ceil(length / step) - 1) * step + window - length, 0)
        for length, window, step in zip(size, kernel, stride, strict=True)
    ]
    return [*(total // 2 for total in totals), *(total - total // 2 for total in totals)]


def windows(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    *,
    ceil: bool = False,
) -> tuple[int, int]:
    """Rows and columns of windows that fit; with `ceil` the one that is only partly inside counts."""
    counts = []
    for axis in (0, 1):
        span = size[axis] + padding[axis] + padding[axis + 2] - kernel[axis]
        counts.append((math.ceil(span / stride[axis]) if ceil else span // stride[axis]) + 1)
    return counts[0], counts[1]


def _check_window(size: Sequence[int], kernel: Sequence[int], padding: Sequence[int]) -> None:
    for axis in (0, 1):
        padded = size[axis] + padding[axis] + padding[axis + 2]
        if kernel[axis] > padded:
            raise ValueError(f"kernel: {kernel[axis]} is larger than the padded input of {padded}")
