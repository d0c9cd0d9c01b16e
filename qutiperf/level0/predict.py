"""The plain and the refined prediction of throughput and latency; arrays in, arrays out.

Plain (Blott 2021): inputs/s = min(P / ops, bw / (weights x bytes)). On a host, weights are read once for b
inputs in flight, bw x b / (weights x bytes), and not at all if they fit its cache.
Refined, for b inputs in flight on one core, summed over weight layers l (seconds):

    T(b) = call x n_call + node x nodes + b x input x n_input + overflow / link
           + sum_l [ weights_l x R + activations_l  (+ or max)  compute_l ]
    weights_l     = W_l x bytes / (memory_efficiency x bw),  R = 1 per batch, b per input, 0 on chip,
                    cached: 0 if all weights fit on chip, else 1
    activations_l = b x (inputs_l + outputs_l) x bytes / (memory_efficiency x bw)
    compute_l     = b x ops_l x padding_l / (compute_efficiency x P x u)
    padding_l     = ceil(Cin/Ti) x Ti/Cin x ceil(Cout/To) x To/Cout

A pipelined (dataflow) device takes (b + fill_inputs) x sum_l; a device of N cores fed by b threads processes
min(b / (call + T1), N / T1) inputs/s, with T1 = the time of one input on one core of peak P/N.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qutiperf.level0.network import Array, Network
from qutiperf.spec.level0_terms import Terms

MICROSECOND = 1e-6
GIGA = 1e9
NARROWEST_BITS = 2.0


@dataclass(frozen=True, slots=True)
class Points:
    """The points to predict, one entry each [points]; `network` indexes `networks`.

    `peak` in ops/s, `bandwidth` in bytes/s, `weight_bytes` and `activation_bytes` per element,
    `on_chip_bytes` infinite if unknown, `clock_ratio` = fastest mode's peak over this mode's, `share` of
    the fabric used, `caches` true on hosts,
    `narrow_peak` = peak of the narrowest datatype (for bit-serial arithmetic).
    """

    networks: Sequence[Network]
    network: NDArray[np.int64]
    batch: Array
    weight_bytes: Array
    activation_bytes: Array
    peak: Array
    narrow_peak: Array
    bandwidth: Array
    on_chip_bytes: Array
    clock_ratio: Array
    share: Array
    cores: Array
    caches: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, index: NDArray[np.int64]) -> "Points":
        """The points of `index`, over the same networks."""
        arrays = {name: getattr(self, name)[index] for name in _ARRAYS}
        return Points(self.networks, self.network[index], **arrays, caches=self.caches[index])


_ARRAYS = (
    *("batch", "weight_bytes", "activation_bytes", "peak", "narrow_peak", "bandwidth", "on_chip_bytes"),
    *("clock_ratio", "share", "cores"),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Plain prediction per point: inputs/s by compute and by memory (infinite without weights)."""

    compute_ips: Array
    memory_ips: Array

    @property
    def throughput_ips(self) -> Array:
        return np.minimum(self.compute_ips, self.memory_ips)


def plain(points: Points) -> Bounds:
    """Weights off chip, read per input, on hosts per batch unless they fit the cache; activations on chip."""
    ops = np.array([network.total_ops for network in points.networks])[points.network]
    weights = np.array([network.total_weights for network in points.networks])[points.network]
    stored = weights * points.weight_bytes
    reads = np.where(points.caches, _cached_reads(points, stored) / points.batch, 1.0)
    with np.errstate(divide="ignore"):
        return Bounds(points.peak / ops, points.bandwidth / (stored * reads))


def _cached_reads(points: Points, stored_bytes: Array) -> Array:
    """How often the weights are read per batch: never if they fit on chip; an unknown cache holds none."""
    fits = np.isfinite(points.on_chip_bytes) & (stored_bytes <= points.on_chip_bytes)
    return np.where(fits, 0.0, 1.0)


def refined(points: Points, terms: Terms, constants: Mapping[str, float]) -> Array:
    """Inputs/s per point; needs every constant that the terms name (see CONSTANTS)."""
    return refined_of(by_network(points), terms, constants)


Split = Sequence[tuple[NDArray[np.int64], Points, Network]]


def by_network(points: Points) -> Split:
    """Where the points of each network are, these points, and the network."""
    places = [np.flatnonzero(points.network == number) for number in range(len(points.networks))]
    return [
        (index, points.take(index), network)
        for index, network in zip(places, points.networks, strict=True)
        if len(index)
    ]


