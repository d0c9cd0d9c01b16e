"""The requirements of a network: operations, weights and activations, per layer and in total."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

LayerKind = Literal["dense", "convolution", "depthwise", "recurrent", "attention", "other"]
BITS_PER_BYTE = 8
MILLION = 1e6
BILLION = 1e9


@dataclass(frozen=True, slots=True)
class LayerRequirement:
    """One node of the graph, for the whole batch of the graph.

    `ops` counts the multiplications and additions of matrix products (2 per multiply-accumulate);
    `other_ops` the arithmetic of pooling, normalisation, activation functions and elementwise operators.
    Sizes are elements. `in_channels`, `out_channels` and `positions` describe the matrix product of one
    input: each of `positions` outputs multiplies `in_channels` x `kernel` inputs (in_channels per group).
    """

    name: str
    operator: str
    kind: LayerKind
    ops: float = 0.0
    other_ops: float = 0.0
    weights: int = 0
    other_parameters: int = 0
    input_activations: int = 0
    activations: int = 0
    state: int = 0
    weight_bits: int | None = None
    activation_bits: int | None = None
    in_channels: int = 0
    out_channels: int = 0
    groups: int = 1
    kernel: int = 1
    positions: int = 0

    @property
    def multiplies(self) -> bool:
        """True for layers whose work is a matrix product."""
        return self.kind != "other"

    def repeated(self, times: int) -> "LayerRequirement":
        """The layer run so many times for one input, with the same weights."""
        if times == 1:
            return self
        return replace(
            self,
            ops=self.ops * times,
            other_ops=self.other_ops * times,
            input_activations=self.input_activations * times,
            activations=self.activations * times,
        )


@dataclass(frozen=True, slots=True)
class Training:
    """Training one sample: 3 x the inference ops and one update op per weight; buffers in elements.

    Source: Blott 2021: the backward pass does twice the work of the forward pass; weights, their gradients
    and their updates, activations and activation gradients are in memory at the same time.
    """

    ops: float
    weight_elements: int
    activation_elements: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """All layers of one network; `batch` inputs per pass, totals are per input unless noted otherwise."""

    name: str
    batch: int
    layers: tuple[LayerRequirement, ...]
    unknown_operators: Mapping[str, int]
    nodes: int

    @property
    def ops(self) -> float:
        """Multiplications and additions of matrix products per input."""
        return sum(layer.ops for layer in self.layers) / self.batch

    @property
    def other_ops(self) -> float:
        return sum(layer.other_ops for layer in self.layers) / self.batch

    @property
    def weights(self) -> int:
        """Elements of the weights of matrix products, once for all inputs."""
        return sum(layer.weights for layer in self.layers)

    @property
    def other_parameters(self) -> int:
        """Biases, normalisation and other constants that arithmetic uses."""
        return sum(layer.other_parameters for layer in self.layers)

    @property
    def activations(self) -> float:
        """Sum of the outputs of the layers that multiply, elements per input."""
        return sum(layer.activations for layer in self.layers if layer.multiplies) / self.batch

    @property
    def state(self) -> float:
        """State that a recurrent layer or an attention cache passes on per step, elements per input."""
        return sum(layer.state for layer in self.layers) / self.batch

    @property
    def unknown_share_percent(self) -> float:
        """Nodes whose operator has no counting rule, as a share of all nodes."""
        return 100 * sum(self.unknown_operators.values()) / self.nodes if self.nodes else 0.0

    @property
    def weight_bits(self) -> float | None:
        """Mean bits of a weight; None if there are none or the graph does not specify them."""
        sized = [(layer.weights, layer.weight_bits) for layer in self.layers if layer.weights]
        return _mean_bits(sized)

    @property
    def activation_bits(self) -> float | None:
        """Mean bits of the outputs of the layers that multiply; None if the graph does not specify them."""
        return _mean_bits(
            [(layer.activations, layer.activation_bits) for layer in self.layers if layer.multiplies]
        )

    @property
    def training(self) -> Training:
        parameters = self.weights
        return Training(3 * self.ops + parameters, 3 * parameters, round(2 * self.activations))

    def operational_intensity(self, weight_bits: float, batch: int = 1) -> float | None:
        """Ops per byte of weights when each weight is read once for `batch` inputs; None without weights.

        Source: Williams et al. 2009 (roofline); activations are assumed to stay on chip, as in Blott 2021.
        """
        weight_bytes = self.weights * weight_bits / BITS_PER_BYTE
        return self.ops * batch / weight_bytes if weight_bytes else None


def _mean_bits(sized: list[tuple[int, int | None]]) -> float | None:
    known = [(size, bits) for size, bits in sized if bits is not None]
    total = sum(size for size, _ in known)
    if not total or len(known) < len(sized):
        return None
    return sum(size * bits for size, bits in known) / total
