"""Predictions for records, and records as measured points for a fit."""

from collections.abc import Mapping, Sequence

import numpy as np

from qutiperf.errors import InputError, QutiperfError
from qutiperf.level0.measured import Measured
from qutiperf.level0.network import Network
from qutiperf.level0.points import PredictedPoint, points_of
from qutiperf.level0.prediction import PredictionTarget, predict
from qutiperf.level0.subject import Subject, subject_of_workload
from qutiperf.printable import bounded
from qutiperf.results.record import RunRecord, StoredPrediction
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sut import Platform, Settings, SystemUnderTest
from qutiperf.spec.workload import Workload

Stored = StoredPrediction
_NOTE_CHARACTERS = 1000
_PADDED = "samples differ in length, so the operations of one input are not known"


def prediction_of_run(sut: SystemUnderTest, workload: Workload, deployment: Settings) -> StoredPrediction:
    """The prediction with its inputs; without one, the requirements and a note with the reason.

    Never raises: a missing prediction does not fail a run.
    """
    if workload.model.padded:
        return StoredPrediction(note=_PADDED)
    try:
        subject = subject_of_workload(workload)
    except QutiperfError as error:
        return StoredPrediction(note=bounded(str(error), _NOTE_CHARACTERS))
    counted = StoredPrediction(ops=subject.network.total_ops, weights=subject.network.total_weights)
    try:
        target = _target_of(sut, subject, str(deployment.get("operating_mode") or "default"))
        setting = (_count(deployment, "batch_size"), _count(deployment, "streams"))
        prediction = predict(subject.network, target, [setting])[0]
    except QutiperfError as error:
        return counted.model_copy(update={"note": bounded(str(error), _NOTE_CHARACTERS)})
    return StoredPrediction(**prediction.model_dump())


def _target_of(sut: SystemUnderTest, subject: Subject, mode: str) -> PredictionTarget:
    return PredictionTarget(sut.platform, sut.name, subject.datatype, mode, subject.weight_datatype)


def _count(deployment: Settings, name: str) -> int:
    """A deployment parameter as a number; 1 if it is absent or `all`."""
    value = deployment.get(name)
    return value if isinstance(value, int) else 1


def measured_of_records(records: Sequence[RunRecord], platform: Platform, where: str) -> Measured:
    """Valid performance runs of one system with compute throughput, one stream and the most threads.

    Groups are workloads of the same topology and channel scale; raises InputError if nothing is left.
    """
    usable = [record for record in records if _usable(record, platform)]
    threads = max((_threads(record) for record in usable), default=0.0)
    usable = [record for record in usable if _threads(record) == threads]
    if not usable:
        cure = "run performance scenarios with one stream first"
        raise InputError("has no valid run with compute throughput", where=where, cure=cure)
    subjects = {record.point.workload: subject_of_workload(record.inputs.workload) for record in usable}
    names = list(subjects)
    settings = [_setting(record, subjects, names, platform) for record in usable]
    networks: list[Network] = [subjects[name].network for name in names]
    return Measured(
        points_of(networks, settings),
        np.array([record.figures.compute_throughput_ips for record in usable], dtype=np.float64),
        np.array([names.index(record.point.workload) for record in usable], dtype=np.int64),
        _groups(usable),
    )


def _usable(record: RunRecord, platform: Platform) -> bool:
    streams = _count(record.point.deployment, "streams")
    return (
        record.valid
        and not record.inputs.workload.model.padded
        and record.point.mode is Mode.PERFORMANCE
        and bool(record.figures.compute_throughput_ips)
        and (streams == 1 or platform.cores > 1)
    )


def _threads(record: RunRecord) -> float:
    value = record.point.deployment.get("threads", 1)
    return float(value) if isinstance(value, int) else float("inf")


def _setting(
    record: RunRecord, subjects: Mapping[str, Subject], names: Sequence[str], platform: Platform
) -> PredictedPoint:
    subject, deployment = subjects[record.point.workload], record.point.deployment
    able = _target_of(
        record.inputs.sut.model_copy(update={"platform": platform}),
        subject,
        str(deployment.get("operating_mode") or "default"),
    ).capability
    in_flight = _count(deployment, "streams" if able.cores > 1 else "batch_size")
    return PredictedPoint(names.index(record.point.workload), able, in_flight)


def _groups(records: Sequence[RunRecord]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    known: dict[tuple[str | None, float | None], int] = {}
    numbers = []
    for record in records:
        variant = record.inputs.workload.variant
        key = (variant.topology or record.point.workload, variant.channel_scale_percent)
        numbers.append(known.setdefault(key, len(known)))
    return np.array(numbers, dtype=np.int64)
