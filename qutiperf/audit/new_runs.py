"""Audits that make new runs: what they take, how they are measured, and their verdicts."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

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
from qutiperf.audit.registry import FINISHED, NEW_RUNS
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.errors import InputError, QutiperfError, SetupError
from qutiperf.regular_file import unreadable
from qutiperf.results.lock import locked
from qutiperf.results.store import Store
from qutiperf.run.sweep import Observer, PlannedSweep, measure_sweep
from qutiperf.spec.audits import load_audit
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sweep import Sweep

_LOAD_S = 2.0
_OTHER_RUN = "audit a run of another kind"
_MOST_BYTES = 1 << 20  # of a verdict
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
        return case.verdict("inconclusive", [problem], _OTHER_RUN)
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict of an audit, and whether a run that was made for it failed."""

    verdict: AuditVerdict
    run_failed: bool = False


def decide(case: NewRunCase, observer: Observer) -> Decision:
    """Measures until the audit is decided, or all tries are used; raises as `measure_sweep`.

    One process at a time makes runs for an audit in a results folder; SetupError if another one does.
    """
    place = case.folder.parent
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot be written to: {error.strerror}", where=str(place)) from None
    with locked(place):
        try:
            return _decided(case, observer)
        finally:
            shutil.rmtree(case.folder / MODEL_FOLDER, ignore_errors=True)


def _decided(case: NewRunCase, observer: Observer) -> Decision:
    verdict = verdict_of_case(case)
    for _ in range(case.tries):
        try:
            answers = NextRun(answer_run(case)) if _lacks_answers(case) else None
            upcoming = NEW_RUNS[case.rule.name].next_run(case)
        except QutiperfError as error:
            return Decision(case.verdict("inconclusive", [error.what], error.cure or _OTHER_RUN))
        reason = None if answers is None else _measure(case, answers, case.answers_folder, observer)
        reason = reason or _measure(case, upcoming, case.folder, observer)
        if reason is not None:
            cure = "`qutiperf explain` with the audit's folder says why"
            return Decision(case.verdict("inconclusive", [f"the new run failed: {reason}"], cure), True)
        verdict = verdict_of_case(case)
        if verdict.outcome != "inconclusive":
            break
    return Decision(verdict)


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
    path = _place(run, verdict.audit)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot be written to: {error.strerror}", where=str(path.parent)) from None
    _write(path, verdict.model_dump_json(indent=1) + "\n")


def kept_verdicts(run: StoredRun) -> list[AuditVerdict]:
    """The verdicts that were kept of a run, without those that cannot be read."""
    verdicts = []
    for name in (*FINISHED, *NEW_RUNS):
        path = _place(run, name)
        if unreadable(path, _MOST_BYTES) is None:
            with contextlib.suppress(ValidationError, OSError):
                verdicts.append(AuditVerdict.model_validate_json(path.read_bytes()))
    return [verdict for verdict in verdicts if verdict.run_id == run.record.run_id]


def _place(run: StoredRun, name: str) -> Path:
    folder = folder_of_case(run, name)
    return folder.with_name(f"{folder.name}{VERDICT}")


def _write(path: Path, text: str) -> None:
    staged = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise SetupError(f"cannot be written: {error.strerror}", where=str(path)) from None
