"""The audit `consistency`: runs that belong together agree, and no run excludes another."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from qutiperf import host
from qutiperf.audit.finished_runs import FinishedRuns, times_of, verdict
from qutiperf.audit.stored_run import StoredRun, model_digests
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.spec.audits import AuditRule

_CURE = "measure all runs of a result on one system, with the same files and versions"
_NOT_OF_THE_SYSTEM = ("qutiperf",)


def judge(rule: AuditRule, run: StoredRun, finished: FinishedRuns) -> AuditVerdict:
    """Against the accuracy run that the record names, and against all other runs of the folder."""
    clock_s = rule.limits["clock_s"]
    problems = [*_twice(run, finished), *_times(run, clock_s), *_overlap(run, finished, clock_s)]
    unknown = []
    named = run.record.accuracy_run_id
    accuracy = finished.by_id.get(named or "")
    if accuracy is not None:
        problems += _unlike(run, accuracy)
    elif named is not None:
        unknown.append(f"its accuracy run {named} is not here")
    return verdict(rule, run, problems, unknown, _CURE)


def _twice(run: StoredRun, finished: FinishedRuns) -> Iterator[str]:
    others = finished.same_log.get(run.folder, [])
    if others:
        yield f"its log is that of run {others[0].record.run_id} too"


def _times(run: StoredRun, clock_s: float) -> Iterator[str]:
    record, times = run.record, times_of(run)
    if times is None:
        yield f"it started at '{record.started_utc[:40]}', which is not a time"
        return
    if times[0] > datetime.now(UTC) + timedelta(seconds=clock_s):
        yield f"it started in the future, at {record.started_utc}"
    tested_s = record.loadgen.duration_s if record.loadgen else None
    if tested_s is not None and tested_s > record.elapsed_s + clock_s:
        yield f"LoadGen's test lasts {tested_s:,.1f} s, the whole run {record.elapsed_s:,.1f} s"


def _overlap(run: StoredRun, finished: FinishedRuns, clock_s: float) -> Iterator[str]:
    """Runs of one results folder are measured one after the other."""
    times = times_of(run)
    if times is None:
        return
    least = timedelta(seconds=clock_s)
    for start, end, other in finished.by_host[str(run.record.host.get("hostname"))]:
        if start >= times[1]:
            return  # so do all that follow
        shared = min(end, times[1]) - max(start, times[0])
        if shared > least and other.folder != run.folder and other.results == run.results:
            seconds = f"{shared.total_seconds():,.1f} s"
            yield f"run {other.record.run_id} was measured at the same time, for {seconds}"
            return


def _unlike(run: StoredRun, accuracy: StoredRun) -> Iterator[str]:
    """What differs between a run and the one that says how accurate it is."""
    mine, its = run.record, accuracy.record
    name = f"its accuracy run {its.run_id}"
    if host.fingerprint(mine.host) != host.fingerprint(its.host):
        yield f"{name} was measured on another machine"
    if mine.inputs.sut != its.inputs.sut or mine.point.load_parameters != its.point.load_parameters:
        yield f"{name} has other settings of the system"
    if model_digests(mine) != model_digests(its):
        yield f"{name} has another model"
    if mine.inputs.dataset != its.inputs.dataset:
        yield f"{name} has other data"
    for package in sorted({*mine.versions, *its.versions} - set(_NOT_OF_THE_SYSTEM)):
        one, other = mine.versions.get(package), its.versions.get(package)
        if one != other:
            yield f"{name} has {package} {other}, this run {one}"
    if mine.loadgen and its.loadgen and mine.loadgen.seeds != its.loadgen.seeds:
        yield f"{name} has LoadGen's seeds of another round"
