"""The parts to measure for networks: their distinct layers, those first that take most of the time."""

from collections.abc import Iterable, Sequence

from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers
from qutiperf.spec.block import Part
from qutiperf.spec.microbench import MicrobenchSuite, SuitePart, variants
from qutiperf.spec.part import BuiltPart

# a device of any kind has shares of this order; they only sort the layers
FIRST_STACKS = 2
_OPS_PER_S, _BYTES_PER_S, _NODE_S = 5e10, 1e10, 5e-6


def parts_of_networks(
    networks: Iterable[NetworkLayers], suite: MicrobenchSuite, cache_bytes: float | None
) -> list[SuitePart]:
    """Every distinct layer in the states and depths of the suite, in its own datatype.

    Single layers with resident weights come first, by the largest share that they have of any network; then
    the stacks of the first two layers, which show what a call costs; then streamed ones, then other stacks.
    """
    shares = shares_of(networks)
    alone = sorted(shares, key=lambda text: -shares[text][1])
    parts: list[SuitePart] = []
    for text in alone:
        part = shares[text][0]
        own = suite.model_copy(update={"datatypes": [part.build.datatype]})
        parts += variants(part, own, cache_bytes)
    stacked = [one.part.stack[0] for one in parts if one.part.stack]
    first = [layer for number, layer in enumerate(stacked) if layer not in stacked[:number]][:FIRST_STACKS]
    return sorted(parts, key=lambda one: _order(one, first))


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
    return (1 if one.part.stack[0] in first and not streamed else 3, depth)
