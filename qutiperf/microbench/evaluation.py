"""How well networks are predicted from layers: several ways, side by side, on networks that were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qutiperf.errors import InputError, QutiperfError
from qutiperf.level0.calibration import menu_of
from qutiperf.level0.evaluate import interval_factor
from qutiperf.level0.fit import leave_one_out
from qutiperf.level0.network import Array
from qutiperf.level0.predict import plain
from qutiperf.level0.scores import Scores, score
from qutiperf.microbench.layer_model import LayerModel, family_of, layer_model
from qutiperf.microbench.measured_parts import MeasuredPart, MeasuredParts, key_of
from qutiperf.microbench.network_layers import NetworkLayers
from qutiperf.microbench.networks import layers_on
from qutiperf.microbench.stacks import layers_of
from qutiperf.results.predictions import measured_of_records
from qutiperf.results.record import RunRecord
from qutiperf.spec.sut import Platform
from qutiperf.units import MILLISECONDS_PER_SECOND, NANOSECONDS_PER_SECOND, SECONDS_PER_MINUTE

# sides and whether they use stacks and pairs
_OF_LAYERS = {
    "layers": (False, False),
    "layers and stacks": (True, False),
    "layers and pairs": (False, True),
    "layers, stacks and pairs": (True, True),
}
SIDES = ("plain", "refined", "naive sum", *_OF_LAYERS, "interpolated", "profiler's sum")
WORST = 5


@dataclass(frozen=True, slots=True)
class NetworkPoint:
    """A measured network at a batch size: seconds of a batch, and those that each side predicts.

    `used` is the side that `level0 predict` uses; the shares are of its time, that of pairs, `between_share`,
    being part of the measured share.
    """

    network: str
    batch_size: int
    measured_s: float
    predicted_s: Mapping[str, float | None]
    measured_share: float
    interpolated_share: float
    uncovered_percent: float
    slowest: str
    used: str
    between_share: float = 0.0

    def error(self, side: str) -> float | None:
        """Predicted over measured time."""
        predicted = self.predicted_s.get(side)
        return None if predicted is None else predicted / self.measured_s


@dataclass(frozen=True, slots=True)
class SideScore:
    """The scores of a side in inputs/s, the minutes that its layers took to measure, and its interval."""

    side: str
    minutes: float | None
    scores: Scores
    interval_factor: float


def evaluate_layers(
    measured: MeasuredParts, cache_bytes: float | None, where: str, *, refined: bool = False
) -> list[NetworkPoint]:
    """Every measured network of the folder; raises InputError if there is none.

    `interpolated` predicts each network without any of its own layers; level 0 is fitted to the others only
    if `refined` is asked for, which takes seconds for each network.
    """
    if not measured.networks:
        cure = "measure networks with `qutiperf microbench run --for NETWORK --whole`"
        raise InputError("has no measured network to compare with", where=where, cure=cure)
    model, layers = layer_model(measured, cache_bytes), _layers(measured.networks)
    platform = measured.networks[0].inputs.sut.platform
    base = level0_rates(measured.networks, platform, where, refined=refined)
    points = []
    for number, record in enumerate(measured.networks):
        network = layers.get(record.point.workload)
        if network is not None:
            points.append(
                _point(record, network, model, _without_own(measured, network, cache_bytes), base, number)
            )
    if not points:
        raise InputError("has no network whose layers can be read", where=where, cure="measure ONNX networks")
    return sorted(points, key=lambda point: (point.network, point.batch_size))


def _layers(records: Sequence[RunRecord]) -> dict[str, NetworkLayers]:
    """By workload; networks that cannot be read are left out."""
    found: dict[str, NetworkLayers] = {}
    for record in records:
        if record.point.workload not in found:
            try:
                found[record.point.workload] = layers_on(record.inputs.workload, record.inputs.sut)
            except QutiperfError:
                continue
    return found


def _without_own(
    measured: MeasuredParts, network: NetworkLayers, cache_bytes: float | None
) -> LayerModel | None:
    """Fitted without the layers of this network; None if nothing else was measured."""
    own = {key_of(layer.part) for layer in network.layers}
    others = [part for part in measured.parts if not own & {key_of(layer) for layer in layers_of(part.part)}]
    if not [part for part in others if part.part.layer and part.depth == 1 and part.state == "resident"]:
        return None
    rest = MeasuredParts(measured.conditions, others, [], measured.failed)
    return layer_model(rest, cache_bytes)


def _point(
    record: RunRecord,
    network: NetworkLayers,
    model: LayerModel,
    rest: LayerModel | None,
    base: Mapping[str, Array],
    number: int,
) -> NetworkPoint:
    batch = int(record.point.deployment["batch_size"])
    whole = model.predict(network, [batch])
    predicted: dict[str, float | None] = {
        **{side: _seconds(base.get(side), number, batch) for side in ("plain", "refined")},
        "naive sum": float(model.naive(network, [batch])[0]),
        **{
            side: float(model.predict(network, [batch], stacks=stacks, pairs=pairs).seconds[0])
            for side, (stacks, pairs) in _OF_LAYERS.items()
        },
        "interpolated": None if rest is None else float(rest.predict(network, [batch]).seconds[0]),
        "profiler's sum": profiled_s(record),
    }
    unknown = [layer for layer in network.layers if not model.measured(layer)]
    return NetworkPoint(
        network=record.point.workload,
        batch_size=batch,
        measured_s=(record.figures.compute_latency_p50_ms or 0.0) / MILLISECONDS_PER_SECOND,
        predicted_s=predicted,
        measured_share=float(whole.measured_share[0]),
        interpolated_share=float(whole.interpolated_share[0]),
        uncovered_percent=sum(network.uncovered.values()),
        slowest=family_of(unknown[0].part) if unknown else "",
        used="layers and pairs" if model.profiled else "layers, stacks and pairs",
        between_share=float(whole.between_share[0]),
    )


def profiled_s(record: RunRecord) -> float | None:
    """The times of a network's nodes by the runtime's profiler, added up; None without a profile."""
    nodes = record.observed.profile if record.observed else []
    return sum(node.time_ns for node in nodes) / NANOSECONDS_PER_SECOND if nodes else None


def _seconds(rates: Array | None, number: int, batch: int) -> float | None:
    return None if rates is None else batch / float(rates[number])


def level0_rates(
    records: Sequence[RunRecord], platform: Platform, where: str, *, refined: bool = False
) -> dict[str, Array]:
    """Inputs/s of each record by the plain model, and by a `refined` one fitted to the other networks.

    Empty where the peaks of the platform are unknown, without refined for less than two networks.
    """
    try:
        measured = measured_of_records(records, platform, where)
    except QutiperfError:
        return {}
    if len(measured) != len(records):
        return {}
    rates = {"plain": plain(measured.points).throughput_ips}
    if not refined or len(np.unique(measured.group)) < 2:
        return rates
    try:
        menu = menu_of(measured, platform.family, where)
    except QutiperfError:
        return rates
    return {**rates, "refined": leave_one_out(measured, menu)}


def side_scores(points: Sequence[NetworkPoint], parts: Sequence[MeasuredPart]) -> list[SideScore]:
    """One line for each side with a prediction of every point, cheapest to measure first."""
    minutes = _minutes(parts)
    lines = []
    for side in SIDES:
        if any(point.predicted_s.get(side) is None for point in points):
            continue
        rates = np.array([1 / (point.predicted_s.get(side) or np.nan) for point in points])
        measured = np.array([1 / point.measured_s for point in points])
        errors = np.abs(np.log(rates / measured))
        factor = interval_factor(errors, _groups(points))
        lines.append(SideScore(side, minutes.get(side), score(rates, measured), factor))
    return lines


def _groups(points: Sequence[NetworkPoint]) -> NDArray[np.int64]:
    names = sorted({point.network for point in points})
    return np.array([names.index(point.network) for point in points], dtype=np.int64)


def _minutes(parts: Sequence[MeasuredPart]) -> dict[str, float]:
    """The measuring time that each side needs: layers alone, with streamed weights, stacks, pairs."""

    def spent(*, streamed: bool, stacks: bool, pairs: bool = False) -> float:
        kept = (
            part.spent_s
            for part in parts
            if (streamed or part.state == "resident")
            and (stacks or part.depth == 1)
            and (pairs or part.part.stack is None)
        )
        return sum(kept) / SECONDS_PER_MINUTE

    sides = {
        side: spent(streamed=True, stacks=stacks, pairs=pairs) for side, (stacks, pairs) in _OF_LAYERS.items()
    }
    alone = spent(streamed=False, stacks=False)
    return {"naive sum": alone, **sides, "interpolated": spent(streamed=True, stacks=True, pairs=True)}


def worst(points: Sequence[NetworkPoint]) -> list[NetworkPoint]:
    """The points that `level0 predict` misses most."""
    known = [point for point in points if point.error(point.used)]
    return sorted(known, key=lambda point: -abs(np.log(point.error(point.used) or 1.0)))[:WORST]


def cause(point: NetworkPoint) -> str:
    """What is known to make a prediction uncertain."""
    if point.uncovered_percent > 1:
        return f"{point.uncovered_percent:.0f} % of its operations have no layer"
    if point.interpolated_share > 0.05:
        return f"{100 * point.interpolated_share:.0f} % of its time is interpolated, first {point.slowest}"
    return "every layer is measured: data movement, or noise"
