"""Is a detail log as LoadGen wrote it: every line there, in order, and no two of them in disagreement."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.mlperf_logs.log_keys import first_disorder, is_known, required_keys
from qutiperf.mlperf_logs.summary_values import SummaryValues, differing
from qutiperf.mlperf_logs.trace import Trace
from qutiperf.units import NANOSECONDS_PER_SECOND

_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_UNTOUCHED = "publish the log as LoadGen wrote it, or run again"
_MOST_NAMED = 4
_SINCE_5 = "requested_sample_concatenate_permutation"
# the request is raised to what a scenario needs
_MAY_DIFFER = frozenset({"min_query_count", "performance_sample_count_override", "scenario"})
# a time of day without a zone may be up to 14 hours from UTC, and the load before the first query takes time
_MOST_CLOCK_S = 36 * 3600
_MOST_NANOSECONDS = 2**62
_PROCESSED = re.compile(r"Processed at least \d+ queries \((\d+)\)")
_ESTIMATE = re.compile(r"Early stopping (9\d)\.0th percentile estimate: (\d+)")


def log_findings(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    """Lines that are missing, foreign, doubled or out of order, and values that contradict each other."""
    if trace.line_count == 0:
        yield make.error("log-empty", "is empty", _UNTOUCHED, source="loadgen")
        return
    if not trace.values:
        yield make.error("log-unreadable", "holds no readable ':::MLLOG' line", _UNTOUCHED, line=1)
        return
    yield from _lines(trace, make)
    if not is_of_older_loadgen(trace):
        yield from _missing(trace, make)
    else:
        version = (trace.text("loadgen_version") or "")[:20]
        what = f"is of LoadGen {version}; its lines and rates are known from 5.0 on"
        yield make.not_checked("log-version", what)
    yield from _settings(trace, make)
    if "result_validity" in trace.values:
        yield from _verdict(trace, make)
        yield from _latencies(trace, make)
        yield from _early_stopping(trace, make)
        if not is_of_older_loadgen(trace):
            yield from _rates(trace, make)
    yield from _clock(trace, make)


def is_of_older_loadgen(trace: Trace) -> bool:
    """Before 5.0, by its lines too: builds from a later source may still call themselves 4.1."""
    return not is_known(trace.text("loadgen_version")) and not trace.counts[_SINCE_5]


def _lines(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    for line in trace.unmarked[:1]:
        what = "the line does not start with ':::MLLOG', as every line of LoadGen's does"
        yield make.error("log-foreign-line", what, _UNTOUCHED, line=line, source="loadgen")
    for line in trace.unreadable[:1]:
        what = "the line is not LoadGen's JSON"
        yield make.error("log-unreadable", what, _UNTOUCHED, line=line, source="loadgen")
    for line, key in trace.repeated[:1]:
        what = f"'{key}' appears again, and LoadGen writes it once"
        yield make.error("log-repeated-line", what, _UNTOUCHED, line=line, source="loadgen")
    for line, key in trace.disordered[:1]:
        what = f"'{key}' has an earlier time than the line before it"
        yield make.error("log-order", what, _UNTOUCHED, line=line, source="loadgen")
    if not trace.disordered and (swapped := first_disorder(trace.first_lines)):
        what = f"'{swapped[0]}' comes after '{swapped[1]}'; LoadGen writes it before"
        line_of = trace.first_lines[swapped[0]]
        yield make.error("log-order", what, _UNTOUCHED, line=line_of, source="loadgen")
    if len(trace.processes) > 1:
        what = f"its lines come from {len(trace.processes)} processes; a run has one"
        yield make.error("log-processes", what, _UNTOUCHED, source="loadgen")


def _missing(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    tokens = trace.flag("requested_use_token_latencies") is True
    keys = required_keys(trace.scenario, trace.mode, tokens, trace.text("loadgen_version"))
    absent = [key for key in keys if not trace.counts[key]]
    if absent:
        more = f" and {len(absent) - _MOST_NAMED} more" if len(absent) > _MOST_NAMED else ""
        what = f"lacks {', '.join(absent[:_MOST_NAMED])}{more}, which LoadGen always writes"
        yield make.error("log-missing-line", what, _UNTOUCHED, source="loadgen")


def _settings(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    for key, value in trace.values.items():
        name = key.removeprefix("effective_")
        requested = trace.values.get(f"requested_{name}")
        if name == key or requested is None or name in _MAY_DIFFER or requested == value:
            continue
        what = (
            f"{name} was requested as {requested} and is in effect as {value}; LoadGen takes it as requested"
        )
        yield make.error("log-settings", what, _UNTOUCHED, line=trace.line_of(key), source="loadgen")
    generated, answered = trace.whole("generated_query_count"), trace.whole("result_query_count")
    if generated is not None and answered is not None and answered > generated:
        what = f"{answered:,} queries were answered of {generated:,} generated"
        line = trace.line_of("result_query_count")
        yield make.error("log-query-count", what, _UNTOUCHED, line=line, source="loadgen")


def _verdict(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    names = ("result_min_duration_met", "result_min_queries_met", "result_perf_constraints_met")
    failed = [name for name in (*names, "early_stopping_met") if trace.flag(name) is False]
    valid = trace.text("result_validity") == "VALID"
    line = trace.line_of("result_validity")
    if valid and failed:
        what = f"the verdict is VALID though {failed[0]} is false"
        yield make.error("log-verdict", what, _UNTOUCHED, line=line, source="loadgen")
    if not valid and not failed:
        what = "the verdict is INVALID though no condition failed"
        yield make.error("log-verdict", what, _UNTOUCHED, line=line, source="loadgen")
    count = trace.whole("num_errors")
    if count is not None and count != trace.error_count:
        what = f"num_errors is {count}, and {trace.error_count} lines are marked as errors"
        yield make.error("log-errors", what, _UNTOUCHED, line=trace.line_of("num_errors"), source="loadgen")
    yield from _conditions(trace, make)


def _conditions(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    """The conditions that LoadGen says were met, against the numbers they are about."""
    least, answered = trace.whole("effective_min_query_count"), trace.whole("result_query_count")
    if least is not None and answered is not None and trace.flag("result_min_queries_met") is not None:
        met = answered >= least
        if trace.flag("result_min_queries_met") and not met:
            what = f"result_min_queries_met is true with {answered:,} queries of {least:,}"
            line = trace.line_of("result_min_queries_met")
            yield make.error("log-verdict", what, _UNTOUCHED, line=line, source="loadgen")
    least_ms, lasted_s = trace.number("effective_min_duration_ms"), run_duration_s(trace)
    if not trace.flag("result_min_duration_met") or least_ms is None or lasted_s is None:
        return
    if is_shorter(lasted_s, least_ms):
        what = f"result_min_duration_met is true, and the run took {lasted_s:.1f} s of {least_ms / 1000:g} s"
        line = trace.line_of("result_min_duration_met")
        yield make.error("log-duration", what, _UNTOUCHED, line=line, source="loadgen")


def is_shorter(lasted_s: float, least_ms: float) -> bool:
    """By more than what the log's clocks, to the millisecond and to six digits, leave open."""
    return lasted_s * 1000 < least_ms * 0.995 - 20


