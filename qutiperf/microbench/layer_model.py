"""Predicts the time of a network from measured layers.

    T(b) = call + sum over the runtime's nodes of inside_l(b) + sum over measured pairs of between_kl(b)

inside_l is the time of layer l inside a network, without what it pays for standing alone (borders.py): its
own nodes in the runtime's profile of the layer, or else (t4 - t2) / 2 where stacks of two and four of it were
measured, or else its time alone less an edge.

between_kl is what a pair of unlike layers k, l takes beyond both inside a network: conversions between them,
or what the runtime saves by computing them together.

A layer that was not measured gets a roofline fitted to those that were: ops, activations, weights and a
node's own time, by least squares of the relative error, times the mean ratio of its nearest measured
neighbours of the same kind and datatype. In a network whose weights exceed the cache, weights come from
memory: streamed layers are used where they were measured, else the time of reading the weights, fitted to the
measured ones, is added.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from scipy.optimize import nnls

from qutiperf.errors import InputError
from qutiperf.level0.count import requirements_of_model
from qutiperf.level0.network import Array
from qutiperf.microbench.borders import (
    LEAST_SHARE,
    Borders,
    borders_of,
    elements_of,
    marginals,
    streamed_inside,
)
from qutiperf.microbench.measured_parts import Batches, MeasuredPart, MeasuredParts, key_of
from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers
from qutiperf.microbench.stacks import layers_of
from qutiperf.models.parts import declare_part
from qutiperf.spec.microbench import State, label_of
from qutiperf.spec.part import BuiltPart

NEIGHBOURS = 4
_LEAST_S = 1e-12  # of a time whose logarithm is taken


@dataclass(frozen=True, slots=True)
class LayerPrediction:
    """Seconds of a batch, by batch size, and the shares of that time by how it is known.

    The measured share includes `between_share`, that of measured pairs, which may be negative; the rest is
    the call and the conversion of the network's own input and output.
    """

    seconds: Array
    measured_share: Array
    interpolated_share: Array
    between_share: Array


@dataclass(frozen=True, slots=True)
class LayerModel:
    """Measured layers and what was fitted to them; `cache_bytes` decides the state of a network's weights.

    `inside` and `stacked` have the seconds of a layer inside a network, from the layer alone and from its
    stacks; `pairs` those of pairs of unlike layers.
    """

    alone: Mapping[tuple[str, State], MeasuredPart]
    inside: Mapping[tuple[str, State], Batches]
    stacked: Mapping[tuple[str, State], Batches]
    pairs: Mapping[tuple[str, str], Batches]
    borders: Borders
    stream_s_per_byte: float
    cache_bytes: float | None
    rooflines: Mapping[str, "Roofline"] = field(default_factory=dict)

    @property
    def profiled(self) -> bool:
        """Whether layers are known by their nodes, so that their stacks are not needed."""
        return self.borders.node_s is not None

    def state_of(self, network: NetworkLayers) -> State:
        """Streamed if the weights and the largest activations together exceed the cache."""
        if self.cache_bytes is None:
            return "resident"
        largest = max(
            (layer.elements * layer.part.build.activation_bytes for layer in network.layers), default=0.0
        )
        return "streamed" if network.weight_bytes + largest > self.cache_bytes else "resident"

    def predict(
        self,
        network: NetworkLayers,
        batches: Sequence[int],
        *,
        without: frozenset[str] = frozenset(),
        stacks: bool | None = None,
        pairs: bool = True,
    ) -> LayerPrediction:
        """Of the batch sizes; layers of `without` count as not measured.

        `stacks` and `pairs` say whether those that were measured are used; by default, stacks are where the
        runtime has no profiler.
        """
        stacks = not self.profiled if stacks is None else stacks
        sizes, state = np.array(batches, np.float64), self.state_of(network)
        measured, interpolated = np.zeros(len(sizes)), np.zeros(len(sizes))
        times: dict[str, tuple[Array, bool]] = {}
        for layer in network.layers:
            key = key_of(layer.part)
            if key not in times:
                times[key] = self._inside(key, layer, sizes, state, known=key not in without, stacks=stacks)
            seconds, known = times[key]
            if known:
                measured += seconds
            else:
                interpolated += seconds
        between = np.zeros(len(sizes))
        if pairs and not without:
            between = np.maximum(self._between(network, sizes, stacks=stacks), -(1 - LEAST_SHARE) * measured)
        total = self.borders.call_s + self._conversion(network, sizes) + measured + interpolated + between
        return LayerPrediction(total, (measured + between) / total, interpolated / total, between / total)

    def _between(self, network: NetworkLayers, sizes: Array, *, stacks: bool) -> Array:
        """Seconds of all measured pairs of the network beyond their layers."""
        total = np.zeros(len(sizes))
        for first, second in network.pairs:
            total += self.between_s(first, second, sizes, stacks=stacks)
        return total

    def between_s(self, first: NetworkLayer, second: NetworkLayer, sizes: Array, *, stacks: bool) -> Array:
        """Of one pair, with resident weights; none if it, or a layer of it alone, was not measured.

        A saving may exceed the faster layer: OpenVINO moves the stride of a convolution to the one before it.
        """
        pair = self.pairs.get((key_of(first.part), key_of(second.part)))
        if pair is None:
            return np.zeros(len(sizes))
        known = [
            self._inside(key_of(layer.part), layer, sizes, "resident", known=True, stacks=stacks)
            for layer in (first, second)
        ]
        if not all(measured for _, measured in known):
            return np.zeros(len(sizes))
        layers = [seconds for seconds, _ in known]
        return np.where(sizes < min(pair), 0.0, _at(pair, sizes) - sum(layers))

    def naive(self, network: NetworkLayers, batches: Sequence[int]) -> Array:
        """The plain sum of layers alone with resident weights, as the published tables add them."""
        sizes = np.array(batches, np.float64)
        total = np.zeros(len(sizes))
        for layer in network.layers:
            part = self.alone.get((key_of(layer.part), "resident"))
            if part is not None:
                total += self._measured_at(part.seconds, layer, sizes)
            else:
                total += self._roofline(layer, sizes) + self.borders.call_s
        return total

    def layer_seconds(self, layer: NetworkLayer, network: NetworkLayers, batch: int) -> float:
        """Of one layer inside a network."""
        sizes = np.array([batch], np.float64)
        key, state = key_of(layer.part), self.state_of(network)
        stacks = not self.profiled
        return float(self._inside(key, layer, sizes, state, known=True, stacks=stacks)[0][0])

    def measured(self, layer: NetworkLayer) -> bool:
        return (key_of(layer.part), "resident") in self.alone or (
            key_of(layer.part),
            "streamed",
        ) in self.alone

    def _conversion(self, network: NetworkLayers, sizes: Array) -> Array:
        """Of the network's own input and output."""
        if not network.layers:
            return np.zeros(len(sizes))
        ends = network.layers[0].part, network.layers[-1].part
        first, last = (self.alone.get((key_of(end), "resident")) for end in ends)
        if first is not None and last is not None and first.nodes and last.nodes:
            before, after = self.borders.conversions(first)[0], self.borders.conversions(last)[1]
            least = np.minimum(sizes / min(first.nodes), 1.0), np.minimum(sizes / min(last.nodes), 1.0)
            return _at(before, sizes) * least[0] + _at(after, sizes) * least[1]
        inputs, output = ends[0].parts[0].input_shapes, ends[1].parts[0].output_shape
        return self.borders.conversion_s * (sum(map(math.prod, inputs)) + math.prod(output)) * sizes

    def _inside(
        self, key: str, layer: NetworkLayer, sizes: Array, state: State, *, known: bool, stacks: bool
    ) -> tuple[Array, bool]:
        """Seconds inside a network, and whether they were measured."""
        streaming = self.stream_s_per_byte * layer.weights * layer.part.build.weight_bytes
        for source in (state, "resident") if known else ():
            added = streaming if state == "streamed" and source == "resident" else 0.0
            seconds = {**self.inside.get((key, source), {})}
            if stacks:
                seconds |= self.stacked.get((key, source), {})
            if seconds:
                return self._measured_at(seconds, layer, sizes) + added, True
        return self._roofline(layer, sizes) + (streaming if state == "streamed" else 0.0), False

    def _measured_at(self, seconds: Batches, layer: NetworkLayer, sizes: Array) -> Array:
        """As `_at`; below the smallest measured batch size, as the roofline of the layer falls."""
        smallest = min(seconds)
        if (sizes >= smallest).all() or not self.rooflines:
            return _at(seconds, sizes)
        *falling, least = self._roofline(layer, np.append(sizes, smallest))
        return np.where(sizes < smallest, seconds[smallest] * np.array(falling) / least, _at(seconds, sizes))

    def _roofline(self, layer: NetworkLayer, sizes: Array) -> Array:
        name = family_of(layer.part)
        roofline = self.rooflines.get(name) or self.rooflines.get(layer.part.build.datatype)
        roofline = roofline or next(iter(self.rooflines.values()), None)
        if roofline is None:
            problem = (
                f"{label_of(layer.part)} was not measured, and no single layer with resident weights was"
            )
            raise InputError(problem, cure="measure its layers with `qutiperf microbench run --for NETWORK`")
        return roofline.seconds(features_of(layer.part), sizes)


