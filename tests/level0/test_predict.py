"""Predictions: the plain model by hand, each term of the refined one by hand, speed, clear errors."""

import time
from dataclasses import replace

import numpy as np
import pytest

from qutiperf.errors import InputError
from qutiperf.level0.capability import Capability, capability, datatype_bits
from qutiperf.level0.count import requirements_of_model
from qutiperf.level0.network import Network, network_of
from qutiperf.level0.points import PredictedPoint, points_of
from qutiperf.level0.predict import plain, refined
from qutiperf.level0.prediction import (
    PredictionTarget,
    predict,
    predict_many,
)
from qutiperf.models.topologies import declare
from qutiperf.spec.level0_terms import Terms
from qutiperf.spec.sut import Platform, load_sut

ONE_TOP = Capability(
    datatype="int8",
    carrier="int8",
    peak=1e12,
    narrow_peak=1e12,
    clock_ratio=1.0,
    bandwidth=1e9,
    on_chip_bytes=2e6,
    weight_bytes=1.0,
    activation_bytes=1.0,
    cores=1,
)


def _network() -> Network:
    """Two layers: 1 MOP with 3 million weights and 10 channels, 2 MOP depthwise without many."""
    one = np.array
    return Network(
        name="two",
        topology="two",
        ops=one([1e6, 2e6]),
        weights=one([3e6, 0.0]),
        inputs=one([100.0, 200.0]),
        outputs=one([200.0, 300.0]),
        in_channels=one([10.0, 1.0]),
        out_channels=one([10.0, 1.0]),
        positions=one([1.0, 5.0]),
        depthwise=one([0.0, 1.0]),
        dense=one([1.0, 0.0]),
    )


def _seconds(terms: Terms, batch: float, constants: dict[str, float], able: Capability = ONE_TOP) -> float:
    """Seconds of a batch on the device of 1 TOP/s and 1 GB/s."""
    points = points_of([_network()], [PredictedPoint(0, able, batch)])
    values = {"compute_efficiency": 1.0, "memory_efficiency": 1.0} | constants
    return batch / float(refined(points, terms, values)[0])


def test_plain_is_the_lower_roof() -> None:
    bounds = plain(points_of([_network()], [PredictedPoint(0, ONE_TOP, 1)]))
    assert bounds.compute_ips[0] == pytest.approx(1e12 / 3e6)
    assert bounds.memory_ips[0] == pytest.approx(1e9 / 3e6)
    assert bounds.throughput_ips[0] == bounds.memory_ips[0]


@pytest.mark.parametrize(
    ("on_chip_bytes", "batch", "memory_ips"),
    [(2e6, 1, 1e9 / 3e6), (2e6, 8, 8e9 / 3e6), (3e6, 8, float("inf")), (float("inf"), 8, 8e9 / 3e6)],
)
def test_a_host_reads_weights_once_per_batch_unless_they_fit_its_cache(
    on_chip_bytes: float, batch: int, memory_ips: float
) -> None:
    host = replace(ONE_TOP, caches=True, on_chip_bytes=on_chip_bytes)
    bounds = plain(points_of([_network()], [PredictedPoint(0, host, batch)]))
    assert bounds.memory_ips[0] == pytest.approx(memory_ips)
    assert bounds.compute_ips[0] == pytest.approx(1e12 / 3e6)


def test_only_hosts_cache_weights() -> None:
    assert capability(_platform(), "int8", "default", "it").caches
    assert not capability(_platform(family="gpu"), "int8", "default", "it").caches


@pytest.mark.parametrize(("on_chip_bytes", "weights_s"), [(2e6, 3e-3), (4e6, 0.0)])
def test_nodes_cost_and_cached_weights_do_not(on_chip_bytes: float, weights_s: float) -> None:
    """Seven nodes of 10 us, a call of 100 us and 4 inputs of 3 us of arithmetic."""
    able, network = replace(ONE_TOP, on_chip_bytes=on_chip_bytes), replace(_network(), nodes=7.0)
    points = points_of([network], [PredictedPoint(0, able, 4)])
    constants = {"compute_efficiency": 1.0, "memory_efficiency": 1.0, "call_us": 100.0, "node_us": 10.0}
    rate = refined(points, Terms(call="once", nodes=True, weights="cached"), constants)
    assert 4 / float(rate[0]) == pytest.approx(100e-6 + 70e-6 + 12e-6 + weights_s)


def test_nodes_are_those_that_compute() -> None:
    """CNV: nine layers, eight activation functions, two pools; Flatten computes nothing."""
    assert network_of(requirements_of_model(declare("cnv"), "cnv")).nodes == 19


