"""A stored run beside the new runs that an audit makes of it, in folders of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qutiperf import host
from qutiperf.audit.evidence import RESPONSES
from qutiperf.audit.stored_run import StoredRun, model_digests
from qutiperf.audit.verdict import AuditVerdict, Outcome
from qutiperf.results.store import Store
from qutiperf.run.plan import Group
from qutiperf.run.repeated import RunChange, changed_run, same_run
from qutiperf.spec.audits import AuditRule
from qutiperf.spec.scenario import Mode, ScenarioName

FOLDER, ANSWERS = "audit", "answers"


@dataclass(frozen=True, slots=True)
class NewRunCase:
    """One audit of one run; `accuracy` is its stored accuracy run, if there is one with answers."""

    rule: AuditRule
    run: StoredRun
    accuracy: StoredRun | None = None

    @property
    def folder(self) -> Path:
        """A results folder for the new runs, below that of the run."""
        return folder_of_case(self.run, self.rule.name)

    @property
    def answers_folder(self) -> Path:
        """The results folder of an accuracy run that the audits of the run share."""
        return folder_of_case(self.run, ANSWERS)

    @property
    def tries(self) -> int:
        return int(self.rule.limits["tries"])

    def made(self) -> list[StoredRun]:
        """The last new runs that did not fail, as many as there are tries, in the order of time."""
        runs = [run for run in _runs_in(self.folder) if run.record.failure is None]
        return runs[-self.tries :]

    def answers(self) -> Path | None:
        """LoadGen's log of the answers to all samples; None if there is none yet."""
        if self.accuracy is not None:
            return self.accuracy.folder / RESPONSES
        made = [run for run in _runs_in(self.answers_folder) if run.record.valid]
        return made[-1].folder / RESPONSES if made else None

    def verdict(self, outcome: Outcome, evidence: list[str], cure: str = "") -> AuditVerdict:
        return AuditVerdict(
            audit=self.rule.name,
            run_id=self.run.record.run_id,
            scenario=self.run.record.point.scenario,
            outcome=outcome,
            evidence=evidence,
            cure="" if outcome == "pass" else cure,
        )


@dataclass(frozen=True, slots=True)
class NextRun:
    """The next run of an audit, and the text of its audit.config."""

    group: Group
    audit_config: str | None = None


def _none(_: NewRunCase) -> None:
    return None


@dataclass(frozen=True, slots=True)
class NewRunAudit:
    """How an audit makes its runs and judges them.

    `next_run` raises InputError or SetupError for what cannot be run here. `judge` finds a slow or fast run
    inconclusive until the last try. `obstacle` says why it does not apply to a run. With `needs_answers` the
    answers to all samples must be known.
    """

    next_run: Callable[[NewRunCase], NextRun]
    judge: Callable[[NewRunCase], AuditVerdict]
    obstacle: Callable[[NewRunCase], str | None] = _none
    needs_answers: bool = False


def folder_of_case(run: StoredRun, name: str) -> Path:
    return run.results / FOLDER / name / run.folder.name


def _runs_in(folder: Path) -> list[StoredRun]:
    if not Store.is_one(folder):
        return []
    records = sorted(Store.open(folder).read().records, key=lambda record: record.started_utc)
    return [StoredRun(record, folder) for record in records]


def repeated(case: NewRunCase) -> Group:
    """The same run; in Server at the rate of the run, where its own was found by a probe."""
    record = case.run.record
    rate = record.loadgen.target_qps if record.loadgen else None
    if record.point.scenario is ScenarioName.SERVER and record.point.settings.target_qps is None:
        return changed_run(record, RunChange(target_qps=rate))
    return same_run(record)


def answer_run(case: NewRunCase) -> Group:
    """The accuracy run of the same system and model."""
    record = case.run.record
    server = record.point.scenario is ScenarioName.SERVER
    rate = record.loadgen.target_qps if record.loadgen and server else None
    return changed_run(record, RunChange(mode=Mode.ACCURACY, target_qps=rate))


def obstacle_of(run: StoredRun) -> str | None:
    """Why no new run of this one can be compared with it; None if nothing stands in the way."""
    record = run.record
    if record.failure is not None or record.loadgen is None:
        return "the run failed: there is nothing to compare with"
    if not record.valid:
        return "LoadGen calls the run INVALID: there is no result to compare with"
    if host.fingerprint(record.host) != host.fingerprint(host.facts()):
        return "it was measured on another machine"
    return None


def accuracy_with_answers(run: StoredRun, by_id: dict[str, StoredRun]) -> StoredRun | None:
    """The accuracy run that the record names, if it is of the same model and its answers are there."""
    accuracy = by_id.get(run.record.accuracy_run_id or "")
    if accuracy is None or not accuracy.record.valid:
        return None
    same = model_digests(accuracy.record) == model_digests(run.record)
    return accuracy if same and (accuracy.folder / RESPONSES).is_file() else None