def layer_model(measured: MeasuredParts, cache_bytes: float | None) -> LayerModel:
    """Fits borders, streaming and rooflines to the measured parts."""
    single = [part for part in measured.parts if part.part.layer is not None]
    alone = {(key_of(part.part), part.state): part for part in single if part.depth == 1}
    stacks = {(key_of(part.part), part.depth, part.state): part for part in single if part.depth > 1}
    pairs = {
        (key_of(first), key_of(second)): part
        for part in measured.parts
        if part.part.stack is not None
        and (part.depth, part.state, len(part.part.stack)) == (1, "resident", 2)
        for first, second in [layers_of(part.part)]
    }
    borders = borders_of(measured.parts, stacks)
    inside = {
        (key, state): streamed_inside(part, alone.get((key, "resident")), borders)
        if state == "streamed"
        else borders.inside(part)
        for (key, state), part in alone.items()
    }
    model = LayerModel(
        alone=alone,
        inside=inside,
        stacked=marginals(stacks, borders),
        pairs={key: borders.inside(part) for key, part in pairs.items()},
        borders=borders,
        stream_s_per_byte=_streaming(alone),
        cache_bytes=cache_bytes,
    )
    return replace(model, rooflines=_rooflines(model))


def _streaming(alone: Mapping[tuple[str, State], MeasuredPart]) -> float:
    """Seconds for a byte of weights from memory, beyond the time with resident weights."""
    slopes = []
    for (key, state), streamed in alone.items():
        resident = alone.get((key, "resident")) if state == "streamed" else None
        if resident is None:
            continue
        stored = sum(part.weights for part in streamed.part.parts) * streamed.part.build.weight_bytes
        for batch in streamed.seconds.keys() & resident.seconds.keys():
            slopes.append((streamed.seconds[batch] - resident.seconds[batch]) / stored)
    return max(0.0, float(np.median(slopes))) if slopes else 0.0


