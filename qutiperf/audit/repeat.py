"""The audit `repeat`: the same point again, within the 2 % of MLPerf's audits beside the noise."""

from qutiperf.audit.new_run import NewRunCase, NextRun, repeated
from qutiperf.audit.speed import compare_speed
from qutiperf.audit.verdict import AuditVerdict

CURES = {
    "fail": "find out what was different: clocks, settings, other versions, answers that were kept",
    "inconclusive": "measure longer, on a quiet machine, and audit again",
}


def next_run(case: NewRunCase) -> NextRun:
    return NextRun(repeated(case))


def judge(case: NewRunCase) -> AuditVerdict:
    new = case.made()
    if not new:
        return case.verdict("inconclusive", ["it has not been measured again"], "run `qutiperf audit`")
    speed = compare_speed(case.run, new, case.rule.limits, last=len(new) >= case.tries)
    evidence = [line for line in (speed.line, speed.noise) if line]
    return case.verdict(speed.outcome, evidence, CURES.get(speed.outcome, ""))
