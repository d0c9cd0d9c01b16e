"""The audits that there are: each a file in audit/ and a function that judges."""

from collections.abc import Callable, Mapping

from qutiperf.audit import test01, test04
from qutiperf.audit.tested_run import TestedRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.spec.audits import AuditRule

Judge = Callable[[AuditRule, TestedRun], AuditVerdict]
# Of audits that repeat a run under an audit.config; others get a literal dict of their own.
COMPLIANCE: Mapping[str, Judge] = {"TEST01": test01.judge, "TEST04": test04.judge}
