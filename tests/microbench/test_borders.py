"""What a part pays for standing alone, by hand: nodes that convert, the call, and the profiler itself."""

from dataclasses import replace

import pytest

from qutiperf.microbench.layer_model import LayerModel, layer_model
from qutiperf.microbench.measured_parts import (
    Conditions,
    MeasuredPart,
    MeasuredParts,
    PartNodes,
    key_of,
    part_nodes,
)
from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers
from qutiperf.microbench.selection import pair_of
from qutiperf.results.record import NodeTime
from qutiperf.spec.layer import Dense
from qutiperf.spec.microbench import State
from qutiperf.spec.part import BuiltPart

HERE = Conditions("it", "host", {}, 2, 1)
CALL, NODE = 8e-6, 2e-6
WIDE = BuiltPart(layer=Dense(inputs=8, outputs=16))
NARROW = BuiltPart(layer=Dense(inputs=16, outputs=8))


def node(operator: str, time_us: float) -> NodeTime:
    return NodeTime(name=operator, operator=operator, datatype="fp32", time_ns=time_us * 1e3)


def profiled(
    part: BuiltPart, *times_s: float, depth: int = 1, state: State = "resident", beyond_s: float = 0.0
) -> MeasuredPart:
    """A part whose input takes the first time to convert, its output the last, and its nodes the others.

    It takes the call and its nodes without the profiler, and `beyond_s`.
    """
    before, *computing, after = times_s
    nodes = PartNodes(
        before + NODE, sum(computing) + NODE * len(computing), after + NODE, 1, len(computing), 1
    )
    seconds = {1: CALL + sum(times_s) + beyond_s}
    known = {1: nodes} if state == "resident" else {}
    return MeasuredPart(part, depth, state, seconds, 60.0, nodes=known)


def model_of(*parts: MeasuredPart, cache_bytes: float | None = 1e9) -> LayerModel:
    return layer_model(MeasuredParts(HERE, parts, [], 0), cache_bytes)


def network() -> NetworkLayers:
    layers = tuple(
        NetworkLayer(str(number), part, 256.0, 128.0, 24.0) for number, part in enumerate((WIDE, NARROW))
    )
    return NetworkLayers("network", layers, {}, "test", 1024.0, ((0, 1),))


def pair() -> BuiltPart:
    made = pair_of(WIDE, NARROW)
    assert made is not None
    return made


def test_nodes_that_convert_input_and_output() -> None:
    nodes = [
        node("ReorderInput", 1),
        node("Conv", 4),
        node("Reorder", 2),
        node("Conv", 8),
        node("ReorderOutput", 16),
    ]
    found = part_nodes(nodes)
    assert (found.before_s, found.computing_s, found.after_s) == pytest.approx((1e-6, 14e-6, 16e-6))
    assert (found.before, found.computing, found.after) == (1, 3, 1)
    assert found.seconds == pytest.approx(31e-6)
    assert found.count == 5


def test_a_layer_that_only_moves_values_computes_by_moving_them() -> None:
    found = part_nodes([node("Transpose", 3), node("Reshape", 1)])
    assert (found.before_s, found.computing_s, found.after_s) == pytest.approx((0.0, 4e-6, 0.0))


def test_call_and_profiler_are_fitted_to_all_parts() -> None:
    model = model_of(
        profiled(WIDE, 3e-6, 20e-6, 5e-6),
        profiled(NARROW, 2e-6, 30e-6, 4e-6),
        profiled(pair(), 3e-6, 20e-6, 30e-6, 4e-6),
    )
    assert model.profiled
    assert model.borders.call_s == pytest.approx(CALL)
    assert model.borders.node_s == pytest.approx(NODE)
    predicted = model.predict(network(), [1])
    # the network converts the input of its first layer, and the output of its last
    assert predicted.seconds[0] == pytest.approx(CALL + 3e-6 + 20e-6 + 30e-6 + 4e-6)
    assert predicted.measured_share[0] == pytest.approx(50e-6 / predicted.seconds[0])
    assert predicted.between_share[0] == pytest.approx(0.0, abs=1e-9)


def test_pairs_add_what_is_between_their_layers() -> None:
    alone = profiled(WIDE, 3e-6, 20e-6, 5e-6), profiled(NARROW, 2e-6, 30e-6, 4e-6)
    model = model_of(*alone, profiled(pair(), 3e-6, 20e-6, 6e-6, 31e-6, 4e-6))
    with_pairs, without = (model.predict(network(), [1], pairs=used) for used in (True, False))
    assert with_pairs.seconds[0] - without.seconds[0] == pytest.approx(7e-6)


def test_stacks_are_used_when_asked_for() -> None:
    square = BuiltPart(layer=Dense(inputs=8, outputs=8))
    stacks = [profiled(square, 1e-6, *[12e-6] * depth, 1e-6, depth=depth) for depth in (2, 4)]
    model = model_of(profiled(square, 1e-6, 10e-6, 1e-6), *stacks)
    layers = (NetworkLayer("0", square, 128.0, 64.0, 16.0),)
    alone = NetworkLayers("network", layers, {}, "test", 256.0)
    own = CALL + 2e-6
    assert model.predict(alone, [1]).seconds[0] == pytest.approx(own + 10e-6)
    assert model.predict(alone, [1], stacks=True).seconds[0] == pytest.approx(own + 12e-6)


def test_streamed_weights_add_what_they_take_beyond_cached_ones() -> None:
    layers = [profiled(part, 3e-6, 20e-6, 5e-6) for part in (WIDE, NARROW)]
    streamed = profiled(WIDE, 3e-6, 20e-6, 5e-6, state="streamed", beyond_s=9e-6)
    narrow = replace(streamed, part=NARROW)
    small, large = (model_of(*layers, streamed, narrow, cache_bytes=size) for size in (10.0, 1e9))
    beyond = small.predict(network(), [1]).seconds[0] - large.predict(network(), [1]).seconds[0]
    assert beyond == pytest.approx(18e-6)


def test_streamed_weights_add_as_much_at_any_batch_size() -> None:
    """The difference at batch 64 is noise: weights are read once for a batch."""

    def both_sizes(one: MeasuredPart, noise_s: float) -> MeasuredPart:
        nodes = {size: each for each in one.nodes.values() for size in (1, 64)}
        return replace(one, seconds={1: one.seconds[1], 64: 1e-3 + noise_s}, nodes=nodes)

    cached = [both_sizes(profiled(part, 3e-6, 20e-6, 5e-6), 0.0) for part in (WIDE, NARROW)]
    streamed = profiled(WIDE, 3e-6, 20e-6, 5e-6, state="streamed", beyond_s=9e-6)
    streamed = both_sizes(streamed, 400e-6)
    parts = [*cached, streamed, replace(streamed, part=NARROW)]
    small, large = (model_of(*parts, cache_bytes=size).predict(network(), [1, 64]) for size in (10.0, 1e9))
    assert small.seconds - large.seconds == pytest.approx([18e-6, 18e-6])


def test_a_profile_that_is_shorter_than_the_profiler_leaves_a_tenth() -> None:
    tiny = profiled(WIDE, 0.0, 0.1e-6, 0.0)
    model = model_of(profiled(NARROW, 2e-6, 30e-6, 4e-6), tiny, profiled(pair(), 3e-6, 20e-6, 30e-6, 4e-6))
    assert model.inside[key_of(WIDE), "resident"][1] == pytest.approx(0.1 * (0.1e-6 + NODE), rel=1e-3)
