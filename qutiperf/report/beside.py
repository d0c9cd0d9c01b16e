"""Runs beside the nearest published results: what makes an entry comparable, and what differs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from qutiperf.errors import InputError
from qutiperf.published.cited_peaks import ops_per_input, peak_ops_per_s
from qutiperf.published.plausibility import implausible
from qutiperf.published.reference import qutibench_results
from qutiperf.published.result import PublishedResult
from qutiperf.report.published_rows import QUTIBENCH, results_of_name
from qutiperf.report.verdicts import Verdicts, failures, verdicts_of
from qutiperf.results.derived import derived_of
from qutiperf.results.record import RunRecord
from qutiperf.spec import catalog
from qutiperf.spec.config import nearest
from qutiperf.spec.scenario import Mode, ScenarioName
from qutiperf.spec.sut import load_sut

DERIVED_NOTE = "Per accelerator, per watt and percent of the roofline are derived, not MLPerf metrics."
PERCENT = 100.0
_ACCURACY_PERCENT = 1.0
_LATENCIES = {
    ScenarioName.SINGLE_STREAM: "system_latency_p90_ms",
    ScenarioName.MULTI_STREAM: "system_latency_p99_ms",
}
_GPUS = (
    "nvidia",
    "geforce",
    "rtx",
    "tesla",
    "instinct",
    "radeon",
    "gpu",
    "jetson",
    "intel(r) arc",
    "intel arc",
)
_DATATYPES = {"float8": "fp8", "bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "uint8": "int8"}


@dataclass(frozen=True, slots=True)
class OwnFigure:
    """The best valid run of a system, workload and scenario; `figure` is in `unit` (samples/s or ms).

    `doubts` are the audits that it fails.
    """

    run: str
    sut: str
    workload: str
    benchmarks: frozenset[str]
    scenario: str
    setting: str
    datatype: str | None
    device_class: str
    top1_percent: float | None
    figure: float
    unit: str
    per_watt: float | None
    roofline_percent: float | None
    submission: bool
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedNeighbour:
    """One published entry. `speed_ratio` is how many times as fast the own run is; None is unknown."""

    source: str
    round: str | None
    result_id: str | None
    division: str | None
    availability: str | None
    submitter: str | None
    system: str
    benchmark: str
    scenario: str
    figure: float
    unit: str
    speed_ratio: float
    per_accelerator: float | None
    per_watt: float | None
    roofline_percent: float | None
    url: str | None
    retrieved: str | None
    because: list[str]
    differs: list[str]
    doubts: list[str]


@dataclass(frozen=True, slots=True)
class Beside:
    """One run with the published entries nearest to it: those of the closed division first, Open apart."""

    own: OwnFigure
    entries: list[PublishedNeighbour]


def beside(
    records: Sequence[RunRecord],
    tables: Sequence[str],
    benchmark: str | None = None,
    scenario: str | None = None,
    most: int = 5,
    verdicts: Verdicts = MappingProxyType({}),
) -> list[Beside]:
    """The `most` nearest entries of each publisher and division; raises InputError if there are none.

    `verdicts` are those of the runs' audits, by run id.
    """
    results = [result for name in dict.fromkeys(tables) for result in _results(name)]
    own = [one for one in own_figures(records, verdicts) if scenario in (None, one.scenario)]
    if not own:
        cure = "measure a performance run, or leave --scenario out"
        raise InputError("has no valid run to compare", cure=cure)
    doubts = _doubts(results)
    pairs = [(one, nearest_entries(one, results, benchmark, most)) for one in own]
    built = [
        Beside(one, [_neighbour(one, entry, doubts) for entry in entries])
        for one, entries in pairs
        if entries
    ]
    if not built:
        raise _no_match(own, results, benchmark)
    return built


def _results(name: str) -> list[PublishedResult]:
    return qutibench_results() if name == QUTIBENCH else results_of_name(name)


def _no_match(
    own: Sequence[OwnFigure], results: Sequence[PublishedResult], benchmark: str | None
) -> InputError:
    known = sorted({result.benchmark for result in results})
    workloads = sorted({one.workload for one in own})
    more = f" and {len(workloads) - 3} more" if len(workloads) > 3 else ""
    names = benchmark or ", ".join(workloads[:3]) + more
    what = f"no published entry of these tables has the network and scenario of {names}"
    return InputError(what, where="--with", cure=f"--benchmark: {nearest(names, known)}")


def own_figures(records: Sequence[RunRecord], verdicts: Verdicts = MappingProxyType({})) -> list[OwnFigure]:
    """One for each system, workload and scenario, in the order of the records."""
    accuracies = {record.run_id: record.figures.top1_percent for record in records if record.valid}
    best: dict[tuple[str, str, str], OwnFigure] = {}
    for record in records:
        failed = tuple(failures(verdicts_of(record, verdicts)))
        one = _own(record, accuracies.get(record.accuracy_run_id or ""), failed)
        if one is not None:
            key = (one.sut, one.workload, one.scenario)
            before = best.get(key)
            if before is None or _faster(one.figure, before.figure, one.unit) > 1:
                best[key] = one
    return list(best.values())


def _own(record: RunRecord, top1_percent: float | None, doubts: tuple[str, ...]) -> OwnFigure | None:
    point, variant = record.point, record.inputs.workload.variant
    latency = _LATENCIES.get(point.scenario)
    figure = getattr(record.figures, latency or "system_throughput_ips")
    if not record.valid or point.mode is not Mode.PERFORMANCE or not figure:
        return None
    derived = derived_of(record)
    return OwnFigure(
        run=f"{record.run_id}-{record.attempt}",
        sut=point.sut,
        workload=point.workload,
        benchmarks=_benchmarks(record),
        scenario=point.scenario.value,
        setting=f"batch {point.deployment.get('batch_size', 1)}",
        datatype=variant.weight_datatype,
        device_class=_class_of_family(record.inputs.sut.platform.family),
        top1_percent=top1_percent,
        figure=figure,
        unit="ms" if latency else "samples/s",
        per_watt=derived.ips_per_watt,
        roofline_percent=derived.utilisation_percent,
        submission=point.profile.value == "submission",
        doubts=doubts,
    )


def _benchmarks(record: RunRecord) -> frozenset[str]:
    """The published names of the same network."""
    workload = record.inputs.workload
    names = {workload.mlperf_benchmark, workload.variant.topology, workload.name} - {None}
    scale = workload.variant.channel_scale_percent
    known = {str(name) for name in names}
    known |= {f"{name}-{100.0 if scale is None else scale:g}" for name in known}
    if any(name == "resnet50" or name.startswith("resnet50-v1.5") for name in known):
        known.add("resnet")
    return frozenset(known)


def nearest_entries(
    own: OwnFigure, results: Iterable[PublishedResult], benchmark: str | None, most: int
) -> list[PublishedResult]:
    """Of the same network, scenario and unit: by class of device, datatype, accelerators, newest first."""
    names = _named(benchmark) if benchmark else own.benchmarks
    matches = [
        result
        for result in results
        if result.benchmark in names and result.scenario == own.scenario and _rate(result, own.unit)
    ]
    ranked = sorted(_best_settings(matches, own.unit), key=lambda result: _distance(own, result))
    kinds = sorted({_kind(result) for result in ranked})
    return [each for kind in kinds for each in [one for one in ranked if _kind(one) == kind][:most]]


def _best_settings(results: Iterable[PublishedResult], unit: str) -> Iterable[PublishedResult]:
    """The fastest of QuTiBench's settings of a system, mode and datatype; MLPerf's rows as they are."""
    best: dict[tuple[str | None, ...], PublishedResult] = {}
    for result in results:
        if result.source != QUTIBENCH:
            yield result
            continue
        key = (result.system, result.platform, result.benchmark, result.datatype)
        figure, before = _rate(result, unit) or 0.0, best.get(key)
        if before is None or _faster(figure, _rate(before, unit) or figure, unit) > 1:
            best[key] = result
    yield from best.values()


def _kind(result: PublishedResult) -> tuple[str, str]:
    """What is ranked together: one publisher's entries of one division; Open is never ranked with Closed."""
    return (result.source, result.division or "")


