"""Reads LoadGen's mlperf_log_* files, without LoadGen and in little memory.

The keys were checked against logs of LoadGen 5.1.2 and 6.0.17; older logs lack some, which are None.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.mlperf_logs.model import RULES, LoadGenResult, LogMessage, LogValue, Rule
from qutiperf.mlperf_logs.stream import Detail, accuracy_entries, read_detail
from qutiperf.mlperf_logs.summary import SummaryLines, read_summary
from qutiperf.spec.rounds import Seeds
from qutiperf.units import NANOSECONDS_PER_MILLISECOND, NANOSECONDS_PER_SECOND

__all__ = [
    "RULES",
    "LoadGenResult",
    "LogMessage",
    "LogValue",
    "Rule",
    "log_folders",
    "read_result",
    "test_window_ns",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SUMMARY, DETAIL, ACCURACY = "mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"
_TEXTS = {
    "loadgen_version": "loadgen_version",
    "test_datetime": "test_datetime",
    "sut_name": "sut_name",
    "scenario": "effective_scenario",
    "mode": "effective_test_mode",
}
_FLAGS = {
    "min_duration_met": "result_min_duration_met",
    "min_queries_met": "result_min_queries_met",
    "perf_constraints_met": "result_perf_constraints_met",
    "early_stopping_met": "early_stopping_met",
}
_COUNTS = {
    "samples_per_query": "effective_samples_per_query",
    "query_count": "result_query_count",
    "overlatency_query_count": "result_overlatency_query_count",
    "generated_query_count": "generated_query_count",
    "dataset_sample_count": "qsl_reported_total_count",
    "accuracy_sample_count": "effective_accuracy_sample_count",
}
_NUMBERS = {
    "target_qps": "effective_target_qps",
    "samples_per_second": "result_samples_per_second",
    "qps_with_loadgen_overhead": "result_qps_with_loadgen_overhead",
    "qps_without_loadgen_overhead": "result_qps_without_loadgen_overhead",
    "scheduled_samples_per_second": "result_scheduled_samples_per_sec",
    "completed_samples_per_second": "result_completed_samples_per_sec",
}
_PERCENTILE_KEY = "effective_target_latency_percentile"
_LARGEST_PERCENTILE = 0.999_999  # early stopping would require millions of queries
_MOST_QUERIES = 1 << 34  # no run answers more: a larger number is damage
_PERCENTILES = {
    "p50": "50.00",
    "p90": "90.00",
    "p95": "95.00",
    "p97": "97.00",
    "p99": "99.00",
    "p99_9": "99.90",
}


def log_folders(path: Path) -> list[Path]:
    """Every folder at or below `path` that holds a detail log, sorted; raises InputError if there is none.

    A log file stands for its folder.
    """
    folders = sorted({detail.parent for detail in (path.parent if path.is_file() else path).rglob(DETAIL)})
    if not folders:
        cure = "name a folder of LoadGen's logs or one above it"
        raise InputError(
            f"has no {DETAIL}" if path.is_dir() else "no such folder", where=str(path), cure=cure
        )
    return folders


def read_result(folder: Path) -> LoadGenResult:
    """The result in one folder of mlperf_log_* files; raises InputError if the detail log is empty.

    A missing summary is tolerated; `complete` and `unreadable_line_count` report a truncated detail log.
    """
    detail = read_detail(folder / DETAIL)
    return _result(detail, read_summary(folder / SUMMARY), accuracy_entries(folder / ACCURACY))


def test_window_ns(folder: Path) -> tuple[int, int] | None:
    """LoadGen's power_begin and power_end in ns since 1970, to the millisecond; None without both."""
    detail = read_detail(folder / DETAIL)
    try:
        begin, end = (_moment(text) for text in (detail.first_begin or "", detail.last_end or ""))
    except ValueError:
        return None
    millisecond = timedelta(milliseconds=1)
    return (
        (begin - _EPOCH) // millisecond * NANOSECONDS_PER_MILLISECOND,
        (end - _EPOCH) // millisecond * NANOSECONDS_PER_MILLISECOND,
    )


def _result(detail: Detail, summary: SummaryLines, entries: int | None) -> LoadGenResult:
    values = detail.values
    scenario = _text(values, "effective_scenario")
    accuracy_run = _text(values, "effective_test_mode") == "AccuracyOnly"
    verdict = _text(values, "result_validity") or summary.validity
    return LoadGenResult.model_validate(
        {
            **_copied(values),
            **_early_stopping(values, summary, scenario),
            **_messages(detail),
            "validity": verdict if verdict in ("VALID", "INVALID") else None,
            "invalid_reasons": _reasons(values, summary),
            "requested": _starting(values, "requested_"),
            "effective": _starting(values, "effective_"),
            "seeds": _seeds(values),
            "target_latency_ns": _count(values, "effective_target_latency_ns") or None,
            "generated_sample_count": detail.generated_sample_count,
            "accuracy_entry_count": entries if accuracy_run else None,
            "latency_ns": _latencies(values, "query_latency_ns") or _latencies(values, "latency_ns"),
            "sample_latency_ns": _latencies(values, "latency_ns"),
            "duration_s": _duration_s(detail, scenario),
            "complete": detail.last_end is not None and (accuracy_run or verdict is not None),
            "unreadable_line_count": detail.unreadable_count,
        }
    )


