"""One LoadGen run of a submission against the round's rules."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.log_checks import elapsed_s, is_of_older_loadgen, is_shorter, run_duration_s
from qutiperf.mlperf_logs.trace import Trace
from qutiperf.spec.round_rules import BenchmarkRule, RoundRules, Suite
from qutiperf.spec.rounds import Round, shipped_rounds
from qutiperf.submission.entries import SubmissionEntry
from qutiperf.units import NANOSECONDS_PER_MILLISECOND

_AUDIT_SEED = 720381539243781796
_SHORTEST_ROUND_TRIP_NS = 1000  # 150 m of cable each way, and nothing else


@dataclass(frozen=True, slots=True)
class RunContext:
    """The entry that a log belongs to; `hardware` is what its system description says of it.

    `has_power_capacity`: the description says what its power supplies are rated for.
    """

    mlperf_round: Round
    rules: RoundRules
    entry: SubmissionEntry
    suites: tuple[Suite, ...]
    network: bool
    hardware: tuple[str, ...] = ()
    has_power_capacity: bool = False

    @property
    def closed(self) -> bool:
        return self.entry.submitter.is_closed

    @property
    def benchmark(self) -> BenchmarkRule | None:
        return self.rules.benchmarks.get(self.entry.benchmark or "")


def performance_findings(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    """The run whose figure counts."""
    yield from _mode(trace, "PerformanceOnly", make)
    yield from validity(trace, make)
    yield from counted_findings(trace, context, make)
    if trace.values.get("effective_accuracy_log_rng_seed") == _AUDIT_SEED:
        what = "accuracy_log_rng_seed is that of the audits' audit.config: this is a run of a compliance test"
        line = trace.line_of("effective_accuracy_log_rng_seed")
        cure = "run without audit.config in the working directory"
        yield make.warning("audit-run", what, cure, line=line, source="inference_rules")
    for name, value in context.rules.fixed_settings.items():
        yield from _fixed(trace, name, value, context, make)


def counted_findings(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    """What performance runs and the runs of TEST01 and TEST04 have in common."""
    yield from seeds(trace, context.mlperf_round, make)
    yield from _scenario(trace, context, make)
    yield from _durations(trace, context, make)
    yield from _open_only(trace, context, make)
    yield from _samples(trace, context, make)
    yield from _latency(trace, context, make)
    yield from _tokens(trace, context, make)
    if context.network:
        yield from _network(trace, context, make)


def _network(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    """The SUT's name comes from the far end, and LoadGen logs how long it took to get it."""
    if context.rules.network_sut_name not in (trace.text("sut_name") or ""):
        what = f"the SUT's name lacks '{context.rules.network_sut_name}'"
        line = trace.line_of("sut_name")
        yield make.error("network", what, line=line, source="inference_rules")
    key = "get_sut_name_duration_ns"
    took_ns = trace.number(key)
    if took_ns is not None and took_ns < _SHORTEST_ROUND_TRIP_NS:
        what = f"the SUT's name was there after {took_ns:,.0f} ns, too short for a round trip over a network"
        cure = "ask the far end for its name"
        yield make.error("network", what, cure, line=trace.line_of(key), source="inference_rules")