@pytest.mark.parametrize(
    ("terms", "batch", "constants", "seconds"),
    [
        (Terms(call="none", weights="on_chip"), 2, {}, 2 * 3e-6),
        (Terms(call="none"), 4, {}, 3e-3 + 4 * 3e-6),
        (Terms(call="none", weights="per_input"), 4, {}, 4 * (3e-3 + 3e-6)),
        (Terms(call="none", overlap=True), 4, {}, 3e-3 + 4 * 2e-6),
        (Terms(call="none", weights="on_chip", activations=True), 1, {}, 800e-9 + 3e-6),
        (Terms(call="layer", weights="on_chip"), 1, {"call_us": 10.0}, 20e-6 + 3e-6),
        (Terms(call="none", input="position", weights="on_chip"), 2, {"input_us": 1.0}, 2 * (6e-6 + 3e-6)),
        (Terms(call="none", weights="on_chip", tile=[16, 1]), 1, {}, 1.6e-6 + 16 * 2e-6),
        (Terms(call="none", weights="on_chip", link=True), 1, {"link_gb_s": 0.5}, 2e-3 + 3e-6),
        (Terms(call="none", weights="on_chip", pipelined=True), 4, {"fill_inputs": 2.0}, 6 * 3e-6),
        (Terms(call="none", weights="on_chip", dense_efficiency=True), 1, {"dense_efficiency": 0.5}, 4e-6),
        (
            Terms(call="none", weights="on_chip", depthwise_efficiency=True),
            1,
            {"depthwise_efficiency": 0.1},
            1e-6 + 20e-6,
        ),
        (Terms(call="none", weights="on_chip", dense_batch_tile=8), 2, {}, 8e-6 + 2 * 2e-6),
        (Terms(call="none", weights="on_chip", bit_serial=True), 1, {}, 4 * 3e-6),
    ],
)
def test_each_term_by_hand(terms: Terms, batch: float, constants: dict[str, float], seconds: float) -> None:
    assert _seconds(terms, batch, constants) == pytest.approx(seconds)


def test_cores_share_the_peak_and_overlap_their_calls() -> None:
    """Two cores of 0.5 TOP/s: one input takes 1 us of call and 6 us of work."""
    able = replace(ONE_TOP, cores=2)
    terms = Terms(call="once", weights="on_chip")
    assert _seconds(terms, 1, {"call_us": 1.0}, able) == pytest.approx(7e-6)
    assert 2 / _seconds(terms, 2, {"call_us": 1.0}, able) == pytest.approx(2 / 7e-6)
    assert 8 / _seconds(terms, 8, {"call_us": 1.0}, able) == pytest.approx(2 / 6e-6)


def test_calls_follow_the_clock() -> None:
    slow = replace(ONE_TOP, clock_ratio=2.0)
    terms = Terms(call="once", call_follows_clock=True, weights="on_chip")
    assert _seconds(terms, 1, {"call_us": 1.0}, slow) == pytest.approx(2e-6 + 3e-6)


def _platform(**changes: object) -> Platform:
    base = Platform(
        family="cpu", peaks_tops={"int8": 2.0, "fp32": 0.5}, memory_bandwidth_gb_s=10.0, source="test"
    )
    return base.model_copy(update=changes)


def test_a_missing_datatype_runs_in_the_next_wider() -> None:
    packed = capability(_platform(), "int4", "default", "it")
    assert (packed.carrier, packed.peak, packed.weight_bytes) == ("int8", 2e12, 0.5)
    unpacked = capability(_platform(packed_weights=False), "int4", "default", "it")
    assert unpacked.weight_bytes == 1.0
    assert capability(_platform(), "fp16", "default", "it").carrier == "fp32"
    weights_only = capability(_platform(), "fp32", "default", "it", weight_datatype="int4")
    assert (weights_only.peak, weights_only.weight_bytes, weights_only.activation_bytes) == (5e11, 0.5, 4.0)


@pytest.mark.parametrize(
    ("changes", "datatype", "message"),
    [
        ({}, "fp64", "it: the platform cannot compute fp64; it has fp32, int8"),
        ({}, "float", "'float' is not a datatype"),
        ({"peaks_tops": None}, "int8", "it: platform.peaks_tops: is not known in mode 'default'"),
        ({"memory_bandwidth_gb_s": "detect"}, "int8", "it: platform.memory_bandwidth_gb_s: is not known"),
    ],
)
def test_what_cannot_be_predicted_says_why(changes: dict[str, object], datatype: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        capability(_platform(**changes), datatype, "default", "it")
    assert message in str(caught.value)


def test_uncalibrated_falls_back_to_plain_and_says_so() -> None:
    target = PredictionTarget(_platform(), "it", "int8")
    found, second = predict(_network(), target, [(1, 1), (8, 1)])
    assert found.model == "plain"
    assert found.note == "not calibrated: this is the plain model"
    assert found.bound == "memory"
    assert found.predicted_throughput_ips == pytest.approx(1e10 / 3e6)
    # a host reads the weights once per batch
    assert second.predicted_latency_ms == pytest.approx(found.predicted_latency_ms)
    with pytest.raises(InputError, match="batch 0"):
        predict(_network(), target, [(0, 1)])


def test_a_calibrated_platform_carries_its_interval() -> None:
    platform = load_sut("TX2")[0].platform
    network = network_of(requirements_of_model(declare("resnet50-v1"), "resnet50-v1"))
    found = predict(network, PredictionTarget(platform, "TX2", "fp16", "maxn"), [(128, 1)])[0]
    assert found.model == "refined"
    assert found.interval_factor is not None
    # measured: 130.9 inputs/s
    assert 130.9 / found.interval_factor < found.predicted_throughput_ips < 130.9 * found.interval_factor


def test_ten_thousand_predictions_take_less_than_a_second() -> None:
    target = PredictionTarget(load_sut("TX2")[0].platform, "TX2", "fp16", "maxn")
    networks = [network_of(requirements_of_model(declare(name), name)) for name in ("cnv", "resnet50")]
    settings = [(number % 2, 1 + number % 128, 1) for number in range(10_000)]
    begin = time.perf_counter()
    assert (predict_many(networks, target, settings) > 0).all()
    assert time.perf_counter() - begin < 1.0


def test_datatypes_name_their_bits() -> None:
    assert [datatype_bits(name) for name in ("fp32", "bf16", "int8", "int4", "int2")] == [32, 16, 8, 4, 2]