def run_duration_s(trace: Trace) -> float | None:
    """What LoadGen compares with the minimum duration: the wall clock, and in Server the schedule."""
    if trace.scenario == "Server":
        scheduled_ns = trace.number("generated_query_duration")
        return None if scheduled_ns is None else scheduled_ns / NANOSECONDS_PER_SECOND
    return elapsed_s(trace)


def elapsed_s(trace: Trace) -> float | None:
    """From the first query to the last answer, by the wall clock."""
    begin, end = moment(trace.first.get("power_begin")), moment(trace.values.get("power_end"))
    return (end - begin).total_seconds() if begin and end else None


def moment(value: object) -> datetime | None:
    try:
        return datetime.strptime(f"{value} +0000", "%m-%d-%Y %H:%M:%S.%f %z")
    except ValueError:
        return None


def _latencies(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    families = [
        ("result_{}_latency_ns", "result_{}_percentile_latency_ns"),
        ("result_{}_query_latency_ns", "result_{}_percentile_per_query_latency_ns"),
        ("result_first_token_{}_latency_ns", "result_first_token_{}_percentile_latency_ns"),
        ("result_time_to_output_token_{}", "result_time_per_output_token_{}_percentile_ns"),
    ]
    for plain, percentile in families:
        keys = [plain.format("min"), *map(percentile.format, _PERCENTILES), plain.format("max")]
        yield from _rising(trace, make, keys)
        low, mean, high = (trace.number(plain.format(name)) for name in ("min", "mean", "max"))
        if low is None or mean is None or high is None or _overflows(trace, high):
            continue
        if not low <= mean <= high:
            what = f"{plain.format('mean')} is {mean:,.0f}, outside {low:,.0f} to {high:,.0f}"
            line = trace.line_of(plain.format("mean"))
            yield make.error("log-latencies", what, _UNTOUCHED, line=line, source="loadgen")


def _overflows(trace: Trace, longest_ns: float) -> bool:
    """LoadGen adds latencies up in 64 bits, too few for an Offline run of 10^8 samples: its mean is wrong."""
    return (trace.generated_samples or 0) * longest_ns > _MOST_NANOSECONDS


def _rising(trace: Trace, make: FindingMaker, keys: list[str]) -> Iterator[AuditFinding]:
    known = [(key, value) for key in keys if (value := trace.number(key)) is not None]
    for (lower, small), (higher, large) in pairwise(known):
        if small > large:
            what = f"{lower} is {small:,.0f}, more than {higher} with {large:,.0f}"
            yield make.error("log-latencies", what, _UNTOUCHED, line=trace.line_of(lower), source="loadgen")
            return


def _early_stopping(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    text = trace.text("early_stopping_result") or trace.text("early_stopping_ttft_result") or ""
    line = trace.line_of("early_stopping_result")
    answered = trace.whole("result_query_count")
    processed = _PROCESSED.search(text)
    if processed and answered is not None and int(processed.group(1)) != answered:
        processed_count = int(processed.group(1))
        what = f"early stopping counts {processed_count:,} queries, result_query_count {answered:,}"
        yield make.error("log-early-stopping", what, _UNTOUCHED, line=line, source="loadgen")
    if trace.text("early_stopping_result") is None:
        return
    for percentile, number in _ESTIMATE.findall(text):
        key = "early_stopping_latency_ss" if percentile == "90" else "early_stopping_latency_ms"
        value = trace.whole(key)
        if value is not None and value != int(number):
            what = f"{key} is {value:,}, and early stopping's text has {int(number):,}"
            yield make.error(
                "log-early-stopping", what, _UNTOUCHED, line=trace.line_of(key), source="loadgen"
            )
    yield from _estimates(trace, make)


def _estimates(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    """An estimate discards fewer queries than its percentile does, so it is not below it."""
    own = {
        "SingleStream": (
            "early_stopping_latency_ss",
            "result_90.00_percentile_latency_ns",
            "result_max_latency_ns",
        ),
        "MultiStream": (
            *("early_stopping_latency_ms", "result_99.00_percentile_per_query_latency_ns"),
            "result_max_query_latency_ns",
        ),
    }.get(trace.scenario or "")
    if own is None:
        return
    estimate, percentile, most = (trace.number(key) for key in own)
    if not estimate or percentile is None or most is None or percentile <= estimate <= most:
        return
    what = f"{own[0]} is {estimate:,.0f}, outside {own[1]} {percentile:,.0f} and {own[2]} {most:,.0f}"
    yield make.error("log-early-stopping", what, _UNTOUCHED, line=trace.line_of(own[0]), source="loadgen")


def _rates(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    """Rates against latencies and the wall clock, as loadgen/results.cc computes them."""
    for relation in rate_relations(trace):
        value = trace.number(relation.key)
        if value is None or relation.expected <= 0 or relation.allows(value):
            continue
        bound = "at least " if relation.only_least else ""
        what = f"{relation.key} is {value:,.6g}, and {relation.how} gives {bound}{relation.expected:,.6g}"
        line = trace.line_of(relation.key)
        yield make.error("log-rate", what, _UNTOUCHED, line=line, source="loadgen")


@dataclass(frozen=True, slots=True)
class RateRelation:
    """What other lines of the log make of `key`, and the share that it may differ by."""

    key: str
    expected: float
    tolerance: float
    how: str
    only_least: bool = False

    def allows(self, value: float) -> bool:
        ratio = value / self.expected
        return ratio >= 1 - self.tolerance and (self.only_least or ratio <= 1 + self.tolerance)


_BETWEEN_QUERIES_NS = 20_000  # of LoadGen and the caller, on a busy machine


def rate_relations(trace: Trace) -> Iterator[RateRelation]:
    """Tolerances are some times what 784 published runs of v6.0 showed, and the clock's millisecond."""
    seconds, queries = elapsed_s(trace), trace.number("result_query_count")
    if not seconds or not queries:
        return
    clock = 0.002 + 0.02 / seconds
    if trace.scenario == "SingleStream":
        yield from _single_stream(trace, seconds, queries, clock)
    elif trace.scenario == "MultiStream":
        mean_ns = seconds / queries * NANOSECONDS_PER_SECOND
        between = _BETWEEN_QUERIES_NS / mean_ns + clock
        how = "the wall clock by queries"
        yield RateRelation("result_mean_query_latency_ns", mean_ns, 0.1 + between, how)
    elif trace.scenario == "Offline":
        wall_ns = seconds * NANOSECONDS_PER_SECOND
        yield RateRelation("result_max_latency_ns", wall_ns, clock, "the wall clock")
        most_ns = trace.number("result_max_latency_ns")
        if most_ns and trace.generated_samples:
            rate = trace.generated_samples / (most_ns / NANOSECONDS_PER_SECOND)
            how = "samples by the longest latency"
            yield RateRelation("result_samples_per_second", rate, 0.01, how)
    elif trace.scenario == "Server":
        yield from _server(trace, seconds, queries, clock)


def _single_stream(trace: Trace, seconds: float, queries: float, clock: float) -> Iterator[RateRelation]:
    rate, wall = "result_qps_with_loadgen_overhead", "queries by the wall clock"
    # LoadGen divides by the time of the last issue, so the last query is in the wall clock alone
    last = (trace.number("result_max_latency_ns") or 0.0) / NANOSECONDS_PER_SECOND / seconds
    yield RateRelation(rate, queries / seconds, clock + 2 / queries + last, wall)
    if mean_ns := trace.number("result_mean_latency_ns"):
        without = "result_qps_without_loadgen_overhead"
        yield RateRelation(without, NANOSECONDS_PER_SECOND / mean_ns, 0.002, "the mean latency")


def _server(trace: Trace, seconds: float, queries: float, clock: float) -> Iterator[RateRelation]:
    rate, wall = "result_completed_samples_per_sec", "queries by the wall clock"
    yield RateRelation(rate, queries / seconds, clock + 2 / queries, wall, only_least=True)
    schedule_ns = trace.number("generated_query_duration")
    if schedule_ns and trace.number("generated_query_count") == queries:
        scheduled = queries / (schedule_ns / NANOSECONDS_PER_SECOND)
        how = "queries by the schedule's length"
        yield RateRelation("result_scheduled_samples_per_sec", scheduled, 0.05, how)
        yield RateRelation("effective_target_qps", scheduled, 0.2 + 5 / queries**0.5, how)


def _clock(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    begin, end = moment(trace.first.get("power_begin")), moment(trace.values.get("power_end"))
    if begin and end and end < begin:
        line = trace.line_of("power_end")
        yield make.error(
            "log-clock", "power_end is before power_begin", _UNTOUCHED, line=line, source="loadgen"
        )
    started = _iso(trace.text("test_datetime"))
    if begin and started and abs((begin - started).total_seconds()) > _MOST_CLOCK_S:
        what = f"test_datetime {started:%Y-%m-%d} and power_begin {begin:%Y-%m-%d} are more than a day apart"
        line = trace.line_of("power_begin")
        yield make.error("log-clock", what, _UNTOUCHED, line=line, source="loadgen")


def _iso(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(f"{(text or '')[:19]} +0000", "%Y-%m-%dT%H:%M:%S %z")
    except ValueError:
        return None


def summary_findings(summary: SummaryValues, trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    """The summary against the detail log beside it."""
    if summary.empty:
        yield make.error("summary-empty", "is empty", _UNTOUCHED, source="loadgen")
        return
    if summary.error_count is None:
        what = "lacks the count of errors that LoadGen encountered"
        yield make.error("summary-cut", what, _UNTOUCHED, source="loadgen")
    if trace.mode == "PerformanceOnly" and "result_validity" not in summary.values:
        yield make.error("summary-verdict", "has no 'Result is' line", _UNTOUCHED, source="loadgen")
    for key, text, value, line in differing(summary, trace.values):
        what = f"has {text} where the detail log has {value} ({key})"
        yield make.error("summary-differs", what, _UNTOUCHED, line=line, source="loadgen")
    if summary.error_count is not None and summary.error_count != trace.error_count:
        what = f"counts {summary.error_count} errors, the detail log {trace.error_count}"
        yield make.error("summary-differs", what, _UNTOUCHED, source="loadgen")