def accuracy_run_findings(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    yield from _mode(trace, "AccuracyOnly", make)
    yield from _loadgen_errors(trace, make)
    for finding in seeds(trace, context.mlperf_round, make):
        # an accuracy run answers every sample once, so the order says nothing of its figure
        yield replace(finding, severity="warning") if finding.severity == "error" else finding
    yield from _scenario(trace, context, make)
    benchmark = context.benchmark
    if benchmark is None or trace.mode != "AccuracyOnly":
        return
    key = "effective_accuracy_sample_count"
    key = key if key in trace.values else "qsl_reported_total_count"
    expected = benchmark.samples.accuracy_in.get(context.entry.scenario or "", benchmark.samples.accuracy)
    actual = trace.whole(key)
    if actual is not None and actual != expected:
        what = f"{key} is {actual:,}, and the data set has {expected:,}"
        yield make.error(
            "accuracy-samples", what, "run all samples", line=trace.line_of(key), source="checker"
        )


def validity(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    """LoadGen's verdict and its error lines."""
    verdict, line = trace.text("result_validity"), trace.line_of("result_validity")
    if verdict != "VALID":
        reason = trace.text("result_invalid_reason") or ""
        what = f"LoadGen's verdict is {verdict or 'missing'}{': ' + reason if reason.strip() else ''}"
        cure = "`qutiperf explain` says which condition failed and what to change"
        yield make.error("invalid", what, cure, line=line, source="inference_rules")
    yield from _loadgen_errors(trace, make)


def _loadgen_errors(trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    for line, text in trace.errors[:1]:
        more = f" and {trace.error_count - 1} more" if trace.error_count > 1 else ""
        what = f"LoadGen reports an error: {text[:160]}{more}"
        yield make.error("loadgen-error", what, "remove its cause and run again", line=line, source="checker")


def _mode(trace: Trace, expected: str, make: FindingMaker) -> Iterator[AuditFinding]:
    if trace.mode is not None and trace.mode != expected:
        what = f"the run's mode is {trace.mode}; this folder is for {expected}"
        line = trace.line_of("effective_test_mode")
        yield make.error("mode", what, "put the run of that mode here", line=line, source="submission_rules")


def seeds(trace: Trace, mlperf_round: Round, make: FindingMaker) -> Iterator[AuditFinding]:
    for name, expected in mlperf_round.seeds.model_dump().items():
        key = f"effective_{name}"
        actual = trace.values.get(key)
        if actual is not None and actual != expected:
            own = round_of_seeds(trace)
            of = f", as in {own}" if own else ""
            what = f"{name} is {actual}{of}; {mlperf_round.name} has {expected}"
            cure = f"pip install '{mlperf_round.loadgen_requirement}' and run again"
            yield make.error("seeds", what, cure, line=trace.line_of(key), source="inference_rules")
            return
    version = (trace.text("loadgen_version") or "").split(" ")[0]
    if version and version not in mlperf_round.loadgen_versions and is_of_older_loadgen(trace):
        what = f"LoadGen {version} is older than the round's seeds, which the log has"
        line = trace.line_of("loadgen_version")
        yield make.error("loadgen-version", what, "publish the log as LoadGen wrote it", line=line)
    elif version and version not in mlperf_round.loadgen_versions:
        what = f"LoadGen {version} is not a release with these seeds; the seeds are the round's"
        line = trace.line_of("loadgen_version")
        yield make.note("loadgen-version", what, line=line)


def round_of_seeds(trace: Trace) -> str | None:
    """The shipped round whose seeds a run has."""
    for each in shipped_rounds():
        if all(trace.values.get(f"effective_{key}") == seed for key, seed in each.seeds.model_dump().items()):
            return each.name
    return None


def _scenario(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    expected, ran = context.entry.scenario, trace.scenario
    if expected is None or ran is None or ran == expected:
        return
    line = trace.line_of("effective_scenario")
    for each in context.rules.inferred:
        if (each.ran, each.to) == (ran, expected) and set(each.suites) & set(context.suites):
            return
    what = f"LoadGen ran {ran}, and a {expected} result cannot be inferred from it here"
    yield make.error("scenario", what, f"run {expected}", line=line, source="inference_rules")


def _durations(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    if context.benchmark is None or not context.benchmark.minimum_duration:
        return
    least_ms = context.rules.limits.minimum_duration_ms
    requested_ms = trace.number("effective_min_duration_ms")
    if requested_ms is not None and requested_ms < least_ms:
        what = f"min_duration is {requested_ms / 1000:g} s; the round requires {least_ms / 1000:g} s"
        line = trace.line_of("effective_min_duration_ms")
        yield make.error(
            "minimum-duration", what, "run with the round's duration", line=line, source="inference_rules"
        )
        return
    lasted_s, wall_s = run_duration_s(trace), elapsed_s(trace)
    known = [each for each in (lasted_s, wall_s) if each is not None]
    if known and is_shorter(max(known), least_ms):
        what = f"the run took {max(known):.1f} s; the round requires {least_ms / 1000:g} s"
        line = trace.line_of("power_end")
        yield make.error("elapsed-duration", what, "run again", line=line, source="inference_rules")


def _open_only(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    """Settings that only an open result may change."""
    ran = context.rules.scenarios.get(trace.scenario or "")
    if ran is None or not context.closed:
        return
    for key, expected in (
        ("effective_target_latency_percentile", ran.percentile),
        ("effective_samples_per_query", ran.samples_per_query),
    ):
        actual = trace.number(key)
        if expected is not None and actual is not None and abs(actual - expected) > 1e-9:
            what = f"{key.removeprefix('effective_')} is {actual:g}; {trace.scenario} has {expected:g}"
            cure = "a run with another value belongs to the open division"
            yield make.error(
                "open-only-setting", what, cure, line=trace.line_of(key), source="inference_rules"
            )


def _fixed(
    trace: Trace, name: str, expected: object, context: RunContext, make: FindingMaker
) -> Iterator[AuditFinding]:
    actual = trace.values.get(f"effective_{name}")
    if context.closed and actual is not None and actual != expected:
        what = f"{name} is {str(actual).lower()} in effect; a closed run has {str(expected).lower()}"
        line = trace.line_of(f"effective_{name}")
        cure = "remove it from user.conf and the harness, and run again"
        yield make.error("open-only-setting", what, cure, line=line, source="inference_rules")


def _samples(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    benchmark = context.benchmark
    if benchmark is None:
        return
    key = "effective_performance_sample_count"
    held, least = trace.whole(key), benchmark.samples.performance
    if held is not None and held < least:
        what = f"performance_sample_count is {held:,}; {context.entry.benchmark} needs {least:,}"
        yield make.error("performance-samples", what, line=trace.line_of(key), source="checker")
    key = "qsl_reported_total_count"
    total, sizes = trace.whole(key), {benchmark.samples.dataset, benchmark.samples.accuracy}
    if total is not None and total not in sizes and not least <= total <= max(sizes):
        what = f"the data set has {total:,} samples; that of {context.entry.benchmark} has {max(sizes):,}"
        cure = "is it the log of another benchmark?"
        severity = make.error if context.closed else make.warning
        yield severity("dataset-count", what, cure, line=trace.line_of(key), source="checker")
    key = "effective_samples_per_query"
    actual, offline = trace.whole(key), benchmark.samples.offline
    if trace.scenario == "Offline" and offline and actual is not None and actual < offline and context.closed:
        what = f"an Offline query has {actual:,} samples; {context.entry.benchmark} needs {offline:,}"
        yield make.error("offline-samples", what, line=trace.line_of(key), source="checker")


def _latency(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    rule = context.rules.scenarios.get(trace.scenario or "")
    if rule is None:
        return
    if rule.early_stopping and trace.flag("early_stopping_met") is not True:
        what = "early stopping was not met"
        line = trace.line_of("early_stopping_met")
        yield make.error("early-stopping", what, "run longer", line=line, source="inference_rules")
    limits = context.benchmark.latency_limit_ms if context.benchmark else {}
    limit_ms = limits.get(context.entry.scenario or "", limits.get(trace.scenario or ""))
    key = "effective_target_latency_ns"
    target_ns = trace.number(key)
    if trace.scenario != "Server" or not limit_ms or target_ns is None:
        return
    target_ms = target_ns / NANOSECONDS_PER_MILLISECOND
    if target_ms > limit_ms:
        what = f"the latency bound is {target_ms:g} ms; at most {limit_ms:g} ms"
        yield make.error("latency-limit", what, line=trace.line_of(key), source="checker")


def _tokens(trace: Trace, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    benchmark = context.benchmark
    if benchmark is None or not benchmark.uses_token_latencies:
        return
    if trace.flag("requested_use_token_latencies") is not True:
        what = "use_token_latencies is off; a language model's run needs it"
        line = trace.line_of("requested_use_token_latencies")
        yield make.error("token-latencies", what, line=line, source="checker")
        return
    limits = benchmark.token_limits_ms.get(context.entry.scenario or "")
    if trace.scenario != "Server" or limits is None:
        return
    for key, most_ms, what in (
        ("result_first_token_99.00_percentile_latency_ns", limits.first_token_ms, "time to first token"),
        (
            "result_time_per_output_token_99.00_percentile_ns",
            limits.per_output_token_ms,
            "time per output token",
        ),
    ):
        actual = trace.number(key)
        actual_ms = actual / NANOSECONDS_PER_MILLISECOND if actual is not None else None
        if actual_ms is not None and actual_ms >= most_ms:
            text = f"p99 {what} is {actual_ms:,.1f} ms; it must be below {most_ms:g} ms"
            yield make.error("token-limit", text, line=trace.line_of(key), source="checker")
