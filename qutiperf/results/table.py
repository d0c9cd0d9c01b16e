"""Records as flat rows, one object per run with the names of the figures, and the summary of a sweep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from qutiperf.results.derived import Derived, derived_of, efficiency_reason, ran_as
from qutiperf.results.metrics import kind_of_reason
from qutiperf.results.record import Figures, Quality, RunRecord, StoredPrediction
from qutiperf.spec.config import canonical_json
from qutiperf.spec.scenario import Mode, ScenarioName

Cell = str | int | float | bool | None | list[str]
Row = dict[str, Cell]
DERIVED = (
    *(field.name for field in fields(Derived)),
    *("predicted_throughput_ips", "predicted_latency_ms"),
)
_DEPLOYMENT = ("batch_size", "threads", "streams", "operating_mode")
_ACCURACY = ("top1_percent", "top5_percent")
# Every row has these, in this order; after the deployment parameters come those of the adapters, and at the
# end their figures.
COLUMNS: dict[str, type] = {
    "run_id": str,
    "attempt": int,
    **dict.fromkeys(("sut", "workload", "scenario", "mode", "profile"), str),
    "repeat": int,
    **dict.fromkeys(("batch_size", "threads", "streams"), int),
    "operating_mode": str,
    "valid": bool,
    **dict.fromkeys(("quality", "reasons"), str),
    **dict.fromkeys((*Figures.model_fields, *DERIVED), float),
    "padding_share_percent": float,
    **dict.fromkeys(("sustained_s", "sustained_percent", "throttled_s"), float),
    "compute_clock": str,
    **dict.fromkeys(("over_network", "end_to_end"), bool),
    "design_power_w": float,
    "power_valid": bool,
    **dict.fromkeys(("power_grade", "power_source", "power_reason", "topology"), str),
    "channel_scale_percent": float,
    **dict.fromkeys(("weight_datatype", "activation_datatype", "ran_as", "failure"), str),
    "started_utc": datetime,
}
SUPERSEDED, PROBE = "superseded", "probe"  # columns where all runs are shown
_SCENARIOS = list(ScenarioName)
SUSPECT: Quality = "suspect_accuracy"


def in_table_order(records: Sequence[RunRecord]) -> list[RunRecord]:
    """By system, workload and load as they come first, then accuracy, scenario, batch and repeat.

    Runs of one load are measured in random order, which nobody wants to read.
    """
    places: dict[str, int] = {}

    def key(record: RunRecord) -> tuple[object, ...]:
        point = record.point
        batch = point.deployment.get("batch_size")
        return (
            places.setdefault(canonical_json([point.sut, point.workload]), len(places)),
            places.setdefault(
                canonical_json([point.sut, point.workload, point.load_parameters]), len(places)
            ),
            point.mode is not Mode.ACCURACY,
            _SCENARIOS.index(point.scenario),
            batch if isinstance(batch, int) else 0,
            point.repeat,
        )

    keys = [key(record) for record in records]
    return [records[place] for place in sorted(range(len(records)), key=lambda place: keys[place])]


def rows(records: Sequence[RunRecord]) -> list[Row]:
    """One row per record, all with the same columns.

    Accuracy comes from the run that the record names, and so does the quality if that accuracy is suspect.
    """
    by_id = {record.run_id: record for record in records}
    observed = [record.observed for record in records if record.observed]
    numbers = {
        name: _free("adapter", name)
        for name in sorted({key for one in observed for key in one.adapter_figures})
    }
    judged = {
        name: _free("task", name) for name in sorted({k for one in observed for k in one.accuracy_figures})
    }
    options = _options(records)
    made = []
    for record in records:
        accuracy = by_id.get(record.accuracy_run_id or "")
        own = _adapter_figures(record, numbers) | _task_figures(record, accuracy, judged)
        made.append(_row(record, accuracy, options) | own)
    return made


def option_columns(records: Sequence[RunRecord]) -> list[str]:
    """Columns of the adapters' own deployment parameters."""
    return list(_options(records).values())


