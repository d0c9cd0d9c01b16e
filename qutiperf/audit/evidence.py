"""One view of a run: LoadGen's logs as they are, wherever they lie, in a tree or beside a record of ours."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.log_checks import log_findings, summary_findings
from qutiperf.mlperf_logs.summary_values import SummaryValues, read_summary_values
from qutiperf.mlperf_logs.trace import Trace, read_trace
from qutiperf.results.record import RunRecord
from qutiperf.results.store import read_record
from qutiperf.units import NANOSECONDS_PER_MILLISECOND

DETAIL, SUMMARY, RESPONSES = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
_EXACT = 1e-6


@dataclass(slots=True)
class RunEvidence:
    """`shown` is the folder as findings name it; a log that is absent or has no values is None.

    `unreadable` maps a file's name to why it cannot be read. `record` is there for a run of ours.
    """

    shown: str
    trace: Trace | None = None
    summary: SummaryValues | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    record: RunRecord | None = None

    def maker(self, name: str, sources: dict[str, str]) -> FindingMaker:
        return FindingMaker(f"{self.shown}/{name}", sources)

    def findings(self, sources: dict[str, str]) -> Iterator[AuditFinding]:
        """What the run's own files say against each other, by no round's rules."""
        for name, reason in self.unreadable.items():
            yield self.maker(name, sources).error("file-unreadable", f"cannot be read: {reason}")
        if self.trace is None:
            return
        yield from log_findings(self.trace, self.maker(DETAIL, sources))
        if self.summary is not None and self.trace.values:
            yield from summary_findings(self.summary, self.trace, self.maker(SUMMARY, sources))
        if self.record is not None:
            yield from _record_findings(self.record, self.trace, self.maker("record.json", sources))


def evidence_in(folder: Path, shown: str, names: frozenset[str]) -> RunEvidence:
    """Reads those of the logs that are in `names`, the files that `folder` holds; never raises for them."""
    evidence = RunEvidence(shown)
    if DETAIL in names:
        try:
            evidence.trace = read_trace(folder / DETAIL)
        except OSError as error:
            evidence.unreadable[DETAIL] = error.strerror or "unknown"
    if SUMMARY in names:
        try:
            evidence.summary = read_summary_values(folder / SUMMARY)
        except OSError as error:
            evidence.unreadable[SUMMARY] = error.strerror or "unknown"
    return evidence


def evidence_of_record(run_folder: Path) -> RunEvidence:
    """A run of a results folder with its record; raises InputError if the record is damaged."""
    record = read_record(run_folder)
    names = frozenset(path.name for path in run_folder.iterdir() if path.is_file() and not path.is_symlink())
    evidence = evidence_in(run_folder, run_folder.name, names)
    evidence.record = record
    return evidence


def _record_findings(record: RunRecord, trace: Trace, make: FindingMaker) -> Iterator[AuditFinding]:
    """A record's figures against the log that they were taken from."""
    if record.loadgen is None:
        return
    verdict = trace.text("result_validity")
    if verdict != record.loadgen.validity:
        what = f"has {record.loadgen.validity}, the log {verdict}"
        yield make.error("record-differs", what, "records are never edited; measure again")
    for percentile, number in (("p50", "50.00"), ("p90", "90.00"), ("p99", "99.00")):
        kept = getattr(record.figures, f"system_latency_{percentile}_ms", None)
        per_query = trace.number(f"result_{number}_percentile_per_query_latency_ns")
        logged = per_query or trace.number(f"result_{number}_percentile_latency_ns")
        if kept is None or not logged:
            continue
        if abs(kept * NANOSECONDS_PER_MILLISECOND / logged - 1) > _EXACT:
            what = f"system_latency_{percentile}_ms is {kept:g}, the log has {logged:,.0f} ns"
            yield make.error("record-differs", what, "records are never edited; measure again")
