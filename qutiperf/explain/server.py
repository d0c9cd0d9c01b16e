"""Server runs over their latency bound: the rate that would meet it, from a queue fitted to the run.

The queue has one server of capacity C (queries per second) and a fastest answer of S. In it the mean wait
is rho / (2 C (1 - rho)) at the load rho = rate / C, and a wait is over x with the chance
rho exp(-2 (1 - rho) C x): exact means and a heavy-traffic tail of the queue M/D/1. It is an estimate.
"""

import math

from qutiperf.explain.finding import LOADGEN, Finding
from qutiperf.explain.wording import milliseconds_text, percent_text, rounded_down, rounded_up
from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.mlperf_logs.early_stopping import queries_for_share
from qutiperf.units import MILLISECONDS_PER_SECOND, format_number, milliseconds_from_ns, seconds_from_ns

_RULE = "Server latency bound"
_SOURCE = f"PerfConstraintsMet, {LOADGEN}/results.cc"
_OVERLOADED = 0.95  # if a smaller share of the issued queries was answered, the queue kept growing
_LARGEST_STEP = 0.95  # a rate that failed is not suggested again
_PERCENTILE_NAMES = {0.5: "p50", 0.9: "p90", 0.95: "p95", 0.97: "p97", 0.99: "p99", 0.999: "p99_9"}


def latency_bound(result: LoadGenResult) -> list[Finding]:
    """The exceeded bound, and the queries that early stopping needs at the lower rate."""
    if result.requested.get("use_token_latencies"):
        return [_token_bounds(result)]
    bound_ns, fastest_ns = result.target_latency_ns, result.latency_ns.get("min")
    rate = achievable_rate(result)
    if bound_ns is None or fastest_ns is None or result.target_qps is None:
        return [Finding("invalid", _RULE, _what(result), cure="lower settings.target_qps", source=_SOURCE)]
    if rate is None:
        return [_bound_below_device(result, bound_ns, fastest_ns)]
    return [_lower_rate(result, rate), *_more_queries(result, rate)]


def _token_bounds(result: LoadGenResult) -> Finding:
    """Bounds on the first token and on the time per token, which this queue does not model."""
    what, cure = f"LoadGen reports: {' '.join(result.invalid_reasons)}", "lower settings.target_qps"
    return Finding("invalid", "token latency bound", what, cure=cure, source=_SOURCE)


def achievable_rate(result: LoadGenResult) -> float | None:
    """Queries per second that should meet the bound with half the allowed share late; None if no rate can."""
    bound_ns, fastest_ns = result.target_latency_ns, result.latency_ns.get("min")
    capacity = _capacity(result)
    if bound_ns is None or fastest_ns is None or bound_ns <= fastest_ns or not capacity:
        return None
    allowed_share = (1 - (result.target_latency_percentile or 0.99)) / 2
    load = _highest_load(capacity * seconds_from_ns(bound_ns - fastest_ns), allowed_share)
    return rounded_down(min(load * capacity, _LARGEST_STEP * (result.target_qps or math.inf)))


def _capacity(result: LoadGenResult) -> float | None:
    """Queries per second when busy all the time: measured if overloaded, else from the mean wait."""
    issued, answered = result.scheduled_samples_per_second, result.completed_samples_per_second
    if not issued or not answered:
        return None
    if _overloaded(result):
        return answered
    wait_s = seconds_from_ns(result.latency_ns.get("mean", 0) - result.latency_ns.get("min", 0))
    if wait_s <= 0:
        return None
    return issued / 2 + math.sqrt(issued**2 / 4 + issued / (2 * wait_s))


def _overloaded(result: LoadGenResult) -> bool:
    issued, answered = result.scheduled_samples_per_second, result.completed_samples_per_second
    return bool(issued and answered and answered < _OVERLOADED * issued)


def _highest_load(slack: float, allowed_share: float) -> float:
    """Largest rho with rho exp(-2 (1 - rho) slack) <= allowed_share, `slack` in services of the queue."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if middle * math.exp(-2 * (1 - middle) * slack) <= allowed_share:
            low = middle
        else:
            high = middle
    return low


def _what(result: LoadGenResult) -> str:
    percentile = result.target_latency_percentile or 0.99
    late = result.overlatency_query_count
    slow_ns = result.latency_ns.get(_PERCENTILE_NAMES.get(round(percentile, 4), ""))
    text = f"{percent_text(percentile)} of the answers took up to {milliseconds_text(slow_ns)}"
    text += f", the bound is {milliseconds_text(result.target_latency_ns)}"
    if late is not None and result.query_count:
        text += f" ({late:,} of {result.query_count:,} queries were late)"
    return text


def _bound_below_device(result: LoadGenResult, bound_ns: int, fastest_ns: int) -> Finding:
    slow_ns = result.latency_ns.get("p99") or fastest_ns
    return Finding(
        "invalid",
        _RULE,
        f"{_what(result)}; even the fastest answer took {milliseconds_text(fastest_ns)}",
        "no rate can meet this bound on this system; MLPerf's closed division does not allow a longer bound",
        "use a smaller deployment.batch_size, a smaller or quantised model, or a longer bound",
        setting="settings.server_target_latency_ms",
        value=rounded_up(milliseconds_from_ns(max(slow_ns, bound_ns))),
        source=_SOURCE,
    )


def _lower_rate(result: LoadGenResult, rate: float) -> Finding:
    finding = Finding(
        "invalid",
        _RULE if not _overloaded(result) else "Server overloaded",
        f"{_what(result)}{_overload_text(result)}",
        f"this system answers about {format_number(_capacity(result), 3)} queries/s when it never waits; "
        f"at {format_number(rate, 3)} the waits should stay within the bound (an estimate from this run)",
        setting="settings.target_qps",
        value=rate,
        source=_SOURCE,
    )
    return finding.costing(_planned_queries(result, rate) / rate, result.duration_s)


def _overload_text(result: LoadGenResult) -> str:
    if not _overloaded(result):
        return ""
    issued, answered = result.scheduled_samples_per_second, result.completed_samples_per_second
    return f"; of {format_number(issued, 3)} queries/s it answered {format_number(answered, 3)}"


def _queries_needed(result: LoadGenResult) -> int:
    """With half the allowed share over the bound."""
    percentile = result.target_latency_percentile or 0.99
    return queries_for_share((1 - percentile) / 2, percentile) or 0


def _planned_queries(result: LoadGenResult, rate: float) -> int:
    duration_s = result.effective_number("min_duration_ms") / MILLISECONDS_PER_SECOND
    return max(round(duration_s * rate), round(result.effective_number("min_query_count")))


def _more_queries(result: LoadGenResult, rate: float) -> list[Finding]:
    """At the lower rate, a run of the same duration may have too few queries for early stopping."""
    planned, needed = _planned_queries(result, rate), _queries_needed(result)
    if planned >= needed:
        return []
    share = percent_text((1 - (result.target_latency_percentile or 0.99)) / 2)
    finding = Finding(
        "note",
        "early stopping",
        f"{planned:,} queries at that rate may be too few: with {share} of them late "
        f"LoadGen needs {needed:,}",
        setting="settings.min_query_count",
        value=needed,
        source=f"EarlyStopping, {LOADGEN}/results.cc and early_stopping.cc",
    )
    return [finding.costing(needed / rate, result.duration_s)]