def _options(records: Sequence[RunRecord]) -> dict[str, str]:
    """The columns of the adapters' own deployment parameters, by their names."""
    own = {name for record in records for name in record.point.deployment} - set(_DEPLOYMENT)
    return {name: _free("deployment", name) for name in sorted(own)}


def _free(origin: str, name: str) -> str:
    """`name`, or `<origin>_<name>` if every row already has a column of that name."""
    return f"{origin}_{name}" if name in (*COLUMNS, SUPERSEDED, PROBE) else name


def _adapter_figures(record: RunRecord, columns: Mapping[str, str]) -> Row:
    """The adapters' own figures of their runs, in the same columns for all records."""
    mine = record.observed.adapter_figures if record.observed else {}
    return {column: mine.get(name) for name, column in columns.items()}


def _task_figures(record: RunRecord, accuracy: RunRecord | None, columns: Mapping[str, str]) -> Row:
    """The task's own figures: of an accuracy run, and of the runs that name it."""
    source = accuracy if accuracy is not None and accuracy.valid else record
    mine = source.observed.accuracy_figures if source.observed else {}
    return {column: mine.get(name) for name, column in columns.items()}


def _row(record: RunRecord, accuracy: RunRecord | None, options: Mapping[str, str]) -> Row:
    point, variant, deployment = record.point, record.inputs.workload.variant, record.point.deployment
    figures: Row = dict(record.figures.model_dump())
    suspicions: list[str] = []
    if accuracy is not None and accuracy.valid:
        figures |= {name: getattr(accuracy.figures, name) for name in _ACCURACY}
        suspicions = accuracy.reasons if accuracy.quality == SUSPECT else []
    reason = efficiency_reason(record)
    return {
        "run_id": record.run_id,
        "attempt": record.attempt,
        "sut": point.sut,
        "workload": point.workload,
        "scenario": point.scenario.value,
        "mode": point.mode.value,
        "profile": point.profile.value,
        "repeat": point.repeat,
        **{name: deployment.get(name) for name in _DEPLOYMENT},
        **{column: deployment.get(name) for name, column in options.items()},
        "valid": record.valid,
        "quality": SUSPECT if suspicions else record.quality,
        "reasons": [*suspicions, *record.reasons, *([reason] if reason else [])],
        **figures,
        **_derived(record),
        "padding_share_percent": record.observed.padding_share_percent if record.observed else None,
        "sustained_s": record.sustained.held_s if record.sustained else None,
        "sustained_percent": record.sustained.last_over_first_percent if record.sustained else None,
        "throttled_s": record.sustained.throttled_s if record.sustained else None,
        "compute_clock": record.observed.compute_clock if record.observed else None,
        "over_network": record.observed.over_network if record.observed else None,
        "end_to_end": point.settings.end_to_end,
        "design_power_w": record.inputs.sut.platform.thermal_design_power_w,
        "power_valid": record.power.valid if record.power else None,
        "power_grade": record.power.grade if record.power else None,
        "power_source": record.power_source,
        "power_reason": record.power_reason,
        "topology": variant.topology,
        "channel_scale_percent": variant.channel_scale_percent,
        "weight_datatype": variant.weight_datatype,
        "activation_datatype": variant.activation_datatype,
        "ran_as": ran_as(record),
        "failure": record.failure.kind if record.failure else None,
        "started_utc": record.started_utc,
    }


def _derived(record: RunRecord) -> Row:
    prediction, figures = record.prediction or StoredPrediction(), derived_of(record)
    return {
        **{each.name: getattr(figures, each.name) for each in fields(Derived)},
        "predicted_throughput_ips": prediction.predicted_throughput_ips,
        "predicted_latency_ms": prediction.predicted_latency_ms,
    }