def _copied(values: Mapping[str, LogValue]) -> dict[str, object]:
    """The fields that are one value of the log."""
    return {
        **{name: _text(values, key) for name, key in _TEXTS.items()},
        **{name: _flag(values, key) for name, key in _FLAGS.items()},
        **{name: _plausible(_count(values, key), _MOST_QUERIES) for name, key in _COUNTS.items()},
        **{name: _number(values, key) for name, key in _NUMBERS.items()},
        "target_latency_percentile": _plausible(_number(values, _PERCENTILE_KEY), _LARGEST_PERCENTILE)
        or None,
    }


def _early_stopping(
    values: Mapping[str, LogValue], summary: SummaryLines, scenario: str | None
) -> dict[str, object]:
    own, other = ("ms", None) if scenario == "MultiStream" else ("ss", "ms")
    return {
        "early_stopping_result": _stopping_text(values, summary),
        "early_stopping_estimate_ns": _estimate(values, own),
        "early_stopping_multi_stream_estimate_ns": _estimate(values, other) if other else None,
    }


def _stopping_text(values: Mapping[str, LogValue], summary: SummaryLines) -> str | None:
    """The summary's text; the detail log has it in one line, with the summary's asterisks."""
    text = _text(values, "early_stopping_result")
    return summary.early_stopping or (text.replace("* ", "") if text else None)


def _messages(detail: Detail) -> dict[str, object]:
    return {
        "error_count": max(detail.error_count, _count(detail.values, "num_errors") or 0),
        "errors": _counted(detail.errors),
        "warning_count": detail.warning_count,
        "warnings": _counted(detail.warnings),
    }


def _text(values: Mapping[str, LogValue], key: str) -> str | None:
    value = values.get(key)
    return " ".join(value.split()) if isinstance(value, str) and value.strip() else None


def _number(values: Mapping[str, LogValue], key: str) -> float | None:
    value = values.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    return None


def _count(values: Mapping[str, LogValue], key: str) -> int | None:
    """A seed, a time or a count; none of them is negative."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _plausible(value: float | None, largest: float) -> float | None:
    return value if value is not None and value <= largest else None


def _flag(values: Mapping[str, LogValue], key: str) -> bool | None:
    value = values.get(key)
    return value if isinstance(value, bool) else None


def _starting(values: Mapping[str, LogValue], prefix: str) -> dict[str, LogValue]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _reasons(values: Mapping[str, LogValue], summary: SummaryLines) -> list[str]:
    """LoadGen's recommendations; a failed early stopping has none, so its result text is used."""
    detail_reason = _text(values, "result_invalid_reason")
    reasons = list(summary.recommendations) or ([detail_reason] if detail_reason else [])
    stopping = None if _flag(values, "early_stopping_met") is not False else _stopping_text(values, summary)
    return reasons + ([stopping] if stopping else [])


def _estimate(values: Mapping[str, LogValue], scenario_key: str) -> int | None:
    """LoadGen writes 0 if it had too few queries for an estimate."""
    return _count(values, f"early_stopping_latency_{scenario_key}") or None


def _counted(messages: Mapping[tuple[str, str], int]) -> list[LogMessage]:
    return [LogMessage(key=key, text=text, count=count) for (key, text), count in messages.items()]


def _seeds(values: Mapping[str, LogValue]) -> Seeds | None:
    seeds = {name: _count(values, f"effective_{name}") for name in Seeds.model_fields}
    known = {name: seed for name, seed in seeds.items() if seed is not None}
    return Seeds(**known) if len(known) == len(seeds) else None


def _latencies(values: Mapping[str, LogValue], suffix: str) -> dict[str, int]:
    """`suffix` is latency_ns or query_latency_ns; LoadGen names the latter's percentiles per_query."""
    per = "per_" if suffix.startswith("query") else ""
    keys = {name: f"result_{name}_{suffix}" for name in ("mean", "min", "max")}
    keys |= {name: f"result_{text}_percentile_{per}{suffix}" for name, text in _PERCENTILES.items()}
    latencies = {name: _count(values, key) for name, key in keys.items()}
    return {name: latency for name, latency in latencies.items() if latency is not None}


def _duration_s(detail: Detail, scenario: str | None) -> float | None:
    """The duration that MinDurationMet in loadgen/results.cc uses, as far as the log has its terms."""
    values = detail.values
    if scenario == "Offline" and (latency_ns := _count(values, "result_max_latency_ns")):
        return latency_ns / NANOSECONDS_PER_SECOND
    scheduled = _number(values, "result_scheduled_samples_per_sec")
    rate = scheduled if scenario == "Server" else _number(values, "result_qps_with_loadgen_overhead")
    queries = _count(values, "result_query_count")
    if rate and queries:
        return (queries - 1) / rate
    return _elapsed_s(detail)


def _elapsed_s(detail: Detail) -> float | None:
    """From the first query to the last answer, by LoadGen's wall clock, to the millisecond."""
    try:
        begin, end = (_moment(text) for text in (detail.first_begin or "", detail.last_end or ""))
    except ValueError:
        return None
    return (end - begin).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.strptime(f"{text} +0000", "%m-%d-%Y %H:%M:%S.%f %z")
