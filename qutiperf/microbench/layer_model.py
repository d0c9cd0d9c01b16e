"""Predicts the time of a network from measured layers.

    T(b) = call + sum over the runtime's nodes of marginal_l(b) + sum over measured pairs of between_kl(b)

marginal_l is the time of layer l inside a network: (t4 - t2) / 2 where stacks of two and four of it were
measured, else its time alone less the edge that a layer alone pays for the call and for converting its input
and output. edge = 2 t2 - t4 = call + elements x conversion, fitted to all measured stacks.

between_kl is what a pair of unlike layers k, l takes beyond their marginals, the call and the conversion of
its own input and output: conversions between them, or what the runtime saves by computing them together.

A layer that was not measured gets a roofline fitted to those that were: ops, activations, weights and a
node's own time, by least squares of the relative error, times the mean ratio of its nearest measured
neighbours of the same kind and datatype. In a network whose weights exceed the cache, weights come from
memory: streamed layers are used where they were measured, else the time of reading the weights, fitted to the
measured ones, is added.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.optimize import nnls

from qutiperf.errors import InputError
from qutiperf.level0.count import requirements_of_model
from qutiperf.level0.network import Array
from qutiperf.microbench.measured_parts import MeasuredPart, MeasuredParts, key_of
from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers
from qutiperf.microbench.stacks import layers_of
from qutiperf.models.parts import declare_part
from qutiperf.spec.microbench import State, label_of
from qutiperf.spec.part import BuiltPart

NEIGHBOURS = 4
LEAST_SHARE = 0.1  # of a layer's time alone that its time inside a network is at least


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
    """Measured layers and what was fitted to them; `cache_bytes` decides the state of a network's weights."""

    alone: Mapping[tuple[str, State], MeasuredPart]
    stacks: Mapping[tuple[str, int, State], MeasuredPart]
    call_s: float
    conversion_s: float
    stream_s_per_byte: float
    rooflines: Mapping[str, "Roofline"]
    cache_bytes: float | None
    pairs: Mapping[tuple[str, str], MeasuredPart] = field(default_factory=dict)

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
        stacks: bool = True,
        pairs: bool = True,
    ) -> LayerPrediction:
        """Of the batch sizes; layers of `without` count as not measured.

        Without `stacks` or `pairs`, those that were measured are not used.
        """
        sizes, state = np.array(batches, np.float64), self.state_of(network)
        measured, interpolated = np.zeros(len(sizes)), np.zeros(len(sizes))
        times: dict[str, tuple[Array, bool]] = {}
        for layer in network.layers:
            key = key_of(layer.part)
            if key not in times:
                times[key] = self._marginal(key, layer, sizes, state, known=key not in without, stacks=stacks)
            seconds, known = times[key]
            if known:
                measured += seconds
            else:
                interpolated += seconds
        between = np.zeros(len(sizes))
        if stacks and pairs and not without:
            between = self._between(network, sizes)
        total = self.call_s + self._conversion(network, sizes) + measured + interpolated + between
        return LayerPrediction(total, (measured + between) / total, interpolated / total, between / total)

    def _between(self, network: NetworkLayers, sizes: Array) -> Array:
        """Seconds of all measured pairs of the network beyond their layers."""
        total = np.zeros(len(sizes))
        for first, second in network.pairs:
            pair = self.pairs.get((key_of(first.part), key_of(second.part)))
            if pair is not None:
                total += self.between_s(pair, first, second, sizes)
        return total

    def between_s(self, pair: MeasuredPart, first: NetworkLayer, second: NetworkLayer, sizes: Array) -> Array:
        """Of one pair, with resident weights; none if a layer of it was not measured alone.

        A saving is at most the smaller marginal: the runtime cannot do less than the other layer.
        """
        marginals, all_known = [], True
        for layer in (first, second):
            seconds, known = self._marginal(
                key_of(layer.part), layer, sizes, "resident", known=True, stacks=True
            )
            marginals.append(seconds)
            all_known = all_known and known
        if not all_known:
            return np.zeros(len(sizes))
        borders = self.edge_s(_elements(pair.part), sizes)
        beyond = _at(pair.seconds, sizes) - sum(marginals) - borders
        return np.maximum(beyond, -np.minimum(*marginals))

    def naive(self, network: NetworkLayers, batches: Sequence[int]) -> Array:
        """The plain sum of layers alone with resident weights, as the published tables add them."""
        sizes = np.array(batches, np.float64)
        total = np.zeros(len(sizes))
        for layer in network.layers:
            part = self.alone.get((key_of(layer.part), "resident"))
            total += self._roofline(layer, sizes) + self.call_s if part is None else _at(part.seconds, sizes)
        return total

    def layer_seconds(self, layer: NetworkLayer, network: NetworkLayers, batch: int) -> float:
        """Of one layer inside a network."""
        sizes = np.array([batch], np.float64)
        key, state = key_of(layer.part), self.state_of(network)
        return float(self._marginal(key, layer, sizes, state, known=True, stacks=True)[0][0])

    def measured(self, layer: NetworkLayer) -> bool:
        return (key_of(layer.part), "resident") in self.alone or (
            key_of(layer.part),
            "streamed",
        ) in self.alone

    def _conversion(self, network: NetworkLayers, sizes: Array) -> Array:
        """Of the network's own input and output."""
        if not network.layers:
            return np.zeros(len(sizes))
        first, last = network.layers[0].part.parts[0], network.layers[-1].part.parts[0]
        elements = sum(math.prod(shape) for shape in first.input_shapes) + math.prod(last.output_shape)
        return self.conversion_s * elements * sizes

    def _marginal(
        self, key: str, layer: NetworkLayer, sizes: Array, state: State, *, known: bool, stacks: bool
    ) -> tuple[Array, bool]:
        """Seconds inside a network, and whether they were measured."""
        streaming = self.stream_s_per_byte * layer.weights * layer.part.build.weight_bytes
        for source in (state, "resident") if known else ():
            added = streaming if state == "streamed" and source == "resident" else 0.0
            two, four = (self.stacks.get((key, depth, source)) for depth in (2, 4))
            if stacks and two is not None and four is not None:
                marginal = (_at(four.seconds, sizes) - _at(two.seconds, sizes)) / 2
                least = LEAST_SHARE * _at(four.seconds, sizes) / 4
                return np.maximum(marginal, least) + added, True
            alone = self.alone.get((key, source))
            if alone is not None:
                time = _at(alone.seconds, sizes)
                return np.maximum(time - self.edge_s(layer.elements, sizes), LEAST_SHARE * time) + added, True
        return self._roofline(layer, sizes) + (streaming if state == "streamed" else 0.0), False

    def edge_s(self, elements: float, sizes: Array) -> Array:
        """What a layer alone pays that a network pays once."""
        return self.call_s + self.conversion_s * elements * sizes

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
    """Fits edges, streaming and rooflines to the measured parts."""
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
    call, conversion = _edges(stacks)
    stream = _streaming(alone)
    model = LayerModel(alone, stacks, call, conversion, stream, {}, cache_bytes)
    return LayerModel(alone, stacks, call, conversion, stream, _rooflines(model), cache_bytes, pairs)


