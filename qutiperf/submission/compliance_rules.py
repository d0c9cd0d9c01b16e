"""The folders of compliance tests: do they pass, and do they belong to the run beside them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qutiperf.audit.accuracy import scores
from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.mlperf_logs.trace import Trace
from qutiperf.spec.round_rules import TestRule
from qutiperf.submission.log_rules import RunContext
from qutiperf.units import NANOSECONDS_PER_SECOND

_SCORE = re.compile(
    r"^\s*(?P<which>reference|test) score\s*=\s*(?P<value>[\d.eE+-]+)\s*$", re.IGNORECASE | re.M
)
_COUNT = re.compile(r"^(?P<name>num_\w+)\s*=\s*(?P<value>\d{1,18})\s*$", re.M)
_AGREE = 2e-4


@dataclass(frozen=True, slots=True)
class TestEvidence:
    """One test's folder: texts by file name, its own log, and the log of the run it is about."""

    __test__ = False
    name: str
    texts: dict[str, str]
    log: Trace | None
    main: Trace | None
    baseline: str | None = None
    compliance: str | None = None


def text_findings(
    test: TestEvidence, rule: TestRule, context: RunContext, make: FindingMaker
) -> Iterator[AuditFinding]:
    """The verdict that each file of the test must hold."""
    for file in rule.files:
        text = test.texts.get(file.name)
        if text is None:
            continue
        lines = text.splitlines()
        unmet = [pattern for pattern in file.lines if not any(re.search(pattern, line) for line in lines)]
        if not unmet:
            if _says_fail(lines):
                what = f"{test.name}/{file.name} holds both a pass and a fail"
                yield make.error("test-verdict", what, "run the test again", source="checker")
            continue
        if test.name == "TEST01" and file.name == "verify_accuracy.txt":
            yield from _within_delta(test, context, make)
            continue
        what = f"{test.name}/{file.name} lacks a line that matches {unmet[0]!r}"
        yield make.error("test-failed", what, "run the test again", source="checker")


def _says_fail(lines: list[str]) -> bool:
    return any(re.fullmatch(r"\s*TEST FAIL\s*", line) for line in lines)


