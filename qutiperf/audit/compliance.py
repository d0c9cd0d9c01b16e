"""The compliance tests of stored submission runs: their own runs, in their own folders, and the verdicts."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qutiperf.audit.registry import COMPLIANCE
from qutiperf.audit.stored_run import StoredRun, accuracy_run_of, is_submission, seeds_problem
from qutiperf.audit.tested_run import TestedRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.datasets.tasks import task_for
from qutiperf.errors import SetupError
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store, latest
from qutiperf.run.repeated import same_run
from qutiperf.run.sweep import Observer, PlannedSweep, measure_sweep
from qutiperf.spec.audits import AuditRule, load_audit
from qutiperf.spec.round_rules import RoundRules
from qutiperf.spec.rounds import Round
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sweep import Sweep

_FOLDER = "audit"


@dataclass(frozen=True, slots=True)
class ComplianceTest:
    """One test of one performance run; `made` is the test's own run, None if there is none that counts."""

    rule: AuditRule
    run: StoredRun
    benchmark: str
    made: StoredRun | None
    problem: str | None = None

    @property
    def folder(self) -> Path:
        """A results folder for the test's own runs, below that of the run."""
        return folder_of_test(self.run.results, self.rule.name)


def folder_of_test(results: Path, name: str) -> Path:
    return results / _FOLDER / name


def benchmark_of(record: RunRecord, rules: RoundRules) -> str | None:
    """The round's benchmark that a record's workload is mapped to."""
    name = record.inputs.workload.mlperf_benchmark
    return rules.benchmark_of(name) if name else None


def compliance_tests(
    runs: Iterable[StoredRun], mlperf_round: Round, rules: RoundRules, only: Sequence[str] = ()
) -> list[ComplianceTest]:
    """The tests that the round has for these performance runs, and that are known here."""
    tests = []
    for run in runs:
        benchmark = benchmark_of(run.record, rules)
        if benchmark is None or not is_submission(run, Mode.PERFORMANCE):
            continue
        for name in rules.benchmarks[benchmark].tests:
            if name in COMPLIANCE and (not only or name in only):
                tests.append(compliance_test(run, name, benchmark, mlperf_round))
    return tests


def compliance_test(run: StoredRun, name: str, benchmark: str, mlperf_round: Round) -> ComplianceTest:
    """The test with its last run of the round, if there is one."""
    made, problem = _made(run, name, mlperf_round)
    return ComplianceTest(load_audit(name), run, benchmark, made, problem)


def _made(run: StoredRun, name: str, mlperf_round: Round) -> tuple[StoredRun | None, str | None]:
    folder = folder_of_test(run.results, name)
    if not Store.is_one(folder):
        return None, None
    records = [record for record in Store.open(folder).read().records if record.run_id == run.record.run_id]
    for record in latest([each for each in records if each.loadgen is not None]):
        made = StoredRun(record, folder)
        problem = seeds_problem(record, mlperf_round)
        return (None, problem) if problem else (made, None)
    return None, None


def run_tests(tests: Sequence[ComplianceTest], observer: Observer, round_name: str) -> None:
    """Measures the tests that have no run, one results folder after the other; raises as `measure_sweep`."""
    for test in tests:
        point = test.run.record.point
        sweep = Sweep(
            name=f"{test.rule.name} of {point.workload}"[:100].replace("/", "-"),
            suts=[point.sut],
            workloads=[point.workload],
            scenarios=[point.scenario],
        )
        group = same_run(test.run.record)
        planned = PlannedSweep(sweep, [group], dict(test.run.record.host))
        config = _write_config(test)
        measure_sweep(planned, test.folder, observer, audit_config=config, round_name=round_name)


def _write_config(test: ComplianceTest) -> Path:
    """audit.config beside the test's runs, under a name of its own; raises SetupError."""
    Store.create(test.folder)
    path = test.folder / f"{test.run.record.run_id}.audit.config"
    text = test.rule.config(test.benchmark, test.run.record.point.scenario)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=str(path)) from None
    return path


def verdict_of(test: ComplianceTest, runs: Sequence[StoredRun]) -> AuditVerdict:
    """Judges a test from the logs; `runs` have the accuracy run of the same system."""
    if test.made is None:
        return AuditVerdict(
            audit=test.rule.name,
            run_id=test.run.record.run_id,
            scenario=test.run.record.point.scenario,
            outcome="inconclusive",
            evidence=[test.problem or "the test has not been run"],
            cure="run `qutiperf audit`",
        )
    accuracy = accuracy_run_of(test.run, runs)
    tested = TestedRun(
        test.run.record.run_id,
        test.run.record.point.scenario,
        test.run.folder,
        accuracy.folder if accuracy else None,
        test.made.folder,
        task_for(test.run.record.inputs.workload).response_dtype.name,
    )
    return COMPLIANCE[test.rule.name](test.rule, tested)


def keep_verdicts(verdicts: Sequence[tuple[ComplianceTest, AuditVerdict]]) -> Iterator[Path]:
    """Writes each verdict beside the test's runs; raises SetupError. Records stay as they are."""
    for test, verdict in verdicts:
        if not test.folder.is_dir():
            continue
        path = test.folder / f"{verdict.run_id}.verdict.json"
        staged = path.with_suffix(f".{os.getpid()}")
        try:
            staged.write_text(verdict.model_dump_json(indent=1) + "\n", encoding="utf-8")
            staged.replace(path)
        except OSError as error:
            raise SetupError(f"cannot be written: {error.strerror}", where=str(path)) from None
        yield path


def minutes_of(tests: Sequence[ComplianceTest]) -> float:
    """Minutes that the tests without a run take."""
    return sum(_seconds(test.run.record) for test in tests if test.made is None) / 60


def _seconds(record: RunRecord) -> float:
    """A test lasts as long as its run did."""
    measured = record.elapsed_s
    return max(measured, 600.0)


def missing(tests: Iterable[ComplianceTest]) -> list[ComplianceTest]:
    return [test for test in tests if test.made is None]


def by_name(tests: Sequence[ComplianceTest]) -> Mapping[str, ComplianceTest]:
    return {test.rule.name: test for test in tests}
