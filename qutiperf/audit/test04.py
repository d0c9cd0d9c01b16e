"""TEST04: a run over one sample against the run over all, judged as MLPerf's script does."""

from qutiperf.audit.evidence import SUMMARY
from qutiperf.audit.scores import FAIL, PASS, TestScore, allowed_share, summary_score
from qutiperf.audit.test01 import SCORE_TEXT
from qutiperf.audit.tested_run import TestedRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.spec.audits import AuditRule

_CURE = "turn off what keeps answers between queries, then measure again"


def judge(rule: AuditRule, run: TestedRun) -> AuditVerdict:
    """Inconclusive if a log cannot be read. Only a faster test fails, as in MLPerf."""
    try:
        reference = summary_score(run.performance / SUMMARY, "Reference")
        test = summary_score(run.test / SUMMARY, "Test")
    except OSError as error:
        return AuditVerdict(
            audit=rule.name,
            run_id=run.run_id,
            scenario=run.scenario,
            outcome="inconclusive",
            evidence=[f"a log cannot be read: {error.strerror}"],
            cure="run the test again",
        )
    text, problem = _compared(rule, reference, test)
    return AuditVerdict(
        audit=rule.name,
        run_id=run.run_id,
        scenario=run.scenario,
        outcome="fail" if problem else "pass",
        evidence=[problem or _agreement(reference, test)],
        cure=_CURE if problem else "",
        texts={SCORE_TEXT: text},
    )


def _compared(rule: AuditRule, reference: TestScore, test: TestScore) -> tuple[str, str | None]:
    """verify_performance.txt, and what is wrong.

    The script means its bound for fast systems in nanoseconds and compares it with queries per second, so
    SingleStream and MultiStream nearly always have the larger tolerance; this keeps to the script.
    """
    head = "Verifying performance.\n"
    if problem := reference.problem or test.problem:
        return f"{head}{FAIL}: {problem}\n", problem
    if reference.scenario != test.scenario:
        problem = "Test and reference scenarios do not match!"
        return f"{head}{problem}\n", problem
    first, second = reference.value or 0.0, test.value or 0.0
    head += f"reference score = {first}\ntest score = {second}\n"
    share = allowed_share(rule.score, reference) if rule.score else 0.0
    if second < first * (1 + share):
        return f"{head}{PASS}\n", None
    if not first:
        return f"{head}{FAIL}: Test score invalid\n", "the performance run's summary has no score"
    problem = f"the test is {100 * (second / first - 1):.1f} % faster than the run; at most {100 * share:g} %"
    return f"{head}{FAIL}: Test score invalid\n", problem


def _agreement(reference: TestScore, test: TestScore) -> str:
    return f"{test.value or 0:.6g} per second over one sample, {reference.value or 0:.6g} over all"