@dataclass(frozen=True, slots=True)
class Roofline:
    """Seconds = node + ops x a + activations x b + weights x c, and the measured ratios to that."""

    constants: Array
    places: Array
    ratios: Array

    def seconds(self, features: Array, sizes: Array) -> Array:
        """Of one layer at several batch sizes; near measured ones, corrected by them."""
        fitted: Array = _terms(features, sizes) @ self.constants
        place = np.column_stack([np.tile(_place(features), (len(sizes), 1)), np.log(sizes)])
        return np.maximum(fitted, 1e-9) * np.exp(self._correction(place))

    def _correction(self, place: Array) -> Array:
        """The mean log ratio of the nearest neighbours, weighted by their distance."""
        distances = np.sqrt(((place[:, None, :] - self.places[None, :, :]) ** 2).sum(axis=2))
        nearest = np.argsort(distances, axis=1)[:, :NEIGHBOURS]
        weights = 1.0 / (0.1 + np.take_along_axis(distances, nearest, axis=1))
        corrections: Array = (weights * self.ratios[nearest]).sum(axis=1) / weights.sum(axis=1)
        return corrections


def _rooflines(model: LayerModel) -> dict[str, Roofline]:
    """By kind and datatype, and by datatype for kinds that were not measured."""
    rows: dict[str, list[tuple[Array, float, float]]] = {}
    for (key, state), part in model.alone.items():
        if state != "resident":
            continue
        features = features_of(part.part)
        for batch, seconds in model.inside[key, state].items():
            for name in (family_of(part.part), part.part.build.datatype):
                rows.setdefault(name, []).append((features, float(batch), seconds))
    return {name: _fitted(points) for name, points in rows.items()}


