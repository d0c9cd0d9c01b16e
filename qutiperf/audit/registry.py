"""The audits that there are: each a file in audit/ and a function that judges."""

from collections.abc import Callable, Mapping

from qutiperf.audit import (
    consistency,
    environment,
    perturb,
    possible_figures,
    recompute,
    repeat,
    replay,
    test01,
    test04,
)
from qutiperf.audit.finished_runs import FinishedRuns
from qutiperf.audit.new_run import NewRunAudit
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.tested_run import TestedRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.spec.audits import AuditRule

Judge = Callable[[AuditRule, TestedRun], AuditVerdict]
# Of audits that repeat a run under an audit.config; others get a literal dict of their own.
COMPLIANCE: Mapping[str, Judge] = {"TEST01": test01.judge, "TEST04": test04.judge}
JudgeFinished = Callable[[AuditRule, StoredRun, FinishedRuns], AuditVerdict]
# Of audits that look at finished runs.
FINISHED: Mapping[str, JudgeFinished] = {
    "recompute": recompute.judge,
    "consistency": consistency.judge,
    "plausibility": possible_figures.judge,
    "environment": environment.judge,
}
# Of audits that measure a run again in their own way.
NEW_RUNS: Mapping[str, NewRunAudit] = {
    "repeat": NewRunAudit(repeat.next_run, repeat.judge),
    "replay": NewRunAudit(replay.next_run, replay.judge, needs_answers=True),
    "perturb": NewRunAudit(perturb.next_run, perturb.judge, perturb.obstacle, needs_answers=True),
}
