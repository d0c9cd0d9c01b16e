"""Compares predictions with the measured points, under three protocols.

in_sample: constants fitted to the points that they are evaluated on. leave_one_network_out: every network
(topology at one channel scale) is predicted with constants fitted to the others. leave_one_topology_out:
every topology with constants fitted to the other topologies. Terms are chosen inside the fold, except that
a left-out topology is the mean of all terms of the menu. Platforms of one family share their constants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qutiperf.level0.capability import Capability, capability
from qutiperf.level0.families import candidates
from qutiperf.level0.fit import leave_one_out, leave_one_out_mean, select
from qutiperf.level0.measured import Measured
from qutiperf.level0.network import Array
from qutiperf.level0.points import PredictedPoint, points_of
from qutiperf.level0.predict import plain
from qutiperf.level0.reference import Measurement, network, share_of_fabric
from qutiperf.level0.scores import FrontScores, Scores, score, score_front
from qutiperf.spec.sut import load_sut

PROTOCOLS = ("in_sample", "leave_one_network_out", "leave_one_topology_out")
COVERAGE = 0.8  # of networks
WITHIN = 0.9  # of the points of a network


@dataclass(frozen=True)
class Evaluation:
    """Measured rows with the plain prediction and the refined ones by protocol [rows], inputs/s."""

    rows: Sequence[Measurement]
    families: Sequence[str]
    measured: Array
    plain: Array
    refined: Mapping[str, Array]
    best: NDArray[np.bool_]
    possible: NDArray[np.bool_]
    constants: Mapping[str, Mapping[str, float]]

    def predicted(self, model: str, protocol: str) -> Array:
        """`plain` is the same under every protocol: it has no constants."""
        return self.plain if model == "plain" else self.refined[protocol]

    def score(self, model: str, protocol: str, chosen: NDArray[np.bool_]) -> Scores:
        return score(self.predicted(model, protocol)[chosen], self.measured[chosen])

    def rows_of(self, **attributes: str) -> NDArray[np.bool_]:
        """True for rows with these attributes (sut, task ...)."""
        return np.array(
            [all(getattr(row, key) == value for key, value in attributes.items()) for row in self.rows]
        )


def measured_points(rows: Sequence[Measurement], group: str = "network") -> Measured:
    """Points of rows with compute throughput, grouped by network or topology; raises InputError."""
    names = sorted({(row.topology, row.channel_scale_percent) for row in rows})
    platforms = {name: load_sut(name)[0].platform for name in {row.sut for row in rows}}
    able: dict[tuple[str, str, str], Capability] = {}
    settings = []
    for row in rows:
        key = (row.sut, row.datatype, row.operating_mode)
        if key not in able:
            able[key] = capability(platforms[row.sut], row.datatype, row.operating_mode, row.sut)
        number = names.index((row.topology, row.channel_scale_percent))
        in_flight = row.streams if able[key].cores > 1 else max(row.batch_size, row.streams)
        settings.append(
            PredictedPoint(
                number,
                able[key],
                in_flight,
                share_of_fabric(row.sut, row.topology, row.channel_scale_percent, row.datatype),
            )
        )
    points = points_of([network(*name) for name in names], settings)
    throughput = np.array([row.throughput_ips or np.nan for row in rows])
    return Measured(points, throughput, _numbers([row.configuration for row in rows]), _groups(rows, group))


def _groups(rows: Sequence[Measurement], group: str) -> NDArray[np.int64]:
    return _numbers([row.network if group == "network" else row.topology for row in rows])


def _numbers(keys: Sequence[object]) -> NDArray[np.int64]:
    """The same number for the same key."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def evaluate(rows: Sequence[Measurement]) -> Evaluation:
    """Fits every family under every protocol (about a minute for the published points)."""
    usable = [row for row in rows if row.throughput_ips is not None]
    families = [load_sut(row.sut)[0].platform.family for row in usable]
    everything = measured_points(usable)
    refined = {protocol: np.full(len(usable), np.nan) for protocol in PROTOCOLS}
    constants: dict[str, Mapping[str, float]] = {}
    for family in sorted(set(families)):
        index = np.flatnonzero(np.array(families) == family)
        predictions, constants[family] = _family([usable[number] for number in index.tolist()], family)
        for protocol, values in predictions.items():
            refined[protocol][index] = values
    return Evaluation(
        usable,
        families,
        everything.throughput_ips,
        plain(everything.points).throughput_ips,
        refined,
        best_of(everything),
        everything.throughput_ips <= plain(everything.points).compute_ips,
        constants,
    )


