"""Rows to analyse, from the published table or from records, including derived figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from qutiperf.level0.analysis import AnalysedRow
from qutiperf.level0.capability import OPS_PER_TOP, capability
from qutiperf.level0.evaluate import measured_points
from qutiperf.level0.predict import plain
from qutiperf.level0.reference import Measurement, network
from qutiperf.results.derived import Basis, basis_of, derived, impossible
from qutiperf.results.record import RunRecord
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sut import load_sut


def published_rows(rows: Sequence[Measurement]) -> list[AnalysedRow]:
    """Published rows with efficiency, utilisation, energy and hardware cost if they can be derived."""
    usable = [row for row in rows if row.throughput_ips is not None]
    bounds = plain(measured_points(usable).points).throughput_ips.tolist()
    systems = {name: load_sut(name)[0].platform for name in {row.sut for row in usable}}
    published = []
    for row, bound in zip(usable, bounds, strict=True):
        platform, figures = systems[row.sut], dict(row.figures)
        able = capability(platform, row.datatype, row.operating_mode, row.sut)
        basis = Basis(
            compute_throughput_ips=figures["compute_throughput_ips"],
            compute_latency_ms=figures.get("compute_latency_ms"),
            full_power_w=figures.get("full_power_w"),
            ops=network(row.topology, row.channel_scale_percent).total_ops,
            peak_tops=able.peak / OPS_PER_TOP,
            predicted_throughput_ips=bound,
        )
        figures |= _known(asdict(derived(basis)))
        figures |= _known({"hardware_cost": platform.hardware_cost})
        published.append(_published(row, figures, impossible(basis)))
    return published


def _known(figures: Mapping[str, float | None]) -> dict[str, float]:
    """The figures that are known and positive: analyses take logarithms and reciprocals."""
    return {name: value for name, value in figures.items() if value is not None and value > 0}


def _published(row: Measurement, figures: Mapping[str, float], above: frozenset[str]) -> AnalysedRow:
    setting = f"streams {row.streams}" if row.streams > 1 else f"batch {row.batch_size}"
    return AnalysedRow(
        sut=row.sut,
        operating_mode=row.operating_mode,
        task=row.task,
        network=row.network,
        topology=row.topology,
        channel_scale_percent=row.channel_scale_percent,
        datatype=row.datatype,
        setting=setting,
        figures=figures,
        impossible=above,
    )


def record_rows(records: Sequence[RunRecord]) -> list[AnalysedRow]:
    """Valid performance runs; accuracy is joined from the run that each record names."""
    by_id = {record.run_id: record for record in records}
    return [
        _of_record(record, by_id.get(record.accuracy_run_id or ""))
        for record in records
        if record.valid and record.point.mode is Mode.PERFORMANCE
    ]


def _of_record(record: RunRecord, accuracy: RunRecord | None) -> AnalysedRow:
    deployment, workload = record.point.deployment, record.inputs.workload
    basis = basis_of(record)
    known = record.figures.model_dump() | asdict(derived(basis))
    if accuracy is not None and accuracy.valid:
        known |= {
            "top1_percent": accuracy.figures.top1_percent,
            "top5_percent": accuracy.figures.top5_percent,
        }
    platform = record.inputs.sut.platform
    known["hardware_cost"] = platform.hardware_cost
    variant = workload.variant
    return AnalysedRow(
        sut=record.point.sut,
        operating_mode=str(deployment.get("operating_mode") or "default"),
        task=f"{workload.dataset.name} {record.point.scenario.value}",
        network=workload.name,
        topology=variant.topology or workload.name,
        channel_scale_percent=variant.channel_scale_percent,
        datatype=variant.weight_datatype,
        setting=" ".join(f"{name} {value}" for name, value in deployment.items()),
        figures=_known(known),
        impossible=impossible(basis),
    )
