"""Predictions of one network from a results folder of layers, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from qutiperf.errors import InputError
from qutiperf.microbench.evaluation import evaluate_layers, side_scores
from qutiperf.microbench.layer_model import LayerModel, layer_model
from qutiperf.microbench.measured_parts import MeasuredParts, check_own, measured_parts
from qutiperf.microbench.network_layers import NetworkLayers
from qutiperf.microbench.networks import layers_on, workload_named
from qutiperf.results.record import RunRecord
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.units import MILLISECONDS_PER_SECOND


@dataclass(frozen=True, slots=True)
class LayersRow:
    """A prediction; shares are of the predicted time, `unknown_percent` of operations without a layer.

    `measured_percent` includes `pairs_percent`, what measured pairs of unlike layers take beyond their
    layers; it is negative where the runtime saves time by computing them together.

    The interval comes from the networks that were measured beside the layers; None without any.
    """

    network: str
    sut: str
    model: str
    batch_size: int
    predicted_throughput_ips: float
    low_throughput_ips: float | None
    high_throughput_ips: float | None
    predicted_latency_ms: float
    measured_percent: float
    interpolated_percent: float
    pairs_percent: float
    unknown_percent: float
    weights: str


def predict_network(
    name: str,
    sut: SystemUnderTest,
    records: Sequence[RunRecord],
    where: str,
    batches: Sequence[int],
    cache_bytes: float | None,
    *,
    threads: int | None = None,
    allow_foreign: bool = False,
) -> list[LayersRow]:
    """Raises InputError for layers of another system, host or version, unless they are allowed."""
    measured = measured_parts(records, where, None if allow_foreign else sut.name, threads)
    if not allow_foreign:
        check_own(measured.conditions, where)
    network = layers_on(workload_named(name), sut)
    if not network.layers:
        raise InputError(
            "has no layer that can be predicted", where=name, cure="see `qutiperf microbench layers`"
        )
    return rows_of(
        layer_model(measured, cache_bytes),
        network,
        sut.name,
        batches,
        _interval(measured, cache_bytes, where),
    )


def _interval(measured: MeasuredParts, cache_bytes: float | None, where: str) -> float | None:
    """The factor by which other networks of the folder were missed."""
    if not measured.networks:
        return None
    points = evaluate_layers(measured, cache_bytes, where)
    scores = side_scores(points, measured.parts)
    return next(line.interval_factor for line in scores if line.side == points[0].used)


def rows_of(
    model: LayerModel, network: NetworkLayers, sut: str, batches: Sequence[int], interval: float | None
) -> list[LayersRow]:
    predicted = model.predict(network, batches)
    rows = []
    for number, batch in enumerate(batches):
        seconds = float(predicted.seconds[number])
        rate = batch / seconds
        rows.append(
            LayersRow(
                network=network.name,
                sut=sut,
                model="layers",
                batch_size=batch,
                predicted_throughput_ips=rate,
                low_throughput_ips=rate / interval if interval else None,
                high_throughput_ips=rate * interval if interval else None,
                predicted_latency_ms=seconds * MILLISECONDS_PER_SECOND,
                measured_percent=100 * float(predicted.measured_share[number]),
                interpolated_percent=100 * float(predicted.interpolated_share[number]),
                pairs_percent=100 * float(predicted.between_share[number]),
                unknown_percent=sum(network.uncovered.values()),
                weights=model.state_of(network),
            )
        )
    return rows