def _family(rows: Sequence[Measurement], family: str) -> tuple[dict[str, Array], Mapping[str, float]]:
    """Predictions of one family under each protocol, and its constants fitted to all points."""
    menu = candidates(family)
    networks, topologies = measured_points(rows), measured_points(rows, "topology")
    fitted = select(networks, menu)
    predictions = {
        "in_sample": fitted.predict(networks.points),
        "leave_one_network_out": leave_one_out(networks, menu),
        "leave_one_topology_out": leave_one_out_mean(topologies, menu),
    }
    return predictions, fitted.constants


def best_of(measured: Measured) -> NDArray[np.bool_]:
    """True for the first fastest point of each configuration."""
    best = np.zeros(len(measured), dtype=bool)
    for number in np.unique(measured.configuration):
        index = np.flatnonzero(measured.configuration == number)
        best[index[np.argmax(measured.throughput_ips[index])]] = True
    return best


def impossible(evaluation: Evaluation) -> list[Measurement]:
    """Rows whose throughput exceeds the theoretical peak, marked in the file or not."""
    return [row for row, possible in zip(evaluation.rows, evaluation.possible, strict=True) if not possible]


def interval_coverage(evaluation: Evaluation) -> float:
    """Share of rows inside an interval computed only from the other networks of their family, percent."""
    error = np.abs(np.log(evaluation.refined["leave_one_network_out"] / evaluation.measured))
    names, families = _groups(evaluation.rows, "network"), np.array(evaluation.families)
    inside = []
    for family in np.unique(families):
        for name in np.unique(names[families == family]):
            test = (families == family) & (names == name)
            others = (families == family) & (names != name)
            inside.append(error[test] <= np.log(interval_factor(error[others], names[others])))
    return float(100 * np.mean(np.concatenate(inside)))


def interval_factor(errors: Array, networks: NDArray[np.int64]) -> float:
    """The factor around a prediction for a network that was not measured.

    Networks are exchangeable, points are not: the WITHIN quantile of the leave-one-out errors
    |ln(predicted/measured)| of each network, and of those the rank ceil((n + 1) x COVERAGE) of
    split-conformal prediction, at most the largest. Infinite without networks.
    """
    worst = np.sort([np.quantile(errors[networks == number], WITHIN) for number in np.unique(networks)])
    rank = min(len(worst), int(np.ceil((len(worst) + 1) * COVERAGE)))
    return float(np.exp(worst[rank - 1])) if rank else float("inf")


def fronts(evaluation: Evaluation, protocol: str) -> dict[str, FrontScores]:
    """Per task: the predicted front of accuracy against best-batch throughput beside the measured one."""
    scores_of_task = {}
    for task in sorted({row.task for row in evaluation.rows}):
        chosen = evaluation.best & evaluation.rows_of(task=task)
        known = np.array(["top1_percent" in row.figures for row in evaluation.rows])
        index = np.flatnonzero(chosen & known)
        accuracy = np.array([evaluation.rows[number].figures["top1_percent"] for number in index.tolist()])
        predicted = evaluation.refined[protocol][index]
        scores_of_task[task] = score_front(accuracy, predicted, evaluation.measured[index])
    return scores_of_task
