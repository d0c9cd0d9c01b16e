"""Why LoadGen's verdict is INVALID: the failed rule, the setting that cures it, and the cost."""

from collections.abc import Callable, Mapping

from qutiperf.explain.finding import LOADGEN, Finding
from qutiperf.explain.server import latency_bound
from qutiperf.explain.wording import milliseconds_text, rounded_down, rounded_up, seconds_text
from qutiperf.mlperf_logs import LoadGenResult, Rule
from qutiperf.mlperf_logs.early_stopping import minimum_queries, queries_for_share
from qutiperf.units import (
    MILLISECONDS_PER_SECOND,
    format_number,
    milliseconds_from_ns,
    ns_from_seconds,
    seconds_from_ns,
)

_OFFLINE_SLACK = 1.1  # kSlack in loadgen/test_settings_internal.cc
_LIMIT_SLACK = 1.2  # margin for slower queries below a new max_duration
_DURATION_SOURCE = f"MinDurationMet, {LOADGEN}/results.cc"
_QUERIES_SOURCE = f"MinQueriesMet, {LOADGEN}/results.cc"
_STOPPING_SOURCE = f"EarlyStopping, {LOADGEN}/results.cc and early_stopping.cc"
_ENDED_SOURCE = f"IssueQueriesInternal, {LOADGEN}/issue_query_controller.cc"


def invalid(result: LoadGenResult) -> list[Finding]:
    """Empty unless INVALID; if a limit ended the run, it is the only finding."""
    if result.validity != "INVALID":
        return []
    for message, maker in _ENDED_EARLY.items():
        if any(message in error.text for error in result.errors):
            return [maker(result)]
    findings = [finding for rule in _uncovered_rules(result) for finding in _MAKERS[rule](result)]
    return findings or [
        Finding("invalid", "unknown rule", " ".join(result.invalid_reasons) or "no reason given")
    ]


def needed_queries(result: LoadGenResult) -> int | None:
    """The fewest queries that early stopping accepts; None in Offline, which has no early stopping."""
    percentile = result.target_latency_percentile
    if percentile is None or result.scenario == "Offline":
        return None
    return minimum_queries(0 if result.scenario == "Server" else 1, percentile)


def min_duration_s(result: LoadGenResult) -> float:
    return result.effective_number("min_duration_ms") / MILLISECONDS_PER_SECOND


def _uncovered_rules(result: LoadGenResult) -> list[Rule]:
    """Failed rules, without early stopping if the cure of another rule cures it too."""
    failed = result.failed_rules
    covered = "perf_constraints" in failed or ("min_duration" in failed and _long_run_suffices(result))
    return [rule for rule in failed if not (covered and rule == "early_stopping")]


def _long_run_suffices(result: LoadGenResult) -> bool:
    query_s = seconds_from_ns(result.latency_ns.get("mean", 0))
    return query_s > 0 and min_duration_s(result) / query_s >= (needed_queries(result) or 0)


def _min_duration(result: LoadGenResult) -> list[Finding]:
    if result.scenario == "Offline":
        return [_offline_too_short(result)]
    if result.scenario == "Server" or not result.latency_ns.get("mean"):
        return [_duration_unexplained(result)]
    return [_ran_out(result)]


def _run_of_minimum(result: LoadGenResult) -> str:
    return f"{seconds_text(result.duration_s)} of {seconds_text(min_duration_s(result))}"


def _ran_out(result: LoadGenResult) -> Finding:
    """LoadGen generates 2 x min_duration / target_latency queries and stops when they are used up."""
    mean_ns = result.latency_ns["mean"]
    expected_ns = ns_from_seconds(1 / result.target_qps) if result.target_qps else None
    finding = Finding(
        "invalid",
        "minimum duration not met",
        f"it ran {_run_of_minimum(result)}; LoadGen expected {milliseconds_text(expected_ns)} per query and "
        f"so generated {result.generated_query_count or 0:,} queries, but they took "
        f"{milliseconds_text(mean_ns)} each",
        "LoadGen generates queries for twice the minimum duration at this latency, and stops after the last",
        setting="settings.target_latency_ms",
        value=rounded_down(milliseconds_from_ns(mean_ns)),
        source=f"{_DURATION_SOURCE}; GenerateQueries, {LOADGEN}/loadgen.cc",
    )
    return finding.costing(min_duration_s(result), result.duration_s)


def _offline_too_short(result: LoadGenResult) -> Finding:
    """LoadGen's only query has 1.1 x min_duration x target_qps samples."""
    rate = rounded_up(result.samples_per_second or result.target_qps or 1)
    run_s = _OFFLINE_SLACK * min_duration_s(result) * rate / (result.samples_per_second or rate)
    finding = Finding(
        "invalid",
        "minimum duration not met",
        f"its one query of {result.samples_per_query or 0:,} samples took {_run_of_minimum(result)}; LoadGen "
        f"sized it for {format_number(result.target_qps)} samples/s, but this system does "
        f"{format_number(result.samples_per_second)}",
        "LoadGen sizes the query to 1.1 x minimum duration x this rate",
        setting="settings.target_qps",
        value=rate,
        source=f"{_DURATION_SOURCE}; TestSettingsInternal, {LOADGEN}/test_settings_internal.cc",
    )
    return finding.costing(run_s, result.duration_s)


def _duration_unexplained(result: LoadGenResult) -> Finding:
    what = f"it ran {_run_of_minimum(result)}"
    because = f"LoadGen reports: {' '.join(result.invalid_reasons)}"
    return Finding("invalid", "minimum duration not met", what, because, source=_DURATION_SOURCE)


