"""Rows of published results: QuTiBench's measurements with theory, MLPerf's and imported tables without."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.level0.capability import bandwidth_of, capability, peaks_of
from qutiperf.level0.evaluate import measured_points
from qutiperf.level0.predict import plain
from qutiperf.level0.reference import BILLION, Measurement, network, published_measurements
from qutiperf.published.files import read_published
from qutiperf.published.reference import tables
from qutiperf.published.result import PublishedResult
from qutiperf.report.columns import Row
from qutiperf.report.roofs import Roof
from qutiperf.results.analysed import published_rows as analysed_rows
from qutiperf.spec.config import nearest, shortened
from qutiperf.spec.sut import Platform, load_sut
from qutiperf.units import MILLISECONDS_PER_SECOND

QUTIBENCH = "qutibench"
_THESIS = "https://doi.org/10.13140/RG.2.2.35785.57448"
_DOUBTFUL = frozenset({"above_peak", "not_one_run", "latency_doubled", "full_power_below_idle"})
_REASONS = {
    "compute_efficiency_percent": "faster than the plain prediction, which does not describe this design",
    "utilisation_percent": "above the theoretical peak",
}


def published_names() -> list[str]:
    """`qutibench`, and `mlperf-v6.0` for every round that ships."""
    return [QUTIBENCH, *(f"mlperf-{table.mlperf_round}" for table in tables())]


def rows_of_name(name: str) -> list[Row]:
    """The rows of a shipped table; raises InputError for an unknown name."""
    if name == QUTIBENCH:
        return qutibench_rows()
    return [_result_row(result, name) for result in results_of_name(name)]


def results_of_name(name: str) -> list[PublishedResult]:
    """Raises InputError for a name that is not a shipped MLPerf table."""
    for table in tables():
        if name == f"mlperf-{table.mlperf_round}":
            return table.results()
    what = f"no published table named '{shortened(name, 80)}'"
    raise InputError(what, cure=nearest(name, published_names()))


def rows_of_file(path: Path, label: str) -> list[Row]:
    """Raises InputError for a file that is not a table of published results."""
    return [_result_row(result, label) for result in read_published(path)]


def qutibench_rows() -> list[Row]:
    """Every published measurement, with its level-0 prediction where it has a compute throughput."""
    measured = published_measurements()
    usable = [row for row in measured if row.throughput_ips is not None]
    bounds = plain(measured_points(usable).points).throughput_ips.tolist()
    derived = analysed_rows(measured)
    built = [
        _measured(row, float(bound)) | dict(analysed.figures) | _marks(row, analysed.impossible)
        for row, bound, analysed in zip(usable, bounds, derived, strict=True)
    ]
    return built + [_measured(row, None) | _marks(row) for row in measured if row.throughput_ips is None]


def _measured(row: Measurement, bound: float | None) -> Row:
    setting = f"streams {row.streams}" if row.streams > 1 else f"batch {row.batch_size}"
    ops, intensity = _operations(row)
    identity = (row.sut, row.operating_mode, row.network, row.datatype, setting, sorted(row.figures.items()))
    in_flight = max(row.batch_size, row.streams)
    return {
        "id": _digest("qutibench", *map(str, identity)),
        "source": QUTIBENCH,
        "sut": row.sut,
        "operating_mode": row.operating_mode,
        "task": row.task,
        "workload": row.network,
        "topology": row.topology,
        "channel_scale_percent": row.channel_scale_percent,
        "datatype": row.datatype,
        "scenario": "published",
        "batch_size": row.batch_size,
        "streams": row.streams,
        "setting": setting,
        **row.figures,
        "predicted_throughput_ips": bound,
        "predicted_latency_ms": MILLISECONDS_PER_SECOND * in_flight / bound if bound else None,
        "ops": ops,
        "operational_intensity_ops_per_byte": intensity,
        "url": _THESIS,
    }


def _operations(row: Measurement) -> tuple[float, float | None]:
    """Operations of an input, and those per byte of weights in the row's datatype."""
    layers = network(row.topology, row.channel_scale_percent)
    able = capability(_platform(row.sut), row.datatype, row.operating_mode, row.sut)
    weight_bytes = layers.total_weights * able.weight_bytes
    return layers.total_ops, layers.total_ops / weight_bytes if weight_bytes else None


