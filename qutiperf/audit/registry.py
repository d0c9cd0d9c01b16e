"""The audits that there are: each a file in audit/ and a function that judges."""

from collections.abc import Callable, Mapping

from qutiperf.audit import consistency, possible_figures, recompute, test01, test04
from qutiperf.audit.finished_runs import FinishedRuns
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
}