@dataclass(frozen=True, slots=True)
class BestOfModel:
    """One model on one system at its best settings of a sweep; None if not measured."""

    sut: str
    workload: str
    top1_percent: float | None
    single_stream_p90_ms: float | None
    offline_ips: float | None
    offline_batch_size: int | None
    compute_latency_ms: float | None
    system_latency_ms: float | None
    runs: int
    problems: list[str]
    warnings: list[str]


def summarise(records: Sequence[RunRecord]) -> list[BestOfModel]:
    """One line per system and workload, in the order of the records."""
    table = rows(records)
    keys = dict.fromkeys((row["sut"], row["workload"]) for row in table)
    return [_summary([row for row in table if (row["sut"], row["workload"]) == key]) for key in keys]


def _summary(group: Sequence[Row]) -> BestOfModel:
    performance = [row for row in group if row["mode"] == Mode.PERFORMANCE.value]
    single = _best(performance, ScenarioName.SINGLE_STREAM, "system_latency_p90_ms", smallest=True)
    offline = _best(performance, ScenarioName.OFFLINE, "system_throughput_ips", smallest=False)
    latency = single or _best(performance, ScenarioName.MULTI_STREAM, "system_latency_p50_ms", smallest=True)
    batch = offline["batch_size"] if offline else None
    return BestOfModel(
        sut=str(group[0]["sut"]),
        workload=str(group[0]["workload"]),
        top1_percent=next(
            (value for row in group if (value := _number(row, "top1_percent")) is not None), None
        ),
        single_stream_p90_ms=_number(single, "system_latency_p90_ms"),
        offline_ips=_number(offline, "system_throughput_ips"),
        offline_batch_size=batch if isinstance(batch, int) else None,
        compute_latency_ms=_number(latency, "compute_latency_p50_ms"),
        system_latency_ms=_number(latency, "system_latency_p50_ms"),
        runs=len(group),
        problems=list(_problems(group)),
        warnings=warnings(group),
    )


def _best(group: Iterable[Row], scenario: ScenarioName, figure: str, *, smallest: bool) -> Row | None:
    """The valid row of a scenario with the best figure."""
    known = [
        (value, row)
        for row in group
        if row["scenario"] == scenario.value and row["valid"] and (value := _number(row, figure)) is not None
    ]
    if not known:
        return None
    return (min if smallest else max)(known, key=lambda pair: pair[0])[1]


def _number(row: Row | None, figure: str) -> float | None:
    value = row.get(figure) if row else None
    return float(value) if isinstance(value, float) else None


def warnings(group: Iterable[Row]) -> list[str]:
    """What is suspect about the accuracy of each workload, with the value to set, and unstable repeats."""
    group = list(group)
    suspect = [row for row in group if row["mode"] == Mode.ACCURACY.value and row["quality"] == SUSPECT]
    reasons = [(row["workload"], row["reasons"]) for row in suspect]
    lines = [f"{name}: {each[0]}" for name, each in reasons if isinstance(each, list) and each]
    lines += [
        f"{row['workload']} {row['scenario']} batch {row['batch_size']}: {reason}"
        for row in group
        for reason in (row["reasons"] if isinstance(row["reasons"], list) else [])
        if kind_of_reason(reason) == "repeats"
    ]
    return list(dict.fromkeys(lines))


def _problems(group: Iterable[Row]) -> Iterable[str]:
    """`Offline batch 8: ...` for every run that failed or is not valid."""
    for row in group:
        if not row["valid"]:
            reasons = row["reasons"] if isinstance(row["reasons"], list) else []
            kind = "failed" if row["failure"] else "INVALID"
            name = (
                "accuracy"
                if row["mode"] == Mode.ACCURACY.value
                else f"{row['scenario']} batch {row['batch_size']}"
            )
            yield f"{name} {kind}: {reasons[0] if reasons else 'no reason given'}"


def columns() -> list[str]:
    """Names of the figures in a row, as in Figures."""
    return [*Figures.model_fields, *DERIVED]
