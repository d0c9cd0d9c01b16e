"""Explains records: failures, LoadGen's result, the prediction, and how the worker ended."""

import re
from collections import Counter
from pathlib import Path

from qutiperf.explain.context import context_of
from qutiperf.explain.explained import Explained
from qutiperf.explain.finding import Finding
from qutiperf.explain.labels import suspect_accuracy
from qutiperf.explain.log_tail import telling_lines
from qutiperf.explain.sustained import sustained
from qutiperf.explain.verdict import explain
from qutiperf.explain.wording import rounded_up
from qutiperf.results.derived import excess
from qutiperf.results.record import Failure, RunRecord
from qutiperf.results.store import read_record

_KINDS = {
    "error": "error",
    "time_limit": "time limit",
    "crash": "crash",
    "memory": "more memory than its limit",
    "condition": "a condition did not hold",
}
_STAGES = {
    "load": "while the model was loaded",
    "before": "before the run",
    "run": "during the run",
    "close": "in close()",
    "job": "of the job that measured it",
}
_LIMIT = re.compile(r"time limit of ([0-9.e+]+) s; settings\.time_limit_s")


def explain_run_folder(folder: Path, round_name: str | None = None) -> Explained:
    """Explains a folder with a record.json; raises InputError if that is damaged."""
    return explain_record(read_record(folder), folder, round_name)


def explain_record(record: RunRecord, folder: Path | None = None, round_name: str | None = None) -> Explained:
    """`folder` is the folder of the record and of its environment.csv."""
    return Explained(_name(record), record.run_id, _findings(record, folder, round_name))


def _name(record: RunRecord) -> str:
    point = record.point
    settings = " ".join(f"{name} {value}" for name, value in point.deployment.items() if value != "default")
    accuracy = "" if point.mode.value == "PerformanceOnly" else " accuracy"
    return f"{record.run_id} {point.sut} {point.workload} {point.scenario.value}{accuracy} {settings}".strip()


def _findings(record: RunRecord, folder: Path | None, round_name: str | None) -> list[Finding]:
    if record.failure is not None:
        return [_failed(record, record.failure), *_after_run(record)]
    if record.loadgen is None:
        return [Finding("failed", "no result", "the record has neither a result nor a failure")]
    verdict = explain(record.loadgen, context_of(record, folder, round_name))
    suspicions = suspect_accuracy(record)
    return [
        *verdict,
        *suspicions,
        *sustained(record),
        *_after_run(record),
        *_prediction(record),
        *_clock(record),
        *_power(record),
    ]


def _failed(record: RunRecord, failure: Failure) -> Finding:
    rule = f"{_KINDS[failure.kind]} {_STAGES[failure.stage]}"
    if failure.stage == "job":
        return _of_job(failure, rule)
    if failure.kind == "time_limit":
        return _time_limit(failure, rule, record.elapsed_s)
    if failure.kind == "condition":
        cure = "cool, free or charge the machine, or change `before`, and run the same command again"
        return Finding("failed", rule, failure.reason, cure=cure)
    if failure.kind == "memory":
        cure = "take a smaller batch or fewer streams, or raise the limit; then run the same command again"
        return Finding("failed", rule, failure.reason, cure=cure)
    if failure.setup_missing:
        cure = "install or connect what is missing (see `qutiperf doctor`), then run the same command again"
        return Finding("failed", rule, failure.reason, cure=cure)
    return Finding("failed", rule, failure.reason, because=_log(failure))


def _of_job(failure: Failure, rule: str) -> Finding:
    again = "run the same command again"
    cures = {
        "time_limit": f"raise the time limit in the executor's options, then {again}",
        "memory": f"take a smaller batch or fewer streams, or nodes with more memory, then {again}",
    }
    return Finding("failed", rule, failure.reason, _log(failure), cures.get(failure.kind, again))


def _log(failure: Failure, *, trouble_only: bool = False) -> str:
    lines = telling_lines(failure.log_tail, trouble_only=trouble_only)
    whose = "job" if failure.stage == "job" else "worker"
    return f"the {whose}'s log ends with: {' | '.join(lines)}" if lines else ""


def _time_limit(failure: Failure, rule: str, elapsed_s: float) -> Finding:
    """Cites only log lines that name a failure, because others are from before the wait."""
    because = _log(failure, trouble_only=True) or "the run is slower than estimated, or the adapter hangs"
    limit = _LIMIT.search(failure.reason)
    if limit is None:
        return Finding("failed", rule, failure.reason, because)
    value = rounded_up(2 * max(float(limit[1]), elapsed_s))
    if not value:
        return Finding("failed", rule, failure.reason, because)
    return Finding("failed", rule, failure.reason, because, setting="settings.time_limit_s", value=value)


def _after_run(record: RunRecord) -> list[Finding]:
    """Problems after the measurement, which do not affect the figures."""
    findings = []
    if record.close_failure is not None:
        because = _log(record.close_failure, trouble_only=record.close_failure.kind == "time_limit")
        cure = "fix the adapter's close(); `qutiperf adapter test` checks it. The figures are not affected"
        findings.append(Finding("after_run", "close() failed", record.close_failure.reason, because, cure))
    if record.left_running:
        commands = Counter(record.left_running).items()
        names = ", ".join(
            f"'{name}'" + (f" ({count} times)" if count > 1 else "") for name, count in commands
        )
        because = "the adapter started these processes and did not stop them"
        cure = "stop them in the adapter's close()"
        what = f"still running after close(), and killed: {names}"
        findings.append(Finding("after_run", "processes left running", what, because, cure))
    return findings


def _prediction(record: RunRecord) -> list[Finding]:
    beaten = excess(record)
    if beaten is None:
        return []
    return [Finding("note", "above the prediction", beaten.what, beaten.because, beaten.cure)]


def _power(record: RunRecord) -> list[Finding]:
    """A meter that was read, but whose readings do not give the power of the run."""
    if record.power is None or record.power.valid:
        return []
    cure = "see docs/power.md for each reason; then delete the run's folder and run the same command again"
    because = "so its power figures are empty"
    return [Finding("note", "power not valid", "; ".join(record.power.reasons), because, cure)]


def _clock(record: RunRecord) -> list[Finding]:
    count = record.observed.impossible_clocks if record.observed else 0
    if not count:
        return []
    what = f"the device's time of {count:,} batches was zero, or longer than the adapter's call"
    because = "such a time cannot be true, so the time of the calls counts as compute in the whole run"
    cure = "fix the compute time that the adapter's infer() returns; `qutiperf adapter test` checks it"
    return [Finding("note", "impossible device clock", what, because, cure)]