def _min_queries(result: LoadGenResult) -> list[Finding]:
    """If no limit ended the run, queries are missing only because answers were lost."""
    minimum = round(result.effective_number("min_sample_count"))
    what = f"{_answered(result)}, {minimum:,} samples are the minimum"
    because, cure = "answers are missing, or the run ended early", "see LoadGen's errors"
    return [Finding("invalid", "minimum queries not met", what, because, cure, source=_QUERIES_SOURCE)]


def _answered(result: LoadGenResult) -> str:
    return (
        "it answered an unknown number of queries"
        if result.query_count is None
        else (f"it answered {result.query_count:,} queries")
    )


def _early_stopping(result: LoadGenResult) -> list[Finding]:
    return [_server_stopping(result) if result.scenario == "Server" else _stream_stopping(result)]


def _stream_stopping(result: LoadGenResult) -> Finding:
    needed, mean_ns = needed_queries(result) or 0, result.latency_ns.get("mean", 0)
    finding = Finding(
        "invalid",
        "early stopping not met",
        f"{_answered(result)} of the {needed:,} that LoadGen needs to trust a {_percentile(result)} "
        f"percentile; each took {milliseconds_text(mean_ns)}",
        "with fewer queries, even the slowest one may lie below the percentile",
        setting="settings.min_query_count",
        value=needed,
        source=_STOPPING_SOURCE,
    )
    return finding.costing(max(needed * seconds_from_ns(mean_ns), min_duration_s(result)), result.duration_s)


def _percentile(result: LoadGenResult) -> str:
    return f"{format_number(100 * (result.target_latency_percentile or 0))}th"


def _server_stopping(result: LoadGenResult) -> Finding:
    """The percentile is met, but on too few queries; with the same share of late ones, more are enough."""
    queries, late = result.query_count or 0, result.overlatency_query_count or 0
    percentile = result.target_latency_percentile or 0.99
    needed = queries_for_share(late / queries, percentile) if queries else None
    if needed is None or not result.target_qps or result.requested.get("use_token_latencies"):
        return latency_bound(result)[0]
    finding = Finding(
        "invalid",
        "early stopping not met",
        f"{_answered(result)}, {late:,} of them over {milliseconds_text(result.target_latency_ns)}; with "
        f"that many late, LoadGen needs {minimum_queries(late, percentile):,} to trust a "
        f"{_percentile(result)} percentile",
        "this many pass even if the same share of them, plus one, is late",
        setting="settings.min_query_count",
        value=needed,
        source=_STOPPING_SOURCE,
    )
    return finding.costing(max(needed / result.target_qps, min_duration_s(result)), result.duration_s)


def _least_queries(result: LoadGenResult) -> int:
    """The queries that min_query_count, early stopping and min_duration need at the observed rate."""
    rate = result.queries_per_second or 0
    return max(
        round(result.effective_number("min_query_count")),
        needed_queries(result) or 0,
        round(min_duration_s(result) * rate),
    )


def _max_query_count(result: LoadGenResult) -> Finding:
    least, rate = _least_queries(result), result.queries_per_second
    finding = Finding(
        "invalid",
        "ended by max_query_count",
        f"{_answered(result)}, then reached max_query_count "
        f"{result.effective_number('max_query_count'):,.0f}; {least:,} are the minimum",
        "the limit must allow for the minimum query count, early stopping and the minimum duration",
        setting="settings.max_query_count",
        value=least,
        source=_ENDED_SOURCE,
    )
    return finding.costing(least / rate, result.duration_s) if rate else finding


def _max_duration(result: LoadGenResult) -> Finding:
    least, rate = _least_queries(result), result.queries_per_second
    limit_s = result.effective_number("max_duration_ms") / MILLISECONDS_PER_SECOND
    run_s = max(least / rate, min_duration_s(result)) if rate else limit_s
    finding = Finding(
        "invalid",
        "ended by max_duration",
        f"{_answered(result)} in {seconds_text(result.duration_s)}, then reached max_duration "
        f"{seconds_text(limit_s)}; {least:,} queries are the minimum",
        f"at the observed rate these take {seconds_text(run_s)}; the value is {_LIMIT_SLACK:g} times that",
        setting="settings.max_duration_s",
        value=rounded_up(_LIMIT_SLACK * run_s),
        source=_ENDED_SOURCE,
    )
    return finding.costing(run_s, result.duration_s)


def _too_many_waiting(result: LoadGenResult) -> Finding:
    rate = result.completed_samples_per_second
    return Finding(
        "invalid",
        "pipeline overloaded",
        f"LoadGen ended the run at {result.effective_number('max_async_queries'):,.0f} waiting queries; "
        f"of {format_number(result.target_qps, 3)} queries/s {format_number(rate, 3)} were answered",
        "queries arrive faster than they are answered",
        setting="settings.target_qps" if rate else None,
        value=rounded_down(0.9 * rate) if rate else None,
        source=_ENDED_SOURCE,
    )


_MAKERS: Mapping[Rule, Callable[[LoadGenResult], list[Finding]]] = {
    "perf_constraints": latency_bound,
    "min_duration": _min_duration,
    "min_queries": _min_queries,
    "early_stopping": _early_stopping,
}
_ENDED_EARLY: Mapping[str, Callable[[LoadGenResult], Finding]] = {
    "Max query count reached": _max_query_count,
    "Max test duration reached": _max_duration,
    "Too many outstanding queries": _too_many_waiting,
}