def refined_of(split: Split, terms: Terms, constants: Mapping[str, float]) -> Array:
    """As `refined`, of points that are split already, for a fit that predicts them many times."""
    throughput = np.empty(sum(len(index) for index, _, _ in split))
    for index, points, network in split:
        throughput[index] = _of_network(points, network, terms, constants)
    return throughput


def _of_network(points: Points, network: Network, terms: Terms, constants: Mapping[str, float]) -> Array:
    """Inputs/s of the points of one network."""
    concurrent = bool((points.cores > 1).any())
    batch = np.ones(len(points)) if concurrent else points.batch
    call = constants.get("call_us", 0.0) * MICROSECOND * _times(terms.call, network)
    call_s = call * (points.clock_ratio if terms.call_follows_clock else 1.0)
    call_s += constants.get("node_us", 0.0) * MICROSECOND * network.nodes
    work_s = _layers_s(points, batch, network, terms, constants).sum(axis=1)
    if terms.pipelined:
        return _rate(points.batch, call_s + (1 + constants["fill_inputs"] / batch) * work_s)
    work_s += batch * constants.get("input_us", 0.0) * MICROSECOND * _times(terms.input, network)
    if terms.link:
        overflow = np.maximum(0.0, network.total_weights * points.weight_bytes - points.on_chip_bytes)
        work_s += overflow / (constants["link_gb_s"] * GIGA)
    if concurrent:
        return np.minimum(_rate(points.batch, call_s + work_s), _rate(points.cores, work_s))
    return _rate(points.batch, call_s + work_s)


def _rate(inputs: Array, seconds: Array) -> Array:
    rate: Array = inputs / seconds
    return rate


def _times(term: str, network: Network) -> float:
    """The number of times that a cost occurs in a pass over the network."""
    counts = {
        "none": 0.0,
        "once": 1.0,
        "layer": float(len(network.ops)),
        "position": float(network.positions.sum()),
    }
    return counts[term]


def _layers_s(
    points: Points, batch: Array, network: Network, terms: Terms, constants: Mapping[str, float]
) -> Array:
    """Seconds of each layer for `batch` inputs [points, layers]."""
    compute = _compute_s(points, batch, network, terms, constants)
    memory = _memory_s(points, batch, network, terms, constants)
    if memory is None:
        return compute
    return np.maximum(memory, compute) if terms.overlap else memory + compute


def _memory_s(
    points: Points, batch: Array, network: Network, terms: Terms, constants: Mapping[str, float]
) -> Array | None:
    """Seconds of memory traffic of each layer, None if nothing leaves the chip."""
    if terms.weights == "on_chip" and not terms.activations:
        return None
    rate = constants["memory_efficiency"] * points.bandwidth
    traffic = np.zeros((len(points), len(network.ops)))
    if terms.weights != "on_chip":
        reads = _weight_reads(points, batch, network, terms)
        traffic += (reads * points.weight_bytes / rate)[:, None] * network.weights
    if terms.activations:
        traffic += (batch * points.activation_bytes / rate)[:, None] * (network.inputs + network.outputs)
    return traffic


def _weight_reads(points: Points, batch: Array, network: Network, terms: Terms) -> Array:
    """How often the weights are read for `batch` inputs."""
    if terms.weights == "per_input":
        return batch
    if terms.weights == "cached":
        return _cached_reads(points, network.total_weights * points.weight_bytes)
    return np.ones(len(points))


def _compute_s(
    points: Points, batch: Array, network: Network, terms: Terms, constants: Mapping[str, float]
) -> Array:
    """Seconds of arithmetic of each layer, channels padded to the tile of the array."""
    peak = points.peak
    if terms.bit_serial:
        peak = points.narrow_peak * NARROWEST_BITS / (8 * points.weight_bytes)
    rate = constants["compute_efficiency"] * peak * points.share / points.cores
    ops = (
        network.ops
        * _padding(network.in_channels, terms.tile[0])
        * _padding(network.out_channels, terms.tile[1])
    )
    if terms.dense_efficiency:
        ops = ops / np.where(network.dense > 0, constants["dense_efficiency"], 1.0)
    if terms.depthwise_efficiency:
        ops = ops / np.where(network.depthwise > 0, constants["depthwise_efficiency"], 1.0)
    seconds: Array = (batch / rate)[:, None] * ops
    if terms.dense_batch_tile > 1:
        padding = _padding(batch, terms.dense_batch_tile)[:, None]
        seconds = np.where(network.dense > 0, seconds * padding, seconds)
    return seconds


def _padding(size: Array, tile: int) -> Array:
    """Size rounded up to whole tiles, divided by size."""
    padded: Array = np.ceil(size / tile) * tile / size
    return padded
