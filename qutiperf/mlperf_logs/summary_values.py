"""The summary's numbers under the names that the detail log has for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_MOST_BYTES = 1 << 20
_LINE = re.compile(r"^\s*(?P<label>[^:]+?)\s*:\s*(?P<value>.*?)\s*$")
_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_LABELS: dict[str, str] = {
    "SUT name": "sut_name",
    "Scenario": "effective_scenario",
    "Mode": "effective_test_mode",
    "Result is": "result_validity",
    "Performance constraints satisfied": "result_perf_constraints_met",
    "Min duration satisfied": "result_min_duration_met",
    "Min queries satisfied": "result_min_queries_met",
    "Early stopping satisfied": "early_stopping_met",
    "Samples per second": "result_samples_per_second",
    "Tokens per second": "result_tokens_per_second",
    "Completed samples per second": "result_completed_samples_per_sec",
    "Completed tokens per second": "result_completed_tokens_per_second",
    "Scheduled samples per second": "result_scheduled_samples_per_sec",
    "QPS w/ loadgen overhead": "result_qps_with_loadgen_overhead",
    "QPS w/o loadgen overhead": "result_qps_without_loadgen_overhead",
    "min_duration (ms)": "effective_min_duration_ms",
    "max_duration (ms)": "effective_max_duration_ms",
    "target_latency (ns)": "effective_target_latency_ns",
    **{f"{name} latency (ns)": f"result_{name.lower()}_latency_ns" for name in ("Min", "Max", "Mean")},
    **{f"{each} percentile latency (ns)": f"result_{each}_percentile_latency_ns" for each in _PERCENTILES},
    **{
        f"{name} First Token latency (ns)": f"result_first_token_{name.lower()}_latency_ns"
        for name in ("Min", "Max", "Mean")
    },
    **{
        f"{number} percentile first token latency (ns)": f"result_first_token_{number}_percentile_latency_ns"
        for number in _PERCENTILES
    },
    **{
        f"{name} Time per Output Token (ns)": f"result_time_to_output_token_{name.lower()}"
        for name in ("Min", "Max", "Mean")
    },
    **{
        f"{each} percentile time to output token (ns)": f"result_time_per_output_token_{each}_percentile_ns"
        for each in _PERCENTILES
    },
    **{
        name: f"effective_{name}"
        for name in (
            *("samples_per_query", "target_qps", "max_async_queries", "min_query_count", "max_query_count"),
            *("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "accuracy_log_rng_seed"),
            *("accuracy_log_probability", "accuracy_log_sampling_target", "print_timestamps"),
            *("performance_issue_unique", "performance_issue_same", "performance_issue_same_index"),
            *("performance_sample_count", "accuracy_sample_count"),
        )
    },
}
_ENCOUNTERED = re.compile(r"^(?P<count>\d+|No) (?P<kind>warnings?|errors?) encountered", re.IGNORECASE)


@dataclass(slots=True)
class SummaryValues:
    """`values` and `lines` by the detail log's keys; counts are None where the summary does not say."""

    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    error_count: int | None = None
    warning_count: int | None = None
    empty: bool = True


def read_summary_values(path: Path) -> SummaryValues:
    """Raises OSError if the file cannot be read; unknown lines are passed over."""
    with path.open("rb") as stream:
        text = stream.read(_MOST_BYTES).decode("utf-8", errors="replace")
    summary = SummaryValues(empty=not text.strip())
    per_query = False
    for number, line in enumerate(text.splitlines(), 1):
        per_query = (per_query or line.startswith("Per-query latency")) and not line.startswith("====")
        if match := _ENCOUNTERED.match(line):
            _take_count(summary, match)
        elif match := _LINE.match(line):
            _take_line(summary, match.group("label"), match.group("value"), number, per_query)
    return summary


def _take_count(summary: SummaryValues, match: re.Match[str]) -> None:
    count = 0 if match.group("count").lower() == "no" else int(match.group("count")[:18])
    if match.group("kind").lower().startswith("error"):
        summary.error_count = count
    else:
        summary.warning_count = count


def _take_line(summary: SummaryValues, label: str, value: str, number: int, per_query: bool) -> None:
    key = _LABELS.get(label)
    if key is None:
        return
    if per_query and "percentile" in key:
        key = key.replace("percentile_latency", "percentile_per_query_latency")
    elif per_query and key.endswith("_latency_ns"):
        key = key.replace("_latency_ns", "_query_latency_ns")
    summary.values[key] = value
    summary.lines[key] = number


def differing(summary: SummaryValues, values: Mapping[str, object]) -> list[tuple[str, str, object, int]]:
    """Key, the summary's text, the detail log's value and the summary's line, where the two disagree."""
    return [
        (key, text, values[key], summary.lines[key])
        for key, text in summary.values.items()
        if key in values and not _same(text, values[key])
    ]


def _same(text: str, value: object) -> bool:
    if isinstance(value, bool):
        return text.lower() in (("yes", "1", "true") if value else ("no", "0", "false"))
    if isinstance(value, int | float):
        try:
            number = int(text) if text.isdigit() else float(text)
        except ValueError:
            return False
        if number == value:
            return True
        # both are printed by C++: six digits, rates in the summary two decimals
        last_place = 10.0 ** -len(text.partition(".")[2]) if "." in text and "e" not in text else 0.0
        return abs(number - value) <= max(0.51 * last_place, 1e-5 * max(abs(number), abs(value)))
    return " ".join(str(value).split()) == " ".join(text.split())
