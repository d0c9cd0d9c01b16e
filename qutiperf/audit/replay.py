"""The audit `replay`: other seeds, and samples that LoadGen did not give the system before."""

import secrets

from qutiperf.audit.answers import compare_answers, same_answer
from qutiperf.audit.evidence import RESPONSES
from qutiperf.audit.new_run import NewRunCase, NextRun
from qutiperf.audit.repeat import CURES
from qutiperf.audit.speed import compare_speed
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.datasets.tasks import task_for
from qutiperf.errors import RunError
from qutiperf.harness.fresh_samples import fresh_samples
from qutiperf.run.repeated import RunChange, changed_run
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import ScenarioName

_SEED_BITS = 62  # LoadGen's seeds are 64 bits, a record's numbers signed ones
_CURE = "look for answers that are kept, or computed before they are asked for"


def next_run(case: NewRunCase) -> NextRun:
    """Seeds that nobody can know before the run, and half of the samples."""
    record = case.run.record
    seeds = Seeds(
        qsl_rng_seed=secrets.randbits(_SEED_BITS),
        sample_index_rng_seed=secrets.randbits(_SEED_BITS),
        schedule_rng_seed=secrets.randbits(_SEED_BITS),
    )
    total, used = _samples_of(case.run)
    server = record.point.scenario is ScenarioName.SERVER
    rate = record.loadgen.target_qps if record.loadgen and server else None
    change = RunChange(target_qps=rate, seeds=seeds, fresh_after=used)
    config = case.rule.config("", record.point.scenario)
    config += f"*.*.performance_sample_count_override = {_half(total, used)}\n"
    return NextRun(changed_run(record, change), config)


def _samples_of(run: StoredRun) -> tuple[int, int]:
    """Samples of the dataset, and how many of them LoadGen used in the run."""
    loadgen = run.record.loadgen
    count = run.record.inputs.dataset.get("count")
    total = int(count) if isinstance(count, int) else 0
    used = int(loadgen.effective_number("performance_sample_count")) if loadgen else 0
    return max(total, 1), max(used, 1)


def _half(total: int, used: int) -> int:
    return max(min(used, total // 2), 1)


def judge(case: NewRunCase) -> AuditVerdict:
    new = case.made()
    reference = case.answers()
    if not new or reference is None:
        what = "it has not been measured with other seeds" if not new else "there is no accuracy run"
        return case.verdict("inconclusive", [what], "run `qutiperf audit`")
    total, used = _samples_of(case.run)
    task = task_for(case.run.record.inputs.workload)
    seeds = new[-1].record.loadgen.seeds if new[-1].record.loadgen else None
    if seeds is None:
        return case.verdict("inconclusive", ["the log of the new run has no seeds"], "audit again")
    numbers = fresh_samples(total, used, seeds.qsl_rng_seed)
    try:
        counts = compare_answers(
            reference,
            new[-1].folder / RESPONSES,
            lambda number: int(numbers[number]),
            lambda data: data,
            same_answer(task),
        )
    except (RunError, IndexError, ValueError) as error:
        return case.verdict("inconclusive", [f"the answers cannot be compared: {error}"], "audit again")
    line = f"{counts.different:,} of {counts.compared:,} answers to {counts.samples:,} samples differ"
    if total <= used:
        line += ", all of which the run had too"
    if counts.different_percent > case.rule.limits["different_percent"]:
        return case.verdict("fail", [line], _CURE)
    speed = compare_speed(case.run, new, case.rule.limits, last=len(new) >= case.tries)
    evidence = [text for text in (line, speed.line, speed.noise) if text]
    if counts.compared == 0 or not task.judged:
        evidence[0] = (
            "no answers to compare: the task has none" if counts.compared else "no answers were kept"
        )
        if speed.outcome == "pass":
            return case.verdict("inconclusive", evidence, "give the workload a task with answers")
    cure = _CURE if speed.outcome == "fail" else CURES.get(speed.outcome, "")
    return case.verdict(speed.outcome, evidence, cure)