def _fitted(points: Sequence[tuple[Array, float, float]]) -> Roofline:
    terms = np.vstack([_terms(features, np.array([batch])) for features, batch, _ in points])
    seconds = np.array([value for _, _, value in points])
    constants, _ = nnls(terms / seconds[:, None], np.ones(len(points)))
    ratios = np.log(seconds / np.maximum(terms @ constants, 1e-9))
    places = np.array([[*_place(features), math.log(batch)] for features, batch, _ in points])
    return Roofline(constants, places, ratios)


def _terms(features: Array, sizes: Array) -> Array:
    """[batch sizes, 4]: a node, ops, activations, weights."""
    ops, elements, stored = features[:3]
    ones = np.ones(len(sizes))
    return np.column_stack([ones, ops * sizes, elements * sizes, stored * ones])


def _place(features: Array) -> Array:
    return np.log(np.maximum(features, 1.0))


def features_of(part: BuiltPart) -> Array:
    """Ops, activations and weights in bytes; then what tells layers of equal size apart."""
    build, layer = part.build, part.parts[0]
    window = math.prod(getattr(layer, "kernel", None) or [1])
    moved = [elements_of(part) * build.activation_bytes, layer.weights * build.weight_bytes]
    sizes = [*moved, layer.accumulation, window]
    return np.array([_operations(part.model_dump_json()), *sizes], np.float64)


@cache
def _operations(part: str) -> float:
    """All arithmetic of one input of a part, given as JSON."""
    counted = requirements_of_model(declare_part(BuiltPart.model_validate_json(part)), "part")
    return counted.ops + counted.other_ops


def family_of(part: BuiltPart) -> str:
    """Kinds that compute alike, and the datatype."""
    layer = part.parts[0]
    kind = getattr(layer, "operator", "") or layer.kind
    groups = getattr(layer, "groups", 1)
    return f"{kind}{' grouped' if groups > 1 else ''} {part.build.datatype}"


def _at(seconds: Mapping[int, float], sizes: Array) -> Array:
    """Between measured batch sizes on a line of logarithms, beyond the largest in proportion to the batch.

    Below the smallest it is that of the smallest.
    """
    known = np.array(sorted(seconds), np.float64)
    times = np.array([seconds[int(batch)] for batch in known])
    inside: Array = np.exp(np.interp(np.log(sizes), np.log(known), np.log(np.maximum(times, _LEAST_S))))
    return np.where(sizes > known[-1], times[-1] * sizes / known[-1], inside)
