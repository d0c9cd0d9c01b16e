"""The columns of a report's table: name, title, unit, type, which way is better, and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Cell = str | int | float | bool | None
Row = dict[str, Cell]
Kind = Literal["string", "integer", "number", "boolean"]


@dataclass(frozen=True, slots=True)
class Column:
    """`better` is "higher" or "lower" for figures that have a best; `unit` is empty for names and counts."""

    name: str
    title: str
    kind: Kind = "string"
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    description: str = ""


def _number(
    name: str, title: str, unit: str, better: Literal["higher", "lower", ""] = "", description: str = ""
) -> Column:
    return Column(name, title, "number", unit, better, description)


COLUMNS = (
    Column("id", "id", description="stable: run and attempt, or a digest of the published row"),
    Column("source", "source", description="the results folder or published table"),
    Column("sut", "system", description="accelerator through a runtime, or the published system"),
    Column("operating_mode", "operating mode"),
    Column("task", "task", description="the dataset, or the published benchmark"),
    Column("workload", "workload"),
    Column("topology", "topology"),
    _number("channel_scale_percent", "channels", "%"),
    Column("datatype", "datatype", description="of the weights"),
    Column("scenario", "scenario", description="LoadGen's; `published` where the publisher gives none"),
    Column("mode", "mode", description="PerformanceOnly or AccuracyOnly; empty for published rows"),
    Column("batch_size", "batch", "integer"),
    Column("streams", "streams", "integer", description="concurrent instances"),
    Column("threads", "threads"),
    Column("setting", "setting", description="the deployment parameters in one text"),
    Column("status", "status", description="ok, published, a mark of quality, INVALID or failed"),
    Column("reasons", "reasons"),
    Column("audits", "audits", description="outcomes of the audits whose verdicts the results folder keeps"),
    _number("top1_percent", "top-1 accuracy", "%", "higher"),
    _number("top5_percent", "top-5 accuracy", "%", "higher"),
    _number("system_throughput_ips", "system throughput", "inputs/s", "higher", "what LoadGen measures"),
    _number(
        "compute_throughput_ips", "compute throughput", "inputs/s", "higher", "the accelerator's own work"
    ),
    _number(
        "system_latency_ms",
        "system latency",
        "ms",
        "lower",
        "of a query: the median of a run, or as published",
    ),
    _number("system_latency_p90_ms", "system latency p90", "ms", "lower"),
    _number("system_latency_p99_ms", "system latency p99", "ms", "lower"),
    _number(
        "compute_latency_ms",
        "compute latency",
        "ms",
        "lower",
        "of a batch: the median of a run, or as published",
    ),
    _number("base_power_w", "base power", "W", "lower", "nothing loaded"),
    _number("idle_power_w", "idle power", "W", "lower", "loaded, no queries"),
    _number("full_power_w", "full power", "W", "lower", "in the measured window"),
    _number("design_power_w", "design power", "W", "", "nameplate, declared and not measured"),
    Column("power_source", "power source"),
    Column("power_grade", "power grade", description="A to D, by the meter"),
    Column("power_valid", "power valid", "boolean"),
    Column("power_reason", "power reason"),
    _number("energy_per_input_mj", "energy per input", "mJ", "lower", "full power over compute throughput"),
    _number("ips_per_watt", "throughput per watt", "inputs/s/W", "higher", "compute throughput, full power"),
    _number("energy_delay_mj_ms", "energy-delay", "mJ ms", "lower"),
    _number("hardware_cost", "hardware cost", "", "lower", "as in the file of the system"),
    _number("predicted_throughput_ips", "predicted throughput", "inputs/s", "higher", "level 0"),
    _number(
        "roofline_throughput_ips",
        "roofline",
        "inputs/s",
        "",
        "plain prediction; beside a refined one the peak alone",
    ),
    _number("predicted_latency_ms", "predicted latency", "ms", "lower", "level 0, of a batch"),
    _number(
        "compute_efficiency_percent", "efficiency", "%", "higher", "compute throughput over the predicted one"
    ),
    _number("utilisation_percent", "utilisation", "%", "higher", "achieved ops/s over the datatype's peak"),
    _number("padding_share_percent", "padding", "%", "lower", "of the elements of inputs of several lengths"),
    _number("system_gops", "system GOP/s", "GOP/s", "higher"),
    _number("compute_gops", "compute GOP/s", "GOP/s", "higher"),
    _number("ops", "operations", "ops", "", "of one input; a multiply-accumulate is two"),
    _number(
        "operational_intensity_ops_per_byte",
        "operational intensity",
        "ops/byte",
        "",
        "operations over bytes of weights",
    ),
    _number("gap_layer_sum_ms", "sum of the layers", "ms", "", "of a batch, from measured layers"),
    _number("gap_call_ms", "call and borders", "ms", "", "of a batch, from measured layers"),
    _number("gap_unexplained_ms", "not explained by layers", "ms", "", "of a batch; may be negative"),
    _number("gap_system_ms", "system beyond compute", "ms", "", "of a batch, from LoadGen's figure"),
    _number("sustained_s", "held for", "s", "", "a sustained run"),
    _number(
        "sustained_percent", "sustained throughput", "%", "higher", "last minute or tenth over the first"
    ),
    _number("throttled_s", "first sign of throttling", "s", "", "since the first query"),
    Column("host", "host"),
    Column("versions", "versions"),
    Column("started_utc", "started"),
    Column("url", "source address"),
)
BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
CLEAN = ("ok", "published", "generator_limited")
MARKED = ("noisy", "unstable", "suspect_accuracy", "doubtful", "audit_failed")


def columns_of(rows: list[Row]) -> list[Column]:
    """The columns that have a value in any row: first the known ones, then the adapters' own."""
    used = {name for row in rows for name, value in row.items() if value is not None}
    known = [column for column in COLUMNS if column.name in used or column.name == "id"]
    return known + [_own(name, rows) for name in sorted(used - set(BY_NAME))]


def _own(name: str, rows: list[Row]) -> Column:
    """An adapter's parameter or figure: a number if all its values are."""
    values = [row[name] for row in rows if row.get(name) is not None]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return Column(name, name.replace("_", " "), "number" if numeric else "string")
