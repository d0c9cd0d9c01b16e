"""TEST01: the answers of a timed run against those of the accuracy run, judged as MLPerf's scripts do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qutiperf.audit.evidence import RESPONSES
from qutiperf.audit.scores import FAIL, PASS, allowed_share, detail_score
from qutiperf.audit.tested_run import TestedRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.datasets.task import accuracy_entries
from qutiperf.errors import RunError
from qutiperf.spec.audits import AuditRule

_CURE = "find out why the system answers differently when it is timed, then measure again"
ACCURACY_TEXT, SCORE_TEXT = "verify_accuracy.txt", "verify_performance.txt"


@dataclass(slots=True)
class AnswerCounts:
    """What verify_accuracy.py prints, under its names."""

    num_acc_log_entries: int = 0
    num_acc_log_duplicate_keys: int = 0
    num_acc_log_data_mismatch: int = 0
    num_perf_log_entries: int = 0
    num_perf_log_qsl_idx_match: int = 0
    num_perf_log_data_mismatch: int = 0
    num_missing_qsl_idxs: int = 0

    @property
    def passed(self) -> bool:
        return self.num_perf_log_data_mismatch == 0 and self.num_perf_log_qsl_idx_match > 0

    def text(self) -> str:
        names = self.__dataclass_fields__
        lines = [f"{name} = {getattr(self, name)}" for name in names]
        head = [
            "Verifying accuracy. This might take a while...",
            *("Reading accuracy mode results...", "Reading performance mode results..."),
        ]
        return "\n".join([*head, *lines, PASS if self.passed else FAIL]) + "\n\n"


def count_answers(accuracy_log: Path, test_log: Path, dtype: str) -> AnswerCounts:
    """Compares the first element of each answer as `dtype`; raises RunError if a log is damaged."""
    counts, answers = AnswerCounts(), dict[int, bytes]()
    for index, data in accuracy_entries(accuracy_log):
        counts.num_acc_log_entries += 1
        if index in answers:
            counts.num_acc_log_duplicate_keys += 1
            counts.num_acc_log_data_mismatch += answers[index] != data
        else:
            answers[index] = data
    for index, data in accuracy_entries(test_log):
        counts.num_perf_log_entries += 1
        if index in answers:
            counts.num_perf_log_qsl_idx_match += 1
            counts.num_perf_log_data_mismatch += _differ(answers[index], data, dtype, test_log)
        else:
            counts.num_missing_qsl_idxs += 1
        answers[index] = data  # as the script does: a later answer is compared with this one
    return counts


def _differ(before: bytes, now: bytes, dtype: str, log: Path) -> bool:
    try:
        first, second = np.frombuffer(before, dtype), np.frombuffer(now, dtype)
    except ValueError:
        what = f"an answer of {len(now)} bytes is not made of {dtype}"
        raise RunError(what, where=str(log)) from None
    if first.size == 0 or second.size == 0:
        return first.size != second.size
    return bool(first[0] != second[0])


def judge(rule: AuditRule, run: TestedRun) -> AuditVerdict:
    """Inconclusive if a log is missing or damaged."""
    if run.accuracy is None:
        return _inconclusive(rule, run, "there is no accuracy run to compare with")
    try:
        counts = count_answers(run.accuracy / RESPONSES, run.test / RESPONSES, run.response_dtype)
        text, problem = _score(rule, run)
    except RunError as error:
        return _inconclusive(rule, run, error.what)
    except OSError as error:
        return _inconclusive(rule, run, f"a log cannot be read: {error.strerror}")
    passed = counts.passed and problem is None
    answers = f"{counts.num_perf_log_data_mismatch:,} of {counts.num_perf_log_qsl_idx_match:,} answers differ"
    return AuditVerdict(
        audit=rule.name,
        run_id=run.run_id,
        scenario=run.scenario,
        outcome="pass" if passed else "fail",
        evidence=[f"{answers}, compared as {run.response_dtype}", problem or "the scores agree"],
        cure="" if passed else _CURE,
        texts={ACCURACY_TEXT: counts.text(), SCORE_TEXT: text},
    )


def _inconclusive(rule: AuditRule, run: TestedRun, reason: str) -> AuditVerdict:
    return AuditVerdict(
        audit=rule.name,
        run_id=run.run_id,
        scenario=run.scenario,
        outcome="inconclusive",
        evidence=[reason],
        cure="run the accuracy run and the test again",
    )


def _score(rule: AuditRule, run: TestedRun) -> tuple[str, str | None]:
    """verify_performance.txt, and what is wrong; raises OSError."""
    reference = detail_score(run.performance_trace(), "the performance run")
    test_trace = run.test_trace()
    test = detail_score(test_trace, rule.name)
    problem = reference.problem or test.problem
    if problem is None and reference.scenario != test.scenario:
        problem = "Test and reference scenarios do not match!"
    if problem is None and reference.scenario == "Server":
        key = "effective_target_latency_ns"
        if run.performance_trace().values.get(key) != test_trace.values.get(key):
            problem = "Server target latency mismatch"
    head = "Verifying performance.\n"
    if problem is not None or reference.value is None or test.value is None or rule.score is None:
        return f"{head}{FAIL}: {problem}\n", problem or "there is no score"
    head += f"Reference score = {reference.value}\nTest score = {test.value}\n"
    share = allowed_share(rule.score, reference)
    if reference.value * (1 - share) <= test.value <= reference.value * (1 + share):
        return f"{head}{PASS}\n", None
    apart = 100 * (test.value / reference.value - 1)
    problem = f"the test's score is {apart:+.1f} % of the run's; at most {100 * share:g} % either way"
    return f"{head}{FAIL}: Test score invalid\n", problem