def _within_delta(test: TestEvidence, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    """A model that is not deterministic may pass TEST01 by its accuracy."""
    benchmark = context.benchmark
    if benchmark is None:
        return
    if test.baseline is None or test.compliance is None:
        what = "TEST01 does not pass, and accuracy/ lacks baseline_accuracy.txt and compliance_accuracy.txt"
        yield make.error("test-failed", what, "run the test again", source="checker")
        return
    for score in benchmark.accuracy:
        if score.metric not in benchmark.accuracy_delta_percent:
            continue
        base, compliance = scores(test.baseline, score.pattern), scores(test.compliance, score.pattern)
        if not base or not compliance:
            what = f"TEST01 does not pass, and its accuracy files lack {score.metric}"
            yield make.error("test-failed", what, source="checker")
            continue
        allowed = benchmark.accuracy_delta_percent[score.metric]
        delta = abs(1 - base[-1][0] / compliance[-1][0]) * 100 if compliance[-1][0] else 100.0
        if delta > allowed:
            what = f"TEST01's {score.metric} differs by {delta:.3g} %; at most {allowed:g} %"
            yield make.error("test-failed", what, source="checker")


def log_findings(
    test: TestEvidence, rule: TestRule, context: RunContext, make: FindingMaker
) -> Iterator[AuditFinding]:
    """The test's own run: its settings, and that it is a run of its own."""
    if test.log is None:
        return
    if rule.sampled and not test.log.number("effective_accuracy_log_sampling_target"):
        what = f"{test.name}'s log samples no responses: audit.config was not in effect"
        line = test.log.line_of("effective_accuracy_log_sampling_target")
        yield make.error(
            "test-settings", what, "run with the test's audit.config", line=line, source="checker"
        )
    for name, expected in rule.settings.items():
        actual = test.log.values.get(f"effective_{name}")
        if actual is not None and actual != expected:
            what = f"{name} is {str(actual).lower()} in effect; {test.name} has {str(expected).lower()}"
            line = test.log.line_of(f"effective_{name}")
            yield make.error(
                "test-settings", what, "run with the test's audit.config", line=line, source="checker"
            )
    yield from _belongs(test, rule, context, make)


def _belongs(
    test: TestEvidence, rule: TestRule, context: RunContext, make: FindingMaker
) -> Iterator[AuditFinding]:
    log, main = test.log, test.main
    if log is None or main is None:
        return
    if log.sha256 == main.sha256 or (log.run_identity and log.run_identity == main.run_identity):
        what = f"{test.name}'s log is that of the performance run"
        yield make.error("test-copied", what, "run the test", source="inference_rules")
    if rule.log != "valid":  # the other tests have data sets and settings of their own
        return
    samples = context.benchmark.samples if context.benchmark else None
    own = {samples.dataset, samples.accuracy} if samples else set()
    for key, allowed in (("effective_scenario", set()), ("qsl_reported_total_count", own)):
        ours, theirs = log.values.get(key), main.values.get(key)
        if ours is not None and theirs is not None and ours != theirs and ours not in allowed:
            what = f"{test.name} has {key} {ours}, the performance run {theirs}"
            yield make.error("test-other-run", what, line=log.line_of(key), source="inference_rules")


def score_findings(
    test: TestEvidence, rule: TestRule, context: RunContext, make: FindingMaker
) -> Iterator[AuditFinding]:
    """The scores in verify_performance.txt, against the two logs that they were read from."""
    text = test.texts.get("verify_performance.txt")
    if text is None or test.log is None or test.main is None or rule.score_tolerance_percent is None:
        return
    matches = {match.group("which").lower(): match for match in _SCORE.finditer(text)}
    for which, log, role in (("reference", test.main, "performance run"), ("test", test.log, test.name)):
        match = matches.get(which)
        value = _number(match.group("value")) if match else None
        if match is None or value is None:
            continue
        possible = _possible_scores(log)
        if possible and not any(_close(value, each) for each in possible):
            what = f"the {which} score is {value:g}, and the log of {role} gives {possible[0]:g}"
            line = text.count("\n", 0, match.start()) + 1
            cure = "run the test's verification on the logs that are published"
            yield make.error("test-score", what, cure, line=line, source="checker")
    yield from _ratio(test, rule, make)


def _ratio(test: TestEvidence, rule: TestRule, make: FindingMaker) -> Iterator[AuditFinding]:
    """The two logs themselves: a test that is much faster than its run shows cached answers."""
    if test.log is None or test.main is None or rule.score_tolerance_percent is None:
        return
    ours, theirs = _rate(test.log), _rate(test.main)
    if not ours or not theirs or test.log.scenario != test.main.scenario:
        return
    faster = 100 * (ours / theirs - 1)
    if faster > rule.score_tolerance_percent:
        most = f"at most {rule.score_tolerance_percent:g} %"
        what = f"{test.name} ran {faster:.1f} % faster than the performance run; {most}"
        yield make.error("test-score", what, "answers may come from a cache", source="checker")


def _rate(trace: Trace) -> float | None:
    """More is faster in every scenario."""
    per_query = trace.number("early_stopping_latency_ss") or trace.number("early_stopping_latency_ms")
    if trace.scenario in ("SingleStream", "MultiStream"):
        return 1 / per_query if per_query else None
    return trace.number("result_samples_per_second") or trace.number("result_completed_samples_per_sec")


def _possible_scores(trace: Trace) -> list[float]:
    """What the official verifiers print, whichever of their versions."""
    keys = {
        "SingleStream": ("early_stopping_latency_ss", "result_90.00_percentile_latency_ns"),
        "MultiStream": (
            *("early_stopping_latency_ms", "result_99.00_percentile_per_query_latency_ns"),
            "result_99.00_percentile_latency_ns",
        ),
        "Offline": ("result_samples_per_second", "result_tokens_per_second"),
        "Server": (
            *("result_completed_samples_per_sec", "result_scheduled_samples_per_sec"),
            "result_completed_tokens_per_second",
        ),
    }.get(trace.scenario or "", ())
    values = [value for key in keys if (value := trace.number(key))]
    latencies = ("result_mean_latency_ns", "result_mean_query_latency_ns", *keys)
    if trace.scenario in ("SingleStream", "MultiStream"):
        values += [NANOSECONDS_PER_SECOND / value for key in latencies if (value := trace.number(key))]
        values += [
            value
            for key in ("result_qps_with_loadgen_overhead", "result_qps_without_loadgen_overhead")
            if (value := trace.number(key))
        ]
    return values


def _close(left: float, right: float) -> bool:
    return abs(left - right) <= max(_AGREE * max(abs(left), abs(right)), 0.0051 if left < 100 else 0)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def count_findings(test: TestEvidence, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    """The counts in verify_accuracy.txt of TEST01: a pass with mismatches, or of another data set."""
    text = test.texts.get("verify_accuracy.txt")
    benchmark = context.benchmark
    if text is None or test.name != "TEST01" or benchmark is None:
        return
    counts = {match.group("name"): int(match.group("value")) for match in _COUNT.finditer(text)}
    passed = any(line.strip() == "TEST PASS" for line in text.splitlines())
    if not counts or not passed:
        return
    if counts.get("num_perf_log_data_mismatch", 0) > 0:
        what = f"TEST PASS with {counts['num_perf_log_data_mismatch']:,} responses that differ"
        yield make.error("test-verdict", what, "run the test again", source="checker")
    if counts.get("num_perf_log_qsl_idx_match", 1) == 0 or counts.get("num_perf_log_entries", 1) == 0:
        yield make.error("test-verdict", "TEST PASS with no response compared", source="checker")
    expected = benchmark.samples.accuracy_in.get(context.entry.scenario or "", benchmark.samples.accuracy)
    entries = counts.get("num_acc_log_entries")
    # MultiStream fills the last query up
    per_query = int(test.main.number("effective_samples_per_query") or 1) if test.main else 1
    padding = per_query - 1 if context.entry.scenario == "MultiStream" else 0
    if entries is not None and not expected <= entries <= expected + padding:
        what = f"compares with {entries:,} responses of the accuracy run; the data set has {expected:,}"
        yield make.error(
            "test-other-run", what, "run the test's verification on the published runs", source="checker"
        )
