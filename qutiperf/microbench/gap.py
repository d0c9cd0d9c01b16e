"""The time of a measured network, from the roofline to what LoadGen measures, in steps that add up."""

from collections.abc import Sequence
from dataclasses import dataclass

from qutiperf.errors import InputError
from qutiperf.microbench.evaluation import NetworkPoint, evaluate_layers, level0_rates
from qutiperf.microbench.layer_model import LayerModel, layer_model
from qutiperf.microbench.measured_parts import MeasuredParts, key_of
from qutiperf.microbench.network_layers import NetworkLayers
from qutiperf.microbench.networks import layers_on
from qutiperf.results.record import RunRecord
from qutiperf.spec.microbench import label_of
from qutiperf.spec.sut import Platform
from qutiperf.units import MILLISECONDS_PER_SECOND, milliseconds

MOST_LOSSES = 3


@dataclass(frozen=True, slots=True)
class GapRow:
    """Milliseconds of a batch; the steps up to `system_ms` add up to `loadgen_ms`.

    roofline_ms is the plain prediction with the peaks of the SUT file (None without them), calibrated_ms what
    measured peaks add to it, layers_ms what layers take beyond both, between_ms what pairs of them do beyond
    their layers (negative where the runtime saves time), call_ms the call and the borders, unexplained_ms the
    compute time beyond the prediction from layers (it may be negative), system_ms what LoadGen measures
    beyond the compute time. None is unknown.
    """

    network: str
    batch_size: int
    roofline_ms: float | None
    calibrated_ms: float | None
    layers_ms: float
    between_ms: float
    call_ms: float
    unexplained_ms: float
    system_ms: float | None
    loadgen_ms: float | None
    compute_ms: float
    naive_sum_ms: float
    losses: str


def gap_rows(
    measured: MeasuredParts, cache_bytes: float | None, where: str, calibrated: Platform | None = None
) -> list[GapRow]:
    """One row for each measured network and batch size; raises InputError if there is none.

    `calibrated` has the measured peaks of the system; InputError if they do not give a prediction.
    """
    points = evaluate_layers(measured, cache_bytes, where)
    model = layer_model(measured, cache_bytes)
    records = {(record.point.workload, _batch(record)): record for record in measured.networks}
    peaks_ms = _roofline_ms(measured.networks, calibrated, where)
    networks: dict[str, NetworkLayers] = {}
    rows = []
    for point in points:
        place = point.network, point.batch_size
        record = records[place]
        if point.network not in networks:
            networks[point.network] = layers_on(record.inputs.workload, record.inputs.sut)
        rows.append(_row(point, record, model, networks[point.network], peaks_ms.get(place)))
    return rows


def _roofline_ms(
    records: Sequence[RunRecord], platform: Platform | None, where: str
) -> dict[tuple[str, int], float]:
    """The plain prediction with these peaks, by network and batch size; empty without a platform."""
    if platform is None:
        return {}
    rates = level0_rates(records, platform, where).get("plain")
    if rates is None:
        problem = "gives no prediction of these networks: its peaks are unknown, or their runs are not valid"
        raise InputError(problem, where="--calibrated", cure="write a SUT file with `qutiperf calibrate`")
    places = [(record.point.workload, _batch(record)) for record in records]
    return {
        place: MILLISECONDS_PER_SECOND * place[1] / float(rate)
        for place, rate in zip(places, rates, strict=True)
    }


def _batch(record: RunRecord) -> int:
    return int(record.point.deployment["batch_size"])


def _row(
    point: NetworkPoint,
    record: RunRecord,
    model: LayerModel,
    network: NetworkLayers,
    calibrated: float | None,
) -> GapRow:
    compute = point.measured_s * MILLISECONDS_PER_SECOND
    predicted = (point.predicted_s[point.used] or 0.0) * MILLISECONDS_PER_SECOND
    inside = predicted * (point.measured_share + point.interpolated_share)
    between, roofline = predicted * point.between_share, milliseconds(point.predicted_s["plain"])
    throughput = record.figures.system_throughput_ips
    loadgen = MILLISECONDS_PER_SECOND * point.batch_size / throughput if throughput else None
    promised = calibrated if calibrated is not None else roofline
    return GapRow(
        network=point.network,
        batch_size=point.batch_size,
        roofline_ms=roofline,
        calibrated_ms=None if calibrated is None else calibrated - (roofline or 0.0),
        layers_ms=inside - between - (promised or 0.0),
        between_ms=between,
        call_ms=predicted - inside,
        unexplained_ms=compute - predicted,
        system_ms=None if loadgen is None else loadgen - compute,
        loadgen_ms=loadgen,
        compute_ms=compute,
        naive_sum_ms=milliseconds(point.predicted_s["naive sum"]) or 0.0,
        losses="; ".join(losses(model, network, point.batch_size)),
    )


def losses(model: LayerModel, network: NetworkLayers, batch: int) -> list[str]:
    """The three layers that take most time beyond their share of operations, all their repeats together."""
    total = float(model.predict(network, [batch]).seconds[0])
    ops = sum(layer.ops for layer in network.layers) or 1.0
    excess: dict[str, float] = {}
    labels: dict[str, tuple[str, int]] = {}
    for layer in network.layers:
        key = key_of(layer.part)
        time = model.layer_seconds(layer, network, batch)
        excess[key] = excess.get(key, 0.0) + time - total * layer.ops / ops
        label, count = labels.get(key, (label_of(layer.part), 0))
        labels[key] = (label, count + 1)
    lost = sorted(excess, key=lambda key: -excess[key])[:MOST_LOSSES]
    return [_loss(labels[key], excess[key] * MILLISECONDS_PER_SECOND) for key in lost if excess[key] > 0]


def _loss(label: tuple[str, int], milliseconds: float) -> str:
    name, count = label
    times = f"{count} x " if count > 1 else ""
    return f"{times}{name} {milliseconds:.3g} ms"
