"""Predictions from layers by hand: stacks, edges, states, batches, unmeasured layers, gaps that add up."""

import time
from dataclasses import replace

import numpy as np
import pytest

from qutiperf.errors import InputError
from qutiperf.microbench.evaluation import NetworkPoint, cause, side_scores, worst
from qutiperf.microbench.gap import losses
from qutiperf.microbench.layer_model import LayerModel, layer_model
from qutiperf.microbench.measured_parts import Conditions, MeasuredPart, MeasuredParts, check_own, key_of
from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers
from qutiperf.microbench.prediction import rows_of
from qutiperf.spec.build import Build
from qutiperf.spec.layer import Dense
from qutiperf.spec.microbench import State
from qutiperf.spec.part import BuiltPart

HERE = Conditions("it", "host", {"onnxruntime": "1"}, 2, 1)
CALL, CONVERSION = 10e-6, 1e-9


def dense(inputs: int, outputs: int, **build: object) -> BuiltPart:
    return BuiltPart(layer=Dense(inputs=inputs, outputs=outputs), build=Build.model_validate(build))


def measured(
    part: BuiltPart, seconds: dict[int, float], depth: int = 1, state: State = "resident"
) -> MeasuredPart:
    return MeasuredPart(part, depth, state, seconds, 60.0)


def model_of(*parts: MeasuredPart, cache_bytes: float | None = 1e9) -> LayerModel:
    return layer_model(MeasuredParts(HERE, parts, [], 0), cache_bytes)


def network_of(*parts: BuiltPart) -> NetworkLayers:
    layers = [
        NetworkLayer(
            f"layer{number}", part, 2.0 * part.parts[0].weights, part.parts[0].weights, elements(part)
        )
        for number, part in enumerate(parts)
    ]
    stored = sum(layer.weights * layer.part.build.weight_bytes for layer in layers)
    return NetworkLayers("network", tuple(layers), {}, "test", stored)


def elements(part: BuiltPart) -> float:
    layer = part.parts[0]
    return float(sum(map(np.prod, layer.input_shapes)) + np.prod(layer.output_shape))


def stacked(size: int, inside_s: float) -> list[MeasuredPart]:
    """A layer that takes `inside_s` in a network, alone and in stacks, with the edge of the constants."""
    part = dense(size, size)
    edge = CALL + CONVERSION * elements(part)
    return [measured(part, {1: edge + depth * inside_s}, depth) for depth in (1, 2, 4)]


def test_stacks_give_what_a_layer_takes_inside_a_network() -> None:
    model = model_of(*stacked(100, 50e-6), *stacked(200, 80e-6))
    assert model.borders.call_s == pytest.approx(CALL)
    assert model.borders.conversion_s == pytest.approx(CONVERSION)
    network = network_of(dense(100, 100), dense(100, 100), dense(200, 200))
    predicted = model.predict(network, [1])
    own = CONVERSION * (100 + 200)
    assert predicted.seconds[0] == pytest.approx(CALL + own + 2 * 50e-6 + 80e-6)
    assert predicted.measured_share[0] == pytest.approx(180e-6 / predicted.seconds[0])
    assert predicted.interpolated_share[0] == 0.0
    naive = 2 * (CALL + CONVERSION * 200 + 50e-6) + CALL + CONVERSION * 400 + 80e-6
    assert model.naive(network, [1])[0] == pytest.approx(naive)


def test_a_layer_alone_pays_an_edge() -> None:
    """The third layer has no stack: its edge is that of the stacks."""
    alone = dense(50, 70)
    time_s = CALL + CONVERSION * 120 + 30e-6
    model = model_of(*stacked(100, 50e-6), *stacked(200, 80e-6), measured(alone, {1: time_s}))
    predicted = model.predict(network_of(alone), [1])
    assert predicted.seconds[0] == pytest.approx(CALL + CONVERSION * 120 + 30e-6)
    assert model.borders.edge_s(120.0, 2) == pytest.approx(CALL + 2 * CONVERSION * 120)


