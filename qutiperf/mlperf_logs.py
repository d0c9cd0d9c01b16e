"""Reads LoadGen's mlperf_log_* files, whoever wrote them; needs no LoadGen and little memory.

The keys were checked against logs of LoadGen 5.1.2 and 6.0.17; an older log lacks some, which are None.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from qutiperf.config import StrictModel
from qutiperf.errors import InputError
from qutiperf.rounds import Seeds
from qutiperf.units import NANOSECONDS_PER_SECOND

SUMMARY, DETAIL, ACCURACY = "mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"
Setting = bool | int | float | str
Validity = Literal["VALID", "INVALID"]
Rule = Literal["perf_constraints", "min_duration", "min_queries", "early_stopping"]

_MARKER = b":::MLLOG "
_LONGEST_LINE_BYTES = 1 << 20  # longer ones are loaded_qsl_set, which nothing here needs
_BLOCK_BYTES = 1 << 20
_MESSAGES_KEPT = 20
_RULE_KEYS: Mapping[Rule, str] = {
    "perf_constraints": "result_perf_constraints_met",
    "min_duration": "result_min_duration_met",
    "min_queries": "result_min_queries_met",
    "early_stopping": "early_stopping_met",
}
_PERCENTILES = {
    "p50": "50.00",
    "p90": "90.00",
    "p95": "95.00",
    "p97": "97.00",
    "p99": "99.00",
    "p99_9": "99.90",
}
# LoadGen prints a rate of no time as C++ does, which is not JSON
_NOT_FINITE = re.compile(rb'("value": )-?(?:nan|inf)(?=[,}])')


class LogMessage(StrictModel):
    """One distinct error or warning of LoadGen and how often it came."""

    key: str
    text: str
    count: int


class LoadGenResult(StrictModel):
    """What LoadGen says about one run, in its own units (ns, samples per second); None where it is silent.

    Latencies have the keys mean, min, max, p50 ... p99_9; `query_latency_ns` is MultiStream's, whose
    `latency_ns` is per sample. `duration_s` is the time that LoadGen compares with min_duration.
    """

    loadgen_version: str | None
    test_datetime: str | None
    sut_name: str | None
    scenario: str | None
    mode: str | None
    validity: Validity | None
    failed_rules: list[Rule]
    invalid_reasons: list[str]
    early_stopping_result: str | None
    early_stopping_estimate_ns: int | None
    early_stopping_multi_stream_estimate_ns: int | None
    error_count: int
    errors: list[LogMessage]
    warning_count: int
    warnings: list[LogMessage]
    requested: dict[str, Setting]
    effective: dict[str, Setting]
    seeds: Seeds | None
    target_latency_ns: int | None
    target_latency_percentile: float | None
    target_qps: float | None
    samples_per_query: int | None
    query_count: int | None
    overlatency_query_count: int | None
    generated_query_count: int | None
    generated_sample_count: int | None
    dataset_sample_count: int | None
    accuracy_sample_count: int | None
    accuracy_entry_count: int | None
    samples_per_second: float | None
    qps_with_loadgen_overhead: float | None
    qps_without_loadgen_overhead: float | None
    scheduled_samples_per_second: float | None
    completed_samples_per_second: float | None
    latency_ns: dict[str, int]
    query_latency_ns: dict[str, int]
    duration_s: float | None
    complete: bool
    unreadable_line_count: int

    @property
    def mean_query_latency_ns(self) -> int | None:
        """Of a whole query: a MultiStream query is its samples together."""
        return (self.query_latency_ns or self.latency_ns).get("mean")


@dataclass(slots=True)
class _Detail:
    """What is kept of the detail log while it streams by."""

    values: dict[str, Setting] = field(default_factory=dict)
    errors: dict[tuple[str, str], int] = field(default_factory=dict)
    warnings: dict[tuple[str, str], int] = field(default_factory=dict)
    error_count: int = 0
    warning_count: int = 0
    marked_count: int = 0
    unreadable_count: int = 0
    generated_sample_count: int | None = None
    first_begin: str | None = None
    last_end: str | None = None


@dataclass(frozen=True, slots=True)
class _Summary:
    """The lines of the summary that the detail log does not say in the same words."""

    validity: str | None = None
    recommendations: tuple[str, ...] = ()
    early_stopping: str | None = None


def log_folders(path: Path) -> list[Path]:
    """Every folder at or below `path` that holds a detail log, sorted; raises InputError if there is none."""
    found = sorted({detail.parent for detail in path.rglob(DETAIL)})
    if not found:
        cure = "name a folder of LoadGen's logs or one above it"
        raise InputError(
            f"holds no {DETAIL}" if path.is_dir() else "no such folder", where=str(path), cure=cure
        )
    return found


def read_logs(folder: Path) -> LoadGenResult:
    """The result in one folder of mlperf_log_* files; raises InputError if the detail log says nothing.

    A missing summary is tolerated, a cut detail log is reported by `complete` and `unreadable_line_count`.
    """
    detail = _read_detail(folder / DETAIL)
    return _result(detail, _read_summary(folder / SUMMARY), _accuracy_entries(folder / ACCURACY))


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        cure = "name the folder that LoadGen wrote its logs to"
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from None


def _read_detail(path: Path) -> _Detail:
    detail = _Detail()
    with _open(path) as stream:
        for line in _lines(stream):
            position = line.find(_MARKER)
            if position >= 0:
                _take_line(detail, line[position + len(_MARKER) :])
    if detail.marked_count == detail.unreadable_count:
        cure = "it must be the untouched detail log of LoadGen 1.0 or newer; run again if it was cut"
        raise InputError("holds no readable ':::MLLOG' line", where=str(path), cure=cure)
    return detail


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of at most _LONGEST_LINE_BYTES; longer ones are passed over piece by piece."""
    whole = True
    while piece := stream.readline(_LONGEST_LINE_BYTES):
        ended = piece.endswith(b"\n")
        if whole and (ended or len(piece) < _LONGEST_LINE_BYTES):
            yield piece
        whole = ended


