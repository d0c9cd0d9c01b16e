"""Audits that make new runs: what they take, how they are measured, and their verdicts."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from qutiperf.audit.finished_runs import FinishedRuns
from qutiperf.audit.new_run import (
    NewRunCase,
    NextRun,
    accuracy_with_answers,
    answer_run,
    folder_of_case,
    obstacle_of,
)
from qutiperf.audit.perturb import MODEL_FOLDER
from qutiperf.audit.registry import NEW_RUNS
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.errors import InputError, QutiperfError, SetupError
from qutiperf.results.store import Store
from qutiperf.run.sweep import Observer, PlannedSweep, measure_sweep
from qutiperf.spec.audits import load_audit
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sweep import Sweep

_LOAD_S = 2.0
_CONFIG, VERDICT = "audit.config", ".verdict.json"


def new_run_cases(finished: FinishedRuns, names: Iterable[str]) -> list[NewRunCase]:
    """The audits of every performance run."""
    return [
        NewRunCase(load_audit(name), run, accuracy_with_answers(run, finished.by_id))
        for name in names
        for run in finished.runs
        if run.record.point.mode is Mode.PERFORMANCE
    ]


def verdict_of_case(case: NewRunCase) -> AuditVerdict:
    """From what has been measured so far."""
    if (problem := obstacle_of(case.run)) is not None:
        return case.verdict("inconclusive", [problem], "measure it here, and audit that run")
    if (problem := NEW_RUNS[case.rule.name].obstacle(case)) is not None:
        return case.verdict("inconclusive", [problem], "audit a run of another kind")
    try:
        return NEW_RUNS[case.rule.name].judge(case)
    except InputError as error:
        return case.verdict("inconclusive", [str(error)], "delete the audit's folder, and audit again")


def undecided(cases: Iterable[NewRunCase]) -> list[NewRunCase]:
    """Those that another run may decide."""
    return [
        case
        for case in cases
        if obstacle_of(case.run) is None
        and NEW_RUNS[case.rule.name].obstacle(case) is None
        and verdict_of_case(case).outcome == "inconclusive"
    ]


def minutes_of_cases(cases: Sequence[NewRunCase]) -> tuple[float, float]:
    """Minutes that the audits take at least, and if every try is needed."""
    least = sum(_seconds(case.run) for case in cases)
    most = sum(case.tries * _seconds(case.run) for case in cases)
    lacking = {case.answers_folder: case for case in cases if _lacks_answers(case)}
    answers_s = sum(_seconds(case.run) for case in lacking.values())
    return (least + answers_s) / 60, (most + answers_s) / 60


def _seconds(run: StoredRun) -> float:
    return run.record.elapsed_s + _LOAD_S


def _lacks_answers(case: NewRunCase) -> bool:
    return NEW_RUNS[case.rule.name].needs_answers and case.answers() is None


def decide(case: NewRunCase, observer: Observer) -> AuditVerdict:
    """Measures until the audit is decided, or all tries are used; raises as `measure_sweep`."""
    audit = NEW_RUNS[case.rule.name]
    verdict = verdict_of_case(case)
    try:
        for _ in range(case.tries):
            try:
                if _lacks_answers(case):
                    _measure(case, NextRun(answer_run(case)), case.answers_folder, observer)
                upcoming = audit.next_run(case)
            except QutiperfError as error:
                return case.verdict("inconclusive", [error.what], error.cure or "audit a run of another kind")
            if (reason := _measure(case, upcoming, case.folder, observer)) is not None:
                cure = "`qutiperf explain` with the audit's folder says why"
                return case.verdict("inconclusive", [f"the new run failed: {reason}"], cure)
            verdict = verdict_of_case(case)
            if verdict.outcome != "inconclusive":
                break
    finally:
        shutil.rmtree(case.folder / MODEL_FOLDER, ignore_errors=True)
    return verdict


def _measure(case: NewRunCase, upcoming: NextRun, folder: Path, observer: Observer) -> str | None:
    """Why the run failed, None if it did not."""
    point = case.run.record.point
    sweep = Sweep(
        name=f"{case.rule.name} of {point.workload}"[:100].replace("/", "-"),
        suts=[point.sut],
        workloads=[point.workload],
        scenarios=[point.scenario],
    )
    planned = PlannedSweep(sweep, [upcoming.group], dict(case.run.record.host))
    config = None
    if upcoming.audit_config is not None:
        Store.create(folder)
        config = folder / _CONFIG
        _write(config, upcoming.audit_config)
    records = measure_sweep(planned, folder, observer, audit_config=config, again=True)
    failures = [record.failure.reason for record in records if record.failure is not None]
    return failures[0] if failures else None


def keep_verdict(run: StoredRun, verdict: AuditVerdict) -> None:
    """Writes the verdict below the run's results folder, where audits have theirs; raises SetupError."""
    place = folder_of_case(run, verdict.audit)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot be written to: {error.strerror}", where=str(place.parent)) from None
    _write(place.with_name(f"{place.name}{VERDICT}"), verdict.model_dump_json(indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    staged = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise SetupError(f"cannot be written: {error.strerror}", where=str(path)) from None