def _edges(stacks: Mapping[tuple[str, int, State], MeasuredPart]) -> tuple[float, float]:
    """Seconds of a call, and of converting an element, from 2 t2 - t4 of every stack."""
    rows, values = [], []
    for (key, depth, state), two in stacks.items():
        four = stacks.get((key, 4, state)) if depth == 2 else None
        if four is None:
            continue
        elements = _elements(two.part)
        for batch in two.seconds.keys() & four.seconds.keys():
            edge = 2 * two.seconds[batch] - four.seconds[batch]
            if edge > 0:
                rows.append([1.0 / edge, elements * batch / edge])
                values.append(1.0)
    if not rows:
        return 0.0, 0.0
    solution, _ = nnls(np.array(rows), np.array(values))
    return float(solution[0]), float(solution[1])


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
    for (_, state), part in model.alone.items():
        if state != "resident":
            continue
        features = features_of(part.part)
        for batch, seconds in part.seconds.items():
            edge = float(model.edge_s(_elements(part.part), np.array([float(batch)]))[0])
            inside = max(seconds - edge, LEAST_SHARE * seconds)
            for name in (family_of(part.part), part.part.build.datatype):
                rows.setdefault(name, []).append((features, float(batch), inside))
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
    moved = [_elements(part) * build.activation_bytes, layer.weights * build.weight_bytes]
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


def _elements(part: BuiltPart) -> float:
    first, last = part.parts[0], part.parts[-1]
    return float(sum(math.prod(shape) for shape in first.input_shapes) + math.prod(last.output_shape))


def _at(seconds: Mapping[int, float], sizes: Array) -> Array:
    """Between measured batch sizes on a line of logarithms, beyond the largest in proportion to the batch."""
    known = np.array(sorted(seconds), np.float64)
    times = np.array([seconds[int(batch)] for batch in known])
    inside: Array = np.exp(np.interp(np.log(sizes), np.log(known), np.log(times)))
    return np.where(sizes > known[-1], times[-1] * sizes / known[-1], inside)
