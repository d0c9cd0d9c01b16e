"""How well networks are predicted from layers: several ways, side by side, on networks that were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qutiperf.errors import InputError, QutiperfError
from qutiperf.level0.calibration import calibrate
from qutiperf.level0.evaluate import interval_factor
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
from qutiperf.units import MILLISECONDS_PER_SECOND, NANOSECONDS_PER_SECOND, SECONDS_PER_MINUTE

BEST_SIDE = "layers, stacks and pairs"
SIDES = (
    *("plain", "refined", "naive sum", "layers", "layers and stacks", BEST_SIDE),
    *("interpolated", "profiler's sum"),
)
WORST = 5


@dataclass(frozen=True, slots=True)
class NetworkPoint:
    """A measured network at a batch size: seconds of a batch, and those that each side predicts."""

    network: str
    batch_size: int
    measured_s: float
    predicted_s: Mapping[str, float | None]
    measured_share: float
    interpolated_share: float
    uncovered_percent: float
    slowest: str

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


def evaluate_layers(measured: MeasuredParts, cache_bytes: float | None, where: str) -> list[NetworkPoint]:
    """Every measured network of the folder; raises InputError if there is none.

    `interpolated` predicts each network without any of its own layers.
    """
    if not measured.networks:
        cure = "measure networks with `qutiperf microbench run --for NETWORK --whole`"
        raise InputError("has no measured network to compare with", where=where, cure=cure)
    model, layers = layer_model(measured, cache_bytes), _layers(measured.networks)
    base = _level0(measured.networks, where)
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
    whole, alone = model.predict(network, [batch]), model.predict(network, [batch], stacks=False)
    unlinked = model.predict(network, [batch], pairs=False)
    predicted: dict[str, float | None] = {
        **{side: _seconds(base.get(side), number, batch) for side in ("plain", "refined")},
        "naive sum": float(model.naive(network, [batch])[0]),
        "layers": float(alone.seconds[0]),
        "layers and stacks": float(unlinked.seconds[0]),
        BEST_SIDE: float(whole.seconds[0]),
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
    )


def profiled_s(record: RunRecord) -> float | None:
    """The times of a network's nodes by the runtime's profiler, added up; None without a profile."""
    nodes = record.observed.profile if record.observed else []
    return sum(node.time_ns for node in nodes) / NANOSECONDS_PER_SECOND if nodes else None


def _seconds(rates: Array | None, number: int, batch: int) -> float | None:
    return None if rates is None else batch / float(rates[number])


def _level0(records: Sequence[RunRecord], where: str) -> dict[str, Array]:
    """Inputs/s of each record by the plain model, and by a refined one fitted to the other networks.

    Empty where the peaks of the system are unknown, without refined for less than two networks.
    """
    platform = records[0].inputs.sut.platform
    try:
        measured = measured_of_records(records, platform, where)
    except QutiperfError:
        return {}
    if len(measured) != len(records):
        return {}
    rates = {"plain": plain(measured.points).throughput_ips}
    refined = np.full(len(records), np.nan)
    for group in np.unique(measured.group):
        test, rest = measured.group == group, measured.take(np.flatnonzero(measured.group != group))
        try:
            calibration = calibrate(rest, platform.family, where)
        except QutiperfError:
            return rates
        from qutiperf.level0.predict import refined as predicted

        points = measured.points.take(np.flatnonzero(test))
        refined[test] = predicted(points, calibration.terms, calibration.constants)
    return {**rates, "refined": refined}


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

    whole = spent(streamed=True, stacks=True, pairs=True)
    return {
        "naive sum": spent(streamed=False, stacks=False),
        "layers": spent(streamed=True, stacks=False),
        "layers and stacks": spent(streamed=True, stacks=True),
        BEST_SIDE: whole,
        "interpolated": whole,
    }


def worst(points: Sequence[NetworkPoint], side: str) -> list[NetworkPoint]:
    """The points that a side predicts worst."""
    known = [point for point in points if point.error(side)]
    return sorted(known, key=lambda point: -abs(np.log(point.error(side) or 1.0)))[:WORST]


def cause(point: NetworkPoint) -> str:
    """What is known to make a prediction uncertain."""
    if point.uncovered_percent > 1:
        return f"{point.uncovered_percent:.0f} % of its operations have no layer"
    if point.interpolated_share > 0.05:
        return f"{100 * point.interpolated_share:.0f} % of its time is interpolated, first {point.slowest}"
    return "every layer is measured: data movement, or noise"
