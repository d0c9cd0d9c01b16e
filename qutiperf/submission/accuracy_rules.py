"""The accuracy folder: accuracy.txt against its target, and against the log it was made from."""

from collections.abc import Iterator

from qutiperf.audit.accuracy import AccuracyLog, AccuracyText, scores
from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.mlperf_logs.trace import Trace
from qutiperf.submission.log_rules import RunContext

_CUT_BYTES = 8199  # truncate_accuracy_log.py keeps 4,096 bytes of each end and seven between them
_HASH_LENGTH = 64


def text_findings(text: AccuracyText, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    """Targets hold in the closed divisions; the hash and the counts in all."""
    if not text.text.strip():
        yield make.error("accuracy-empty", "is empty", "run the accuracy script", source="checker")
        return
    if text.hash is None:
        what = "has no 'hash=' line"
        severity = make.error if context.closed else make.warning
        yield severity("accuracy-hash", what, "run truncate_accuracy_log.py", source="checker")
    elif len(text.hash) != _HASH_LENGTH or text.hash.strip("0123456789abcdef"):
        what = "the hash is not a sha256"
        yield make.error("accuracy-hash", what, line=text.hash_line, source="checker")
    if text.good is not None and text.total and text.percent is not None:
        share = 100 * text.good / text.total
        if abs(share - text.percent) > 0.001:
            what = f"has {text.percent} %, and {text.good:,} of {text.total:,} are {share:.3f} %"
            yield make.error("accuracy-counts", what, "run the accuracy script again", source="checker")
    yield from _total(text, context, make)
    if context.closed:
        yield from _targets(text, context, make)


def _total(text: AccuracyText, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    benchmark = context.benchmark
    if benchmark is None or text.total is None:
        return
    expected = benchmark.samples.accuracy_in.get(context.entry.scenario or "", benchmark.samples.accuracy)
    if text.total < expected:  # some scripts count the parts of a sample
        what = f"counts {text.total:,} samples; the data set has {expected:,}"
        yield make.error("accuracy-samples", what, "score all samples", source="checker")


def _targets(text: AccuracyText, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    benchmark, scenario = context.benchmark, context.entry.scenario or ""
    if benchmark is None:
        return
    for score in benchmark.accuracy:
        if score.scenarios and scenario not in score.scenarios:
            continue
        values = scores(text.text, score.pattern)
        if not values and score.at_least is None:
            continue
        if not values:
            what = f"has no {score.metric} as the accuracy script prints it"
            yield make.error("accuracy-missing", what, "run the round's accuracy script", source="checker")
            continue
        for value, line in values:
            if score.at_least is not None and value < score.at_least:
                what = f"{score.metric} is {value:g}; the target is {score.at_least:g} or more"
                yield make.error("accuracy-target", what, line=line, source="checker")
            if score.at_most is not None and value > score.at_most:
                what = f"{score.metric} is {value:g}; the target is {score.at_most:g} or less"
                yield make.error("accuracy-target", what, line=line, source="checker")
        if len({value for value, _ in values}) > 1:
            what = f"gives {score.metric} {len(values)} times with different values"
            yield make.warning("accuracy-ambiguous", what, "publish one run's output", line=values[-1][1])


def log_size_findings(
    log: AccuracyLog, text: AccuracyText | None, trace: Trace | None, context: RunContext, make: FindingMaker
) -> Iterator[AuditFinding]:
    """The accuracy log itself, whole or cut, against the hash, the run and the limits."""
    limit = context.rules.limits.accuracy_log_bytes
    if log.size_bytes == 0:
        yield make.error("accuracy-log-empty", "is empty", "publish LoadGen's log, cut", source="checker")
        return
    if log.size_bytes > limit:
        what = f"holds {log.size_bytes:,} bytes, more than {limit:,}"
        yield make.error("accuracy-log-size", what, "run truncate_accuracy_log.py", source="checker")
    if not log.starts_as_list or (not log.ends_as_list and not log.cut):
        what = "is not LoadGen's list of responses"
        yield make.error("accuracy-log", what, "publish the log as LoadGen wrote it", source="loadgen")
    if log.cut:
        yield from _cut(log, context, make)
    else:
        yield from _whole(log, text, trace, context, make)


def _cut(log: AccuracyLog, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    if log.size_bytes != _CUT_BYTES:
        what = f"was cut to {log.size_bytes:,} bytes; the script leaves {_CUT_BYTES:,}"
        yield make.warning("accuracy-log-cut", what, "cut it with truncate_accuracy_log.py", source="checker")
    if not log.ends_as_list:
        what = "was cut, and its end is not that of LoadGen's list"
        yield make.warning("accuracy-log", what, "cut the log as LoadGen wrote it", source="checker")
    yield from _indices(log, context, make)


def _whole(
    log: AccuracyLog,
    text: AccuracyText | None,
    trace: Trace | None,
    context: RunContext,
    make: FindingMaker,
) -> Iterator[AuditFinding]:
    if text and text.hash and text.hash != log.sha256:
        what = "is whole, and its sha256 is not the hash in accuracy.txt"
        cure = "publish the log that accuracy.txt was made from"
        yield make.error("accuracy-hash", what, cure, source="checker")
    expected = trace.whole("effective_accuracy_sample_count") if trace else None
    expected = expected or (trace.whole("qsl_reported_total_count") if trace else None)
    if expected is not None and log.entry_count is not None and log.entry_count != expected:
        what = f"holds {log.entry_count:,} responses; the run had {expected:,} samples"
        yield make.error("accuracy-log-count", what, "run all samples", source="inference_rules")
    if log.repeated_sequence:
        yield make.error("accuracy-log", "answers a sample twice", source="loadgen")
    yield from _indices(log, context, make)


def _indices(log: AccuracyLog, context: RunContext, make: FindingMaker) -> Iterator[AuditFinding]:
    benchmark = context.benchmark
    if benchmark is None or log.largest_index is None:
        return
    if log.largest_index >= max(benchmark.samples.dataset, benchmark.samples.accuracy):
        what = (
            f"names sample {log.largest_index:,}; {context.entry.benchmark} has {benchmark.samples.dataset:,}"
        )
        yield make.error("accuracy-log-index", what, source="checker")
