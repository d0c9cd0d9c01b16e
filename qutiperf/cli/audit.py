"""`qutiperf audit RESULTS`: audits of finished runs, and with --round MLPerf's compliance tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError

UNVERIFIED = "Result not verified by MLCommons Association."
if TYPE_CHECKING:
    from qutiperf.audit.compliance import ComplianceTest
    from qutiperf.audit.stored_run import StoredRun
    from qutiperf.audit.verdict import AuditVerdict


def audit(
    results: Annotated[list[Path], typer.Argument(help="Results folders.")],
    mlperf_round: Annotated[
        str | None,
        typer.Option("--round", help="Run and judge this round's compliance tests of submission runs: v6.1"),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Only these, comma-separated: recompute,consistency,TEST01,TEST04")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Judge the tests that were run, and run none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> int:
    """Audit finished runs, or with --round run MLPerf's compliance tests and judge them as its scripts do.

    Finished runs are judged by what is kept of them: recompute, consistency, plausibility. A compliance test
    repeats its run under LoadGen's audit.config, ten minutes each, in a results folder of its own below
    RESULTS/audit. Exit code 1 if an audit fails, or a compliance test cannot be judged.
    """
    if mlperf_round is None:
        return _audit_finished(results, _names(only, finished=True), as_json=as_json)
    return _audit_compliance(
        results, mlperf_round, _names(only, finished=False), judge=judge, as_json=as_json
    )


def _audit_finished(results: Sequence[Path], only: Sequence[str], *, as_json: bool) -> int:
    from qutiperf.audit.finished_runs import FinishedRuns
    from qutiperf.audit.registry import FINISHED
    from qutiperf.audit.stored_run import stored_runs
    from qutiperf.cli.results import report_damaged
    from qutiperf.spec.audits import load_audit

    runs, damaged = stored_runs(results)
    report_damaged(damaged)
    if not runs:
        raise InputError("holds no runs", where=", ".join(map(str, results)), cure="qutiperf run SWEEP")
    finished = FinishedRuns(runs)
    chosen = [(load_audit(name), judged) for name, judged in FINISHED.items() if not only or name in only]
    verdicts = [(run, judged(rule, run, finished)) for rule, judged in chosen for run in runs]
    if as_json:
        console.out_json([verdict.model_dump(mode="json") for _, verdict in verdicts])
    else:
        _print_finished(verdicts)
    return int(any(verdict.outcome == "fail" for _, verdict in verdicts))


def _print_finished(verdicts: "Sequence[tuple[StoredRun, AuditVerdict]]") -> None:
    """What failed or is open, a line each, then the counts of each audit."""
    for run, verdict in verdicts:
        if verdict.outcome != "pass":
            _print_verdict(run, verdict)
    names = list(dict.fromkeys(verdict.audit for _, verdict in verdicts))
    outcomes = ("pass", "fail", "inconclusive")
    rows = [
        [name, *(sum((v.audit, v.outcome) == (name, outcome) for _, v in verdicts) for outcome in outcomes)]
        for name in names
    ]
    console.table("", ["audit", *outcomes], rows)
    console.out_line(UNVERIFIED)


def _print_verdict(run: "StoredRun", verdict: "AuditVerdict") -> None:
    point = run.record.point
    subject = f"{point.sut}, {point.workload}, {verdict.scenario}, run {verdict.run_id}"
    cure = f"; {verdict.cure}" if verdict.cure else ""
    evidence = "; ".join(verdict.evidence)
    console.out_line(f"{verdict.outcome}: {verdict.audit}: {subject}: {evidence}{cure}")


def _audit_compliance(
    results: Sequence[Path], mlperf_round: str, only: Sequence[str], *, judge: bool, as_json: bool
) -> int:
    from qutiperf.audit.compliance import keep_verdicts, minutes_of, missing, verdict_of

    tests, runs = _tests(results, mlperf_round, only)
    due = missing(tests)
    if due and not judge:
        console.note(f"{len(due)} tests to run, about {minutes_of(tests):,.0f} min")
        _run(due, mlperf_round)
        tests, runs = _tests(results, mlperf_round, only)
    verdicts = [(test, verdict_of(test, runs)) for test in tests]
    list(keep_verdicts(verdicts))
    if as_json:
        console.out_json([verdict.model_dump(mode="json") for _, verdict in verdicts])
    else:
        for test, verdict in verdicts:
            _print_verdict(test.run, verdict)
        console.out_line(UNVERIFIED)
    return int(any(verdict.outcome != "pass" for _, verdict in verdicts))


def _names(only: str | None, *, finished: bool) -> list[str]:
    from qutiperf.audit.registry import COMPLIANCE, FINISHED
    from qutiperf.spec.config import nearest

    known = list(FINISHED if finished else COMPLIANCE)
    names = [part.strip() for part in only.split(",")] if only is not None else []
    for name in names:
        if name in (COMPLIANCE if finished else FINISHED):
            cure = "add --round, as v6.1" if finished else "leave --round out"
            raise InputError(f"{name} {'needs a' if finished else 'has no'} round", where="--only", cure=cure)
        if name not in known:
            raise InputError(f"'{name[:80]}' is not an audit", where="--only", cure=nearest(name, known))
    return names


def _tests(
    results: Sequence[Path], round_name: str, only: Sequence[str]
) -> "tuple[list[ComplianceTest], list[StoredRun]]":
    """Tests of the runs that count; raises InputError if there are none."""
    from qutiperf.audit.compliance import compliance_tests
    from qutiperf.audit.stored_run import seeds_problem, stored_runs
    from qutiperf.cli.results import report_damaged
    from qutiperf.submission.check import rules_of

    mlperf_round, rules = rules_of(round_name)
    runs, damaged = stored_runs(results)
    report_damaged(damaged)
    counting = [run for run in runs if run.record.valid and seeds_problem(run.record, mlperf_round) is None]
    tests = compliance_tests(counting, mlperf_round, rules, only)
    if not tests:
        what = f"holds no valid submission run of {mlperf_round.name} that has a compliance test"
        cure = f"qutiperf run SWEEP --profile submission --round {mlperf_round.name}"
        raise InputError(what, where=", ".join(map(str, results)), cure=cure)
    return tests, runs


def _run(tests: "Sequence[ComplianceTest]", round_name: str) -> None:
    from qutiperf.audit.compliance import run_tests
    from qutiperf.cli.progress import following

    with following() as tracker:
        run_tests(tests, tracker, round_name)
