"""Which points of a sweep can be measured: files that a system loads, batches that fit model and memory."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qutiperf import host
from qutiperf.datasets.inputs import bytes_of_sample
from qutiperf.errors import ImpossiblePointError, InputError
from qutiperf.harness.samples import PERFORMANCE_SAMPLES
from qutiperf.run.pairing import Pairing, pair
from qutiperf.spec.point import Point
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.workload import Workload
from qutiperf.units import BYTES_PER_GB

_INDEX_BYTES = 8  # LoadGen shuffles the numbers of all samples
Pairings = dict[tuple[str, str], Pairing]
Devices = Mapping[str, host.Facts]  # machines that run the models of systems, by system; LoadGen is elsewhere
NO_DEVICES: Devices = {}


@dataclass(frozen=True, slots=True)
class Skipped:
    """Points that cannot be measured, and why."""

    points: list[Point]
    reason: str

    @property
    def line(self) -> str:
        points = "1 point is" if len(self.points) == 1 else f"{len(self.points):,} points are"
        return f"{points} skipped: {self.reason}"


@dataclass(frozen=True, slots=True)
class Possible:
    """The points to measure, and their systems with their workloads, checked."""

    points: list[Point]
    pairings: Pairings
    skipped: list[Skipped]


def possible_points(
    points: Sequence[Point],
    suts: Mapping[str, SystemUnderTest],
    workloads: Mapping[str, Workload],
    machine: host.Facts,
    devices: Devices = NO_DEVICES,
) -> Possible:
    """Raises InputError or SetupError for wrong input, and the first reason if no point is possible."""
    pairings: Pairings = {}
    reasons: dict[tuple[str, str], ImpossiblePointError] = {}
    for key in dict.fromkeys((point.sut, point.workload) for point in points):
        try:
            pairings[key] = pair(suts[key[0]], workloads[key[1]], here=key[0] not in devices)
        except ImpossiblePointError as error:
            reasons[key] = error
    skipped: defaultdict[str, list[Point]] = defaultdict(list)
    possible, first = [], next(iter(reasons.values()), None)
    for point in points:
        reason = reasons.get((point.sut, point.workload)) or _reason(point, pairings, machine)
        if reason is None:
            possible.append(point)
        else:
            first = first or reason
            skipped[str(reason)].append(point)
    if first and not possible:
        raise first
    return Possible(possible, pairings, [Skipped(each, reason) for reason, each in skipped.items()])


def _reason(point: Point, pairings: Pairings, machine: host.Facts) -> ImpossiblePointError | None:
    """Why a point is impossible on a system that loads its workload; raises InputError for wrong settings."""
    pairing = pairings[point.sut, point.workload]
    _check_end_to_end(point, pairing.workload)
    try:
        _check_batch(point, pairing.workload)
        _check_memory(point, pairing, machine)
    except ImpossiblePointError as error:
        return error
    return None


def _check_end_to_end(point: Point, workload: Workload) -> None:
    if point.settings.end_to_end and workload.model.many:
        problem = "settings.end_to_end: samples of several inputs are prepared before the run"
        raise InputError(problem, where=workload.name, cure="set it to false")


def _check_batch(point: Point, workload: Workload) -> None:
    fixed, batch = workload.model.fixed_batch, int(point.deployment["batch_size"])
    if fixed is not None and batch > fixed:
        cure = f"use batch_size up to {fixed}, or a model whose batch has a name"
        raise ImpossiblePointError(
            f"batch_size {batch}: the model takes {fixed} inputs at a time", where=workload.name, cure=cure
        )


def _check_memory(point: Point, pairing: Pairing, machine: host.Facts) -> None:
    """Raises ImpossiblePointError if the samples that a run holds are more than this host's memory."""
    memory_gb = machine.get("memory_gb")
    if not isinstance(memory_gb, int):
        return
    sample_bytes = bytes_of_sample(pairing.workload.model)
    count, batch = pairing.samples, int(point.deployment["batch_size"])
    held = {
        "deployment.batch_size": batch * int(point.deployment["streams"]) * sample_bytes,
        "settings.performance_sample_count": sample_bytes
        * min(count, point.settings.performance_sample_count or PERFORMANCE_SAMPLES),
        "dataset.count": count * _INDEX_BYTES,
    }
    if sum(held.values()) > max(memory_gb, 1) * BYTES_PER_GB:
        key = max(held, key=lambda name: held[name])
        needed = f"{sum(held.values()) / BYTES_PER_GB:,.1f} GB of samples of {sample_bytes:,} bytes"
        problem = f"{key}: {needed} do not fit into this host's {memory_gb} GB of memory"
        raise ImpossiblePointError(problem, where=f"{point.sut}, {pairing.workload.name}", cure="give less")