def _take_line(detail: _Detail, text: bytes) -> None:
    detail.marked_count += 1
    if b'"loaded_qsl_set"' in text[:40]:
        return
    try:
        entry = json.loads(_NOT_FINITE.sub(rb"\1null", text))
        key, value, metadata = entry["key"], entry["value"], entry.get("metadata", {})
    except (ValueError, KeyError, TypeError):
        detail.unreadable_count += 1
        return
    _take_value(detail, str(key), value)
    _take_message(detail, str(key), str(value), metadata)


def _take_value(detail: _Detail, key: str, value: object) -> None:
    if key == "power_begin":
        detail.first_begin = detail.first_begin or str(value)
    elif key == "power_end":
        detail.last_end = str(value)
    elif isinstance(value, bool | int | float | str):
        detail.values[key] = value
    if key == "generated_samples_per_query" and isinstance(value, int):
        queries = detail.values.get("generated_query_count", 0)
        detail.generated_sample_count = (detail.generated_sample_count or 0) + int(queries) * value


def _take_message(detail: _Detail, key: str, text: str, metadata: Mapping[str, object]) -> None:
    if metadata.get("is_error"):
        detail.error_count += 1
        _count_message(detail.errors, key, text)
    elif metadata.get("is_warning"):
        detail.warning_count += 1
        _count_message(detail.warnings, key, text)


def _count_message(messages: dict[tuple[str, str], int], key: str, text: str) -> None:
    if (key, text) in messages or len(messages) < _MESSAGES_KEPT:
        messages[key, text] = messages.get((key, text), 0) + 1