def _named(benchmark: str) -> frozenset[str]:
    """`resnet50` is published as `resnet` by MLPerf and as `resnet50-v1-100` by QuTiBench."""
    aliases = {"resnet50": {"resnet", "resnet50-v1-100"}, "resnet": {"resnet50-v1-100"}}
    return frozenset({benchmark, *aliases.get(benchmark, set())})


def _rate(result: PublishedResult, unit: str) -> float | None:
    """The figure if it is in the unit; queries of one sample are samples."""
    if unit == "ms":
        return result.figure if result.unit == "ms" else None
    return result.figure if result.unit in ("samples/s", "queries/s") else None


def _distance(own: OwnFigure, result: PublishedResult) -> tuple[object, ...]:
    accelerators = result.accelerator_total or 1
    figure = _rate(result, own.unit) or 1.0
    return (
        device_class(result) != own.device_class,
        _datatype(result) != own.datatype,
        abs(math.log(accelerators)),
        bool(result.inferred),
        tuple(-number for number in _version(result.round)),
        abs(math.log(_faster(own.figure, figure, own.unit))),
        result.result_id or "",
        result.name,
    )


def _version(name: str | None) -> tuple[int, ...]:
    parts = (name or "v0").removeprefix("v").split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def _faster(own: float, other: float, unit: str) -> float:
    return other / own if unit == "ms" else own / other


