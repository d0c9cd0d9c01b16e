"""Findings from LoadGen's result and the context of a run: the verdict first, then disturbances."""

from qutiperf.explain.conditions import disturbed, slow
from qutiperf.explain.errors import accuracy, audit_mode, incomplete, messages, round_of_seeds, seeds
from qutiperf.explain.finding import Context, Finding
from qutiperf.explain.invalid import invalid, min_duration_s, needed_queries
from qutiperf.explain.wording import milliseconds_text, percent_text, seconds_text
from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.units import format_number


def explain(result: LoadGenResult, context: Context | None = None) -> list[Finding]:
    """The failed rule or the verdict, then anything that prevents submission, slows or disturbs the run."""
    known = context or Context()
    verdict = incomplete(result) + invalid(result) + accuracy(result)
    findings = verdict or _fine(result)
    findings += messages(result) + audit_mode(result, known) + seeds(result, known)
    return findings + slow(result, known) + disturbed(result, known)


def _fine(result: LoadGenResult) -> list[Finding]:
    if result.mode == "AccuracyOnly":
        answered = result.accuracy_entry_count or result.generated_sample_count
        return [Finding("valid", "accuracy run complete", f"{answered or 0:,} samples answered")]
    if result.validity is None:
        return []
    return [Finding("valid", result.scenario or "run", ", ".join(_margins(result)))]


def _margins(result: LoadGenResult) -> list[str]:
    """The margin by which each rule was met."""
    margins = [f"{seconds_text(result.duration_s)} of {seconds_text(min_duration_s(result))}"]
    if result.scenario == "Offline":
        margins.append(f"{result.samples_per_query or 0:,} samples in one query")
    elif result.query_count is not None:
        margins.append(f"{result.query_count:,} queries of {_least_queries(result):,}")
    if result.target_latency_ns is not None:
        margins.append(_bound_margin(result, result.target_latency_ns))
    used = round_of_seeds(result.seeds)
    return [*margins, f"seeds of round {used.name}"] if used else margins


def _least_queries(result: LoadGenResult) -> int:
    return max(round(result.effective_number("min_query_count")), needed_queries(result) or 0)


def _bound_margin(result: LoadGenResult, bound_ns: int) -> str:
    late = (result.overlatency_query_count or 0) / (result.query_count or 1)
    allowed = 1 - (result.target_latency_percentile or 0.99)
    share = f"{percent_text(late)} of {percent_text(allowed)} allowed over {milliseconds_text(bound_ns)}"
    return f"{share} at {format_number(result.completed_samples_per_second)} queries/s"