def _read_summary(path: Path) -> _Summary:
    """Empty where there is no summary; an accuracy run's says nothing either."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            lines = stream.read(_BLOCK_BYTES).splitlines()
    except FileNotFoundError:
        return _Summary()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    verdict = next((line.partition(":")[2].strip() for line in lines if line.startswith("Result is")), None)
    stopping = _items(lines, "Early Stopping Result:")
    return _Summary(verdict, tuple(_items(lines, "Recommendations:")), " ".join(stopping) or None)


def _items(lines: list[str], heading: str) -> list[str]:
    """The ` * ` items below a heading, each with its continuation lines, until a line of another kind."""
    items: list[str] = []
    start = lines.index(heading) + 1 if heading in lines else len(lines)
    for line in lines[start:]:
        if not line.startswith(" "):
            break
        if line.startswith(" * ") or not items:
            items.append(line.strip(" *"))
        else:
            items[-1] += " " + line.strip()
    return items


def _accuracy_entries(path: Path) -> int | None:
    """How many samples the accuracy log holds; None if there is none or it was cut for publication."""
    try:
        stream = path.open("rb")
    except OSError:
        return None
    count, tail = 0, b""
    with stream:
        while block := stream.read(_BLOCK_BYTES):
            text = tail + block
            if b"\n\n...\n\n" in text:
                return None
            count += text.count(b'"seq_id"') - tail.count(b'"seq_id"')
            tail = text[-8:]
    return count


def _result(detail: _Detail, summary: _Summary, accuracy_entries: int | None) -> LoadGenResult:
    values = detail.values
    scenario, mode = _text(values, "effective_scenario"), _text(values, "effective_test_mode")
    failed: list[Rule] = [rule for rule, key in _RULE_KEYS.items() if values.get(key) is False]
    stopping = summary.early_stopping or _text(values, "early_stopping_result")
    accuracy_run = mode == "AccuracyOnly"
    return LoadGenResult(
        loadgen_version=_text(values, "loadgen_version"),
        test_datetime=_text(values, "test_datetime"),
        sut_name=_text(values, "sut_name"),
        scenario=scenario,
        mode=mode,
        validity=_validity(_text(values, "result_validity") or summary.validity),
        failed_rules=failed,
        invalid_reasons=_reasons(values, summary, stopping if "early_stopping" in failed else None),
        early_stopping_result=stopping,
        early_stopping_estimate_ns=_estimate(values, "ms" if scenario == "MultiStream" else "ss"),
        early_stopping_multi_stream_estimate_ns=_estimate(values, "ms")
        if scenario == "SingleStream"
        else None,
        error_count=max(detail.error_count, _count(values, "num_errors") or 0),
        errors=_messages(detail.errors),
        warning_count=detail.warning_count,
        warnings=_messages(detail.warnings),
        requested=_starting(values, "requested_"),
        effective=_starting(values, "effective_"),
        seeds=_seeds(values),
        target_latency_ns=_count(values, "effective_target_latency_ns") or None,
        target_latency_percentile=_number(values, "effective_target_latency_percentile"),
        target_qps=_number(values, "effective_target_qps"),
        samples_per_query=_count(values, "effective_samples_per_query"),
        query_count=_count(values, "result_query_count"),
        overlatency_query_count=_count(values, "result_overlatency_query_count"),
        generated_query_count=_count(values, "generated_query_count"),
        generated_sample_count=detail.generated_sample_count,
        dataset_sample_count=_count(values, "qsl_reported_total_count"),
        accuracy_sample_count=_count(values, "effective_accuracy_sample_count"),
        accuracy_entry_count=accuracy_entries if accuracy_run else None,
        samples_per_second=_number(values, "result_samples_per_second"),
        qps_with_loadgen_overhead=_number(values, "result_qps_with_loadgen_overhead"),
        qps_without_loadgen_overhead=_number(values, "result_qps_without_loadgen_overhead"),
        scheduled_samples_per_second=_number(values, "result_scheduled_samples_per_sec"),
        completed_samples_per_second=_number(values, "result_completed_samples_per_sec"),
        latency_ns=_latencies(values, "latency_ns"),
        query_latency_ns=_latencies(values, "query_latency_ns"),
        duration_s=_duration_s(detail, scenario),
        complete=detail.last_end is not None and (accuracy_run or "result_validity" in values),
        unreadable_line_count=detail.unreadable_count,
    )


def _text(values: Mapping[str, Setting], key: str) -> str | None:
    value = values.get(key)
    return " ".join(value.split()) if isinstance(value, str) and value.strip() else None


def _number(values: Mapping[str, Setting], key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(values: Mapping[str, Setting], key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _starting(values: Mapping[str, Setting], prefix: str) -> dict[str, Setting]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _validity(text: str | None) -> Validity | None:
    return "VALID" if text == "VALID" else "INVALID" if text == "INVALID" else None


def _reasons(values: Mapping[str, Setting], summary: _Summary, stopping: str | None) -> list[str]:
    """LoadGen's recommendations; a failed early stopping has none, so its result text stands for it."""
    detail_reason = _text(values, "result_invalid_reason")
    reasons = list(summary.recommendations) or ([detail_reason] if detail_reason else [])
    return reasons + ([stopping] if stopping else [])


def _estimate(values: Mapping[str, Setting], scenario_key: str) -> int | None:
    """LoadGen writes 0 where it had too few queries for an estimate."""
    return _count(values, f"early_stopping_latency_{scenario_key}") or None


def _messages(messages: Mapping[tuple[str, str], int]) -> list[LogMessage]:
    return [LogMessage(key=key, text=text, count=count) for (key, text), count in messages.items()]


def _seeds(values: Mapping[str, Setting]) -> Seeds | None:
    found = {name: _count(values, f"effective_{name}") for name in Seeds.model_fields}
    known = {name: seed for name, seed in found.items() if seed is not None}
    return Seeds(**known) if len(known) == len(found) else None


def _latencies(values: Mapping[str, Setting], suffix: str) -> dict[str, int]:
    """`suffix` is latency_ns or query_latency_ns; LoadGen names the latter's percentiles per_query."""
    per = "per_" if suffix.startswith("query") else ""
    keys = {name: f"result_{name}_{suffix}" for name in ("mean", "min", "max")}
    keys |= {name: f"result_{text}_percentile_{per}{suffix}" for name, text in _PERCENTILES.items()}
    found = {name: _count(values, key) for name, key in keys.items()}
    return {name: latency for name, latency in found.items() if latency is not None}


def _duration_s(detail: _Detail, scenario: str | None) -> float | None:
    """As MinDurationMet in loadgen/results.cc takes it, from what the log still tells of it."""
    values = detail.values
    if scenario == "Offline" and (latency_ns := _count(values, "result_max_latency_ns")):
        return latency_ns / NANOSECONDS_PER_SECOND
    scheduled = _number(values, "result_scheduled_samples_per_sec")
    rate = scheduled if scenario == "Server" else _number(values, "result_qps_with_loadgen_overhead")
    queries = _count(values, "result_query_count")
    if rate and queries:
        return (queries - 1) / rate
    return _elapsed_s(detail)


def _elapsed_s(detail: _Detail) -> float | None:
    """From the first query to the last answer, by LoadGen's wall clock, to the millisecond."""
    try:
        begin, end = (_moment(text) for text in (detail.first_begin or "", detail.last_end or ""))
    except ValueError:
        return None
    return (end - begin).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.strptime(f"{text} +0000", "%m-%d-%Y %H:%M:%S.%f %z")