def device_class(result: PublishedResult) -> str:
    """cpu, gpu or accelerator; an entry without an accelerator ran on its processor."""
    if result.source == QUTIBENCH:
        known = result.system in catalog.names("sut")
        return _class_of_family(load_sut(result.system)[0].platform.family) if known else "accelerator"
    if not result.accelerator or result.accelerator.upper() in ("N/A", "NONE", "-"):
        return "cpu"
    return "gpu" if any(word in result.accelerator.lower() for word in _GPUS) else "accelerator"


def _class_of_family(family: str) -> str:
    return family if family in ("cpu", "gpu") else "accelerator"


def _datatype(result: PublishedResult) -> str | None:
    text = (result.datatype or "").strip().lower()
    return _DATATYPES.get(text, text) or None


def _neighbour(own: OwnFigure, result: PublishedResult, doubts: dict[int, list[str]]) -> PublishedNeighbour:
    figure = _rate(result, own.unit) or 0.0
    rate, total = (figure if own.unit != "ms" else None), result.accelerator_total
    return PublishedNeighbour(
        source=result.source,
        round=result.round,
        result_id=result.result_id,
        division=result.division,
        availability=result.availability,
        submitter=result.submitter,
        system=result.platform if result.source == "mlperf" and result.platform else result.system,
        benchmark=result.benchmark,
        scenario=result.scenario,
        figure=figure,
        unit=own.unit,
        speed_ratio=_faster(own.figure, figure, own.unit),
        per_accelerator=rate / total if rate and total else None,
        per_watt=rate / result.full_power_w if rate and result.full_power_w else None,
        roofline_percent=_roofline_percent(result, rate),
        url=result.url,
        retrieved=result.date,
        because=_because(own, result),
        differs=_differs(own, result),
        doubts=doubts.get(id(result), []),
    )


def _roofline_percent(result: PublishedResult, rate: float | None) -> float | None:
    """Achieved operations over the cited peak of the system's accelerators."""
    peak, ops = peak_ops_per_s(result), ops_per_input(result)
    return PERCENT * rate * ops / peak if rate and ops and peak else None


def _because(own: OwnFigure, result: PublishedResult) -> list[str]:
    reasons = [f"network {result.benchmark}", f"scenario {result.scenario}"]
    if own.datatype and _datatype(result) == own.datatype:
        reasons.append(f"datatype {own.datatype}")
    if device_class(result) == own.device_class:
        reasons.append(f"class {own.device_class}")
    return [*reasons, f"top-1 {_accuracies(own, result)}"] if _same_accuracy(own, result) else reasons


def _same_accuracy(own: OwnFigure, result: PublishedResult) -> bool | None:
    """Whether both are within 1 %; None if one is unknown."""
    if own.top1_percent is None or result.top1_percent is None:
        return None
    return abs(own.top1_percent - result.top1_percent) <= _ACCURACY_PERCENT


def _accuracies(own: OwnFigure, result: PublishedResult) -> str:
    return f"{own.top1_percent:.4g} %, published {result.top1_percent:.4g} %"


def _differs(own: OwnFigure, result: PublishedResult) -> list[str]:
    parts: list[str] = []
    if _datatype(result) != own.datatype:
        parts.append(f"datatype {own.datatype or 'unknown'}, published {result.datatype or 'unknown'}")
    if device_class(result) != own.device_class:
        parts.append(f"class {own.device_class}, published {device_class(result)}")
    if (result.accelerator_total or 1) > 1:
        parts.append(f"{result.accelerator_total} accelerators")
    same = _same_accuracy(own, result)
    if not same:
        parts.append("accuracy: not known for both" if same is None else f"top-1 {_accuracies(own, result)}")
    return parts + [text for text, applies in _conditions(own, result) if applies]


def _conditions(own: OwnFigure, result: PublishedResult) -> Iterable[tuple[str, bool]]:
    available = result.availability in (None, "available")
    yield "open division: its own model or accuracy", result.division == "open"
    yield f"availability {result.availability}", not available
    yield "inferred from another run", bool(result.inferred)
    yield "not measured with LoadGen", result.source == QUTIBENCH
    yield "the own run is not by MLPerf's rules (profile submission)", not own.submission


def _doubts(results: Sequence[PublishedResult]) -> dict[int, list[str]]:
    """Figures of these tables that cannot all be right, by the entries that they involve."""
    marked: dict[int, list[str]] = {}
    for each in implausible(results, peak_ops_per_s, ops_per_input):
        for result in (each.first, each.second):
            if result is not None:
                marked.setdefault(id(result), []).append(f"{each.relation}: {each.what}")
    return marked