def test_without_stacks_nothing_is_subtracted() -> None:
    model = model_of(measured(dense(50, 70), {1: 30e-6}))
    assert (model.borders.call_s, model.borders.conversion_s) == (0.0, 0.0)
    assert model.predict(network_of(dense(50, 70)), [1]).seconds[0] == pytest.approx(30e-6)


def test_weights_come_from_memory_in_a_network_larger_than_the_cache() -> None:
    part, other = dense(100, 100), dense(100, 50)
    parts = (
        measured(part, {1: 50e-6}),
        measured(part, {1: 90e-6}, state="streamed"),
        measured(other, {1: 20e-6}),
    )
    small, large = model_of(*parts, cache_bytes=1e6), model_of(*parts, cache_bytes=50_000)
    network = network_of(part, other)
    assert (small.state_of(network), large.state_of(network)) == ("resident", "streamed")
    assert small.predict(network, [1]).seconds[0] == pytest.approx(70e-6)
    # 40 us for 40,000 bytes: the 20,000 bytes of the other layer take 20 us more
    assert large.stream_s_per_byte == pytest.approx(1e-9)
    assert large.predict(network, [1]).seconds[0] == pytest.approx(90e-6 + 20e-6 + 20e-6)
    assert replace(large, cache_bytes=None).state_of(network) == "resident"


def test_batches_between_and_beyond_the_measured_ones() -> None:
    model = model_of(measured(dense(50, 70), {1: 10e-6, 4: 20e-6}))
    seconds = model.predict(network_of(dense(50, 70)), [1, 2, 4, 16]).seconds
    assert seconds == pytest.approx([10e-6, 10e-6 * 2**0.5, 20e-6, 80e-6])


def test_smaller_batches_than_the_measured_ones_follow_the_roofline() -> None:
    """1 us an input: at batch 1 it is near that, not the 64 us of batch 64."""
    model = model_of(*(measured(dense(50, size), {64: 64e-6, 128: 128e-6}) for size in (70, 80)))
    network = network_of(dense(50, 70))
    for least, measured_s in (model.predict(network, [1, 64]).seconds, model.naive(network, [1, 64])):
        assert 0.5e-6 < least < 4e-6
        assert measured_s == pytest.approx(64e-6)


def test_stacks_count_at_the_batch_sizes_at_which_they_were_measured() -> None:
    part = dense(100, 100)
    alone = measured(part, {1: 50e-6, 64: 500e-6})
    stacks = [measured(part, {64: depth * 400e-6}, depth) for depth in (2, 4)]
    seconds = model_of(alone, *stacks).predict(network_of(part), [1, 64], stacks=True).seconds
    assert seconds == pytest.approx([50e-6, 400e-6], rel=0.01)


def test_unmeasured_layers_follow_a_roofline_and_their_neighbours() -> None:
    """All measured layers take 5 us and 1 ns a weight, so that the one between them does."""
    parts = [measured(dense(size, size), {1: 5e-6 + 1e-9 * size**2}) for size in (64, 128, 256, 512)]
    model, unknown = model_of(*parts), dense(200, 200)
    predicted = model.predict(network_of(unknown), [1])
    assert predicted.seconds[0] == pytest.approx(5e-6 + 1e-9 * 200**2, rel=0.05)
    assert (predicted.measured_share[0], predicted.interpolated_share[0]) == (0.0, 1.0)
    assert not model.measured(network_of(unknown).layers[0])
    known = network_of(dense(128, 128))
    held_out = model.predict(known, [1], without=frozenset({key_of(dense(128, 128))}))
    assert held_out.interpolated_share[0] == 1.0


def test_copies_and_seeds_are_the_same_layer() -> None:
    assert key_of(dense(4, 4, weight_copies=3, seed=9)) == key_of(dense(4, 4))
    assert key_of(dense(4, 4, datatype="int8")) != key_of(dense(4, 4))


