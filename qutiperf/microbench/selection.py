"""The parts to measure for networks: their distinct layers, those first that take most of the time."""

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers
from qutiperf.spec.block import Part
from qutiperf.spec.microbench import MicrobenchSuite, SuitePart, label_of, variants
from qutiperf.spec.part import BuiltPart

# a device of any kind has shares of this order; they only sort the layers
FIRST_STACKS = 2
_OPS_PER_S, _BYTES_PER_S, _NODE_S = 5e10, 1e10, 5e-6


def parts_of_networks(
    networks: Iterable[NetworkLayers],
    suite: MicrobenchSuite,
    cache_bytes: float | None,
    *,
    profiled: bool = False,
) -> list[SuitePart]:
    """Every distinct layer in the states and depths of the suite, in its own datatype, and pairs.

    Pairs are those of unlike layers that follow each other, if the suite has stacks. Those parts come first
    that improve predictions most. Single layers with resident weights, by the largest share that they have of
    any network; then the stacks of the first two layers, which show what a call costs; then streamed ones,
    other stacks, and pairs. With a runtime that is `profiled`, stacks are not used, and pairs come second.
    """
    networks = list(networks)
    shares = shares_of(networks)
    alone = sorted(shares, key=lambda text: -shares[text][1])
    parts: list[SuitePart] = []
    for text in alone:
        part = shares[text][0]
        own = suite.model_copy(update={"datatypes": [part.build.datatype]})
        parts += variants(part, own, cache_bytes)
    stacked = [one.part.stack[0] for one in parts if one.part.stack]
    first = [layer for number, layer in enumerate(stacked) if layer not in stacked[:number]][:FIRST_STACKS]
    order = _profiled_order if profiled else lambda one: _order(one, first)
    return sorted([*parts, *pairs_of(networks, suite)], key=order)


def pairs_of(networks: Iterable[NetworkLayers], suite: MicrobenchSuite) -> list[SuitePart]:
    """Two unlike layers in a row for depth 2; for depth 4 twice, if they take their own output."""
    pairs: list[SuitePart] = []
    for first, second in (pair for network in networks for pair in network.pairs):
        for depth in (depth for depth in (2, 4) if depth in suite.depths):
            stack = pair_of(first.part, second.part, depth // 2)
            if stack is not None and stack.unbuildable is None:
                label = f"{label_of(first.part)}+{label_of(second.part)}"
                pairs.append(SuitePart(stack, label if depth == 2 else f"2 x ({label})"))
    return list({one.part.digest: one for one in pairs}.values())


def pair_of(first: BuiltPart, second: BuiltPart, times: int = 1) -> BuiltPart | None:
    """A stack of two layers, `times` in a row; None if the shapes do not fit."""
    layers = [part.layer for part in (first, second) if part.layer is not None] * times
    datatypes = [first.build.datatype, second.build.datatype] * times
    mixed = datatypes if len(set(datatypes)) > 1 else None
    build = first.build.model_copy(update={"datatypes": mixed})
    try:
        return BuiltPart(stack=layers, build=build)
    except ValidationError:
        return None


def shares_of(networks: Iterable[NetworkLayers]) -> dict[str, tuple[BuiltPart, float]]:
    """By its JSON: each distinct layer with the largest share of a network's estimated time that it takes."""
    shares: dict[str, tuple[BuiltPart, float]] = {}
    for network in networks:
        times = [_estimate_s(layer) for layer in network.layers]
        of_layer: dict[str, float] = {}
        for layer, time_s in zip(network.layers, times, strict=True):
            text = layer.part.model_dump_json()
            of_layer[text] = of_layer.get(text, 0.0) + time_s / sum(times)
        for layer in network.layers:
            text = layer.part.model_dump_json()
            before = shares.get(text, (layer.part, 0.0))[1]
            shares[text] = (layer.part, max(before, of_layer[text]))
    return shares


def _estimate_s(layer: NetworkLayer) -> float:
    build = layer.part.build
    moved = layer.weights * build.weight_bytes + layer.elements * build.activation_bytes
    return layer.ops / _OPS_PER_S + moved / _BYTES_PER_S + _NODE_S


def _order(one: SuitePart, first: Sequence[Part]) -> tuple[int, int]:
    """Stable: parts of one rank keep their order."""
    depth, streamed = len(one.part.parts), one.state == "streamed"
    if one.part.stack is None:
        return (2 if streamed else 0, 1)
    if _unlike(one):
        return (4, 1)
    return (1 if one.part.stack[0] in first and not streamed else 3, depth)


def _profiled_order(one: SuitePart) -> tuple[int, int]:
    depth, streamed = len(one.part.parts), one.state == "streamed"
    if one.part.stack is None:
        return (2 if streamed else 0, 1)
    return (1 if _unlike(one) and depth == 2 else 3, depth)


def _unlike(one: SuitePart) -> bool:
    kinds = list(zip(one.part.stack or [], one.part.datatypes, strict=True))
    return any(kind != kinds[0] for kind in kinds)
