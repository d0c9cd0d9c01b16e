"""`qutiperf audit RESULTS`: audits of finished runs and by new ones, with --round MLPerf's tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError
from qutiperf.unverified import UNVERIFIED

if TYPE_CHECKING:
    from qutiperf.audit.compliance import ComplianceTest
    from qutiperf.audit.finished_runs import FinishedRuns
    from qutiperf.audit.new_run import NewRunCase
    from qutiperf.audit.stored_run import StoredRun
    from qutiperf.audit.verdict import AuditVerdict


def audit(
    results: Annotated[list[Path], typer.Argument(help="Results folders, or a sweep to measure first.")],
    mlperf_round: Annotated[
        str | None,
        typer.Option("--round", help="Run and judge this round's compliance tests of submission runs: v6.1"),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Only these, comma-separated: recompute,repeat,TEST01,TEST04")
    ] = None,
    new_runs: Annotated[
        bool, typer.Option("--new-runs", help="Measure every run again too: repeat, replay, perturb.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="With a sweep: its results folder. Default: results/SWEEP.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Judge what was measured for audits, and measure nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> int:
    """Audit finished runs, measure them again, or with --round run MLPerf's compliance tests.

    Finished runs are judged by what is kept of them: recompute, consistency, plausibility, environment. With
    --new-runs, or by name, repeat, replay and perturb measure every performance run again, in folders of
    their own below RESULTS/audit, where the verdicts are too. A compliance test repeats its run under
    LoadGen's audit.config. Minutes are printed first. Exit code 1 if an audit fails, or a compliance test
    cannot be judged.
    """
    chosen = _names(only, mlperf_round is not None)
    folders, ids, code = _measured(results, out, judge=judge)
    if mlperf_round is not None:
        return _audit_compliance(folders, mlperf_round, chosen, judge=judge, as_json=as_json) or code
    return _audit(folders, ids, _chosen(chosen, new_runs), judge=judge, as_json=as_json) or code


def _measured(
    results: Sequence[Path], out: Path | None, *, judge: bool
) -> tuple[list[Path], frozenset[str] | None, int]:
    """Results folders; of a sweep, which is measured first, also the ids and the exit code of its runs."""
    from qutiperf.results.store import Store

    if all(path.is_dir() or Store.is_one(path) for path in results):
        if out is not None:
            raise InputError(
                "is the results folder of a sweep", where="--out", cure="name a sweep, or leave it out"
            )
        return list(results), None, 0
    if len(results) > 1:
        missing = next(path for path in results if not path.is_dir())
        raise InputError(
            "is not a results folder", where=str(missing), cure="name one sweep, or folders only"
        )
    [name] = results
    if len(name.parts) > 1 and not name.exists():
        what = "is neither a results folder nor the file of a sweep"
        raise InputError(what, where=str(name), cure="qutiperf run SWEEP --out FOLDER writes results")
    return _measured_sweep(str(name), out, judge=judge)


def _measured_sweep(name: str, out: Path | None, *, judge: bool) -> tuple[list[Path], frozenset[str], int]:
    from qutiperf.api.sweeps import default_folder
    from qutiperf.cli.progress import following
    from qutiperf.cli.run import exit_code
    from qutiperf.results.store import Store
    from qutiperf.run.sweep import groups_to_measure, measure_sweep, plan_sweep

    planned = plan_sweep(name, [])
    folder = out or default_folder(planned.sweep)
    ids = frozenset(run.run_id for group in planned.groups for run in group.runs)
    if judge:
        return [folder], ids, 0
    due = groups_to_measure(planned, Store.open(folder)) if Store.is_one(folder) else planned.groups
    seconds = sum(group.estimated_s for group in due)
    console.note(
        f"{sum(len(group.runs) for group in due)} runs of {name} to measure, {_minutes(seconds / 60)}"
    )
    with following() as tracker:
        records = measure_sweep(planned, folder, tracker)
    return [folder], ids, exit_code(records, planned.sweep.profile.value)


def _minutes(least: float, most: float | None = None) -> str:
    """About so many minutes, 1 at least."""
    low = max(round(least), 1)
    high = low if most is None else max(round(most), low)
    return f"about {low:,} min" if high == low else f"about {low:,} to {high:,} min"


def _chosen(only: Sequence[str], new_runs: bool) -> list[str]:
    """Names of audits: those of finished runs unless others are asked for."""
    from qutiperf.audit.registry import FINISHED, NEW_RUNS

    return list(only) or [*FINISHED, *(NEW_RUNS if new_runs else ())]


def _audit(
    results: Sequence[Path],
    ids: frozenset[str] | None,
    names: Sequence[str],
    *,
    judge: bool,
    as_json: bool,
) -> int:
    from qutiperf.audit.finished_runs import FinishedRuns
    from qutiperf.audit.registry import FINISHED, NEW_RUNS
    from qutiperf.audit.stored_run import stored_runs
    from qutiperf.cli.results import report_damaged
    from qutiperf.spec.audits import load_audit

    runs, damaged = stored_runs(results)
    report_damaged(damaged)
    runs = [run for run in runs if ids is None or run.record.run_id in ids]
    if not runs:
        raise InputError("holds no runs", where=", ".join(map(str, results)), cure="qutiperf run SWEEP")
    finished = FinishedRuns(runs)
    announced = [name for name in NEW_RUNS if name in names]
    cases = _announced(finished, announced, judge=judge)
    rules = {name: load_audit(name) for name in FINISHED if name in names}
    verdicts = [(run, FINISHED[name](rule, run, finished)) for name, rule in rules.items() for run in runs]
    _keep(verdicts)
    decided, failed = _decided(cases, judge=judge, as_json=as_json)
    verdicts += decided
    if as_json:
        console.out_json([verdict.model_dump(mode="json") for _, verdict in verdicts])
    else:
        _print_finished(verdicts)
    return 1 if any(verdict.outcome == "fail" for _, verdict in verdicts) else 4 * failed


def _announced(finished: "FinishedRuns", names: Sequence[str], *, judge: bool) -> "list[NewRunCase]":
    """The audits by new runs, with a note of the minutes that they take."""
    from qutiperf.audit.new_runs import minutes_of_cases, new_run_cases, undecided

    cases = new_run_cases(finished, names)
    due = [] if judge else undecided(cases)
    if due:
        console.note(f"{len(due)} audits by new runs, {_minutes(*minutes_of_cases(due))}")
    return cases


def _decided(
    cases: "Sequence[NewRunCase]", *, judge: bool, as_json: bool
) -> "tuple[list[tuple[StoredRun, AuditVerdict]], bool]":
    """The verdicts, each kept as soon as there is one, and whether a new run failed."""
    from qutiperf.audit.new_runs import Decision, decide, undecided, verdict_of_case
    from qutiperf.cli.progress import following

    due = set() if judge else {case.folder for case in undecided(cases)}
    verdicts, failed = [], False
    with following(as_json=as_json) as tracker:
        for case in cases:
            decision = decide(case, tracker) if case.folder in due else Decision(verdict_of_case(case))
            verdicts.append((case.run, decision.verdict))
            _keep(verdicts[-1:])
            failed = failed or decision.run_failed
    return verdicts, failed


def _keep(verdicts: "Sequence[tuple[StoredRun, AuditVerdict]]") -> None:
    """Verdicts of a folder that cannot be written to, as an archive, are printed all the same."""
    from qutiperf.audit.new_runs import keep_verdict
    from qutiperf.errors import SetupError

    try:
        for run, verdict in verdicts:
            keep_verdict(run, verdict)
    except SetupError as error:
        console.note(f"verdicts are not kept: {error}")


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


def _names(only: str | None, with_round: bool) -> list[str]:
    from qutiperf.audit.registry import COMPLIANCE, FINISHED, NEW_RUNS
    from qutiperf.spec.config import nearest

    without = [*FINISHED, *NEW_RUNS]
    known = list(COMPLIANCE) if with_round else without
    names = [part.strip() for part in only.split(",")] if only is not None else []
    for name in names:
        if name in (without if with_round else COMPLIANCE):
            cure = "leave --round out" if with_round else "add --round, as v6.1"
            raise InputError(
                f"{name} {'has no' if with_round else 'needs a'} round", where="--only", cure=cure
            )
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