def test_rows_have_shares_and_an_interval() -> None:
    model = model_of(measured(dense(50, 70), {1: 10e-6}))
    [row] = rows_of(model, network_of(dense(50, 70)), "it", [1], 1.25)
    assert (row.predicted_throughput_ips, row.predicted_latency_ms) == pytest.approx((1e5, 0.01))
    assert (row.low_throughput_ips, row.high_throughput_ips) == pytest.approx((8e4, 1.25e5))
    assert (row.measured_percent, row.interpolated_percent, row.unknown_percent) == (100.0, 0.0, 0)
    [alone] = rows_of(model, network_of(dense(50, 70)), "it", [1], None)
    assert alone.low_throughput_ips is None


def test_layers_of_another_host_or_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from qutiperf import host

    monkeypatch.setattr(host, "fingerprint", lambda machine: "here")
    monkeypatch.setattr(host, "versions", lambda: {"onnxruntime": "2"})
    with pytest.raises(InputError, match=r"layers are of host host, this one is here; .*--allow-foreign"):
        check_own(HERE, "results")
    with pytest.raises(InputError, match="measured with onnxruntime 1, installed is 2"):
        check_own(replace(HERE, host="here"), "results")
    check_own(replace(HERE, host="here", versions={"onnxruntime": "2"}), "results")


def point(network: str, predicted: float | None, **changes: object) -> NetworkPoint:
    sides = dict.fromkeys(("plain", "refined", "interpolated"), None)
    known = {"naive sum": predicted, "layers": predicted, "layers and stacks": predicted}
    return replace(NetworkPoint(network, 1, 1.0, {**sides, **known}, 1.0, 0.0, 0.0, "", "layers"), **changes)  # type: ignore[arg-type]  # fields by name


def test_scores_by_hand() -> None:
    points = [point("a", 2.0), point("b", 1.0), point("c", 0.5)]
    lines = side_scores(points, [measured(dense(4, 4), {1: 1.0}), measured(dense(4, 4), {1: 1.0}, 2)])
    assert [(line.side, line.minutes) for line in lines] == [
        *(("naive sum", 1.0), ("layers", 1.0), ("layers and stacks", 2.0)),
    ]
    assert lines[0].scores.gm == pytest.approx(2 ** (2 / 3))
    assert lines[0].scores.within_1_25x_percent == pytest.approx(100 / 3)
    assert lines[0].interval_factor == pytest.approx(2.0)
    assert [one.network for one in worst(points)][-1] == "b"


def test_causes() -> None:
    assert cause(point("a", 1.0)) == "every layer is measured: data movement, or noise"
    assert cause(point("a", 1.0, uncovered_percent=30.0)) == "30 % of its operations have no layer"
    assert cause(point("a", 1.0, interpolated_share=0.5, slowest="dense fp32")) == (
        "50 % of its time is interpolated, first dense fp32"
    )


def test_the_layers_that_lose_most() -> None:
    """Equal ops, 30 and 10 us: 10 us more than its half for the first, which is there twice."""
    slow, fast = dense(100, 100), dense(50, 200)
    model = model_of(measured(slow, {1: 30e-6}), measured(fast, {1: 10e-6}))
    assert losses(model, network_of(slow, fast), 1) == ["dense-100-100 0.01 ms"]
    assert losses(model, network_of(slow, slow, fast), 1)[0].startswith("2 x dense-100-100 ")


def test_ten_thousand_predictions_take_less_than_a_second() -> None:
    parts = [measured(dense(size, 64), {1: 1e-6 * size, 8: 5e-6 * size}) for size in range(1, 60)]
    model, network = model_of(*parts), network_of(*(dense(size, 64) for size in range(1, 60)))
    model.predict(network, [1])
    begin = time.process_time()
    model.predict(network, list(range(1, 10_001)))
    assert time.process_time() - begin < 1.0