@cache
def _platform(sut: str) -> Platform:
    return load_sut(sut)[0].platform


def _marks(row: Measurement, impossible: frozenset[str] = frozenset()) -> Row:
    """`doubtful` for rows with a known defect, or above the theoretical bound; the others are published."""
    reasons = [caveat.replace("_", " ") for caveat in row.caveats]
    reasons += [_REASONS[name] for name in sorted(impossible)]
    doubtful = bool(_DOUBTFUL & set(row.caveats)) or "utilisation_percent" in impossible
    return {
        "status": "doubtful" if doubtful else "published",
        "reasons": "; ".join(reasons) or None,
        "power_source": "another meter" if "power_of_another_meter" in row.caveats else None,
    }


def _result_row(result: PublishedResult, label: str) -> Row:
    """One schema for any published table; only rates of samples become throughputs."""
    rate = result.figure if result.unit in ("samples/s", "queries/s") else None
    latency = result.figure if result.unit == "ms" else result.system_latency_ms
    tokens = result.figure if result.unit in ("tokens/s", "tasks/s", "streams") else None
    modes = result.source == QUTIBENCH  # whose platform is the operating mode
    percentile = {0.9: "system_latency_p90_ms", 0.99: "system_latency_p99_ms"}.get(result.percentile or 0.0)
    row: Row = {
        "id": _digest(label, result.model_dump_json()),
        "source": label,
        "sut": result.system if modes else result.platform or result.system,
        "operating_mode": result.platform if modes else None,
        "task": result.benchmark,
        "workload": result.model or result.benchmark,
        "topology": result.benchmark,
        "channel_scale_percent": result.channel_scale_percent,
        "datatype": result.datatype,
        "scenario": result.scenario,
        "setting": result.deployment or _accelerators(result),
        "status": "INVALID" if result.valid is False else "published",
        "reasons": "inferred from another run" if result.inferred else None,
        "top1_percent": result.top1_percent,
        "top5_percent": result.top5_percent,
        "system_throughput_ips": rate,
        "compute_throughput_ips": result.compute_throughput_ips,
        percentile or "system_latency_ms": latency,
        "compute_latency_ms": result.compute_latency_ms,
        "base_power_w": result.base_power_w,
        "idle_power_w": result.idle_power_w,
        "full_power_w": result.full_power_w,
        "ops": result.gop * BILLION if result.gop is not None else None,
        "system_gops": result.system_gops,
        "compute_gops": result.compute_gops,
        "url": result.url,
        "division": result.division,
        "submitter": result.submitter,
        "accelerator": result.accelerator,
        "result_id": result.result_id,
        "availability": result.availability,
    }
    return row | ({result.unit.replace("/", "_per_"): tokens} if result.unit and tokens is not None else {})


def _accelerators(result: PublishedResult) -> str | None:
    total = result.accelerator_total
    return f"{total} accelerators" if total else None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def qutibench_roofs(rows: Iterable[Row]) -> list[Roof]:
    """The roofs of the shipped systems that the rows name, in the modes they were measured in."""
    modes = dict.fromkeys((str(row["sut"]), str(row["operating_mode"])) for row in rows)
    roofs: list[Roof] = []
    for sut, mode in modes:
        roofs += _roofs(sut, mode)
    return roofs


def _roofs(sut: str, mode: str) -> Sequence[Roof]:
    platform = _platform(sut)
    bandwidth = bandwidth_of(platform, sut)
    peaks = peaks_of(platform, mode, sut)
    return [Roof(sut, mode, datatype, peak, bandwidth, platform.source) for datatype, peak in peaks.items()]
