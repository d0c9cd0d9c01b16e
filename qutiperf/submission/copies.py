"""One run's log under several names: lawful within a system's accuracy classes and inferred scenarios."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.spec.round_rules import RoundRules
from qutiperf.submission.entry_check import EntryResult, LogPrint

_Place = tuple[EntryResult, LogPrint]
_CURE = "each result needs a run of its own"


def copy_findings(results: Sequence[EntryResult], rules: RoundRules) -> Iterator[AuditFinding]:
    """Logs that stand where another run should, and logs of one run whose texts differ."""
    by_run: dict[object, list[_Place]] = defaultdict(list)
    for result in results:
        for each in result.prints:
            by_run[each.identity or each.sha256].append((result, each))
    for places in by_run.values():
        if len(places) > 1:
            yield from _edited(places, rules)
            yield from _copied(places, rules)


def _edited(places: list[_Place], rules: RoundRules) -> Iterator[AuditFinding]:
    first = places[0][1]
    for result, each in places[1:]:
        if each.sha256 != first.sha256:
            copied, original = _which(places[0][0], first, result, each)
            what = f"is the run of {original.path} by its time and process, and its text differs"
            make = FindingMaker(copied.path, rules.sources)
            yield make.error(
                "edited-copy", what, "publish the log as LoadGen wrote it", source="inference_rules"
            )
            return


def _copied(places: list[_Place], rules: RoundRules) -> Iterator[AuditFinding]:
    """At most one finding for each place: against the first place that it may not share a log with."""
    for number, (result, each) in enumerate(places):
        for other, earlier in places[:number]:
            reason = _unlawful(other, earlier, result, each, rules)
            if reason:
                copied, original = _which(other, earlier, result, each)
                what = f"is the log of {original.path}, {reason}"
                make = FindingMaker(copied.path, rules.sources)
                severity = make.warning if _one_open_machine(other, result) else make.error
                yield severity("copied-log", what, _CURE, source="inference_rules")
                break


def _one_open_machine(first: EntryResult, second: EntryResult) -> bool:
    """One run twice in the open division, under two names of the same hardware: no result is wrong."""
    one, two = first.context, second.context
    same = one.hardware == two.hardware and one.entry.benchmark_folder == two.entry.benchmark_folder
    named_twice = one.entry.system != two.entry.system
    return (
        same
        and named_twice
        and not one.closed
        and not two.closed
        and one.entry.submitter == two.entry.submitter
    )


def _which(
    first: EntryResult, earlier: LogPrint, second: EntryResult, later: LogPrint
) -> tuple[LogPrint, LogPrint]:
    """The copy and the original: the one with errors of its own is the copy, else the later path."""
    suspect = any(each.severity == "error" and each.path == earlier.path for each in first.findings)
    innocent = not any(each.severity == "error" and each.path == later.path for each in second.findings)
    return (earlier, later) if suspect and innocent else (later, earlier)


def _unlawful(
    first: EntryResult, earlier: LogPrint, second: EntryResult, later: LogPrint, rules: RoundRules
) -> str | None:
    one, two = first.context.entry, second.context.entry
    if one.system != two.system or one.submitter.name != two.submitter.name:
        return "of another system"
    if not _same_family(one.benchmark, two.benchmark, rules):
        return "of another benchmark"
    if _kind(earlier.role) != _kind(later.role):
        return f"which is a {earlier.role} run"
    return None


def _kind(role: str) -> str:
    return "a compliance test" if role.startswith("TEST") else role


def _same_family(one: str | None, two: str | None, rules: RoundRules) -> bool:
    if one == two:
        return True
    for name, other in ((one, two), (two, one)):
        rule = rules.benchmarks.get(name or "")
        if rule is not None and other in rule.shares_logs_with:
            return True
    return False
