"""`qutiperf audit RESULTS --round R`: MLPerf's compliance tests of stored submission runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError

if TYPE_CHECKING:
    from qutiperf.audit.compliance import ComplianceTest
    from qutiperf.audit.stored_run import StoredRun
    from qutiperf.audit.verdict import AuditVerdict


def audit(
    results: Annotated[
        list[Path], typer.Argument(help="Results folders with runs of the submission profile.")
    ],
    mlperf_round: Annotated[str, typer.Option("--round", help="The round whose tests are run: v6.1")],
    only: Annotated[str | None, typer.Option(help="Only these tests, comma-separated: TEST01,TEST04")] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Judge the tests that were run, and run none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> int:
    """Run MLPerf's compliance tests of the submission runs, and judge them as MLPerf's scripts do.

    Each test repeats its run under LoadGen's audit.config, ten minutes each, in a results folder of its own
    below RESULTS/audit. Exit code 1 if a test fails or cannot be judged.
    """
    from qutiperf.audit.compliance import keep_verdicts, minutes_of, missing, verdict_of

    tests, runs = _tests(results, mlperf_round, _names(only))
    due = missing(tests)
    if due and not judge:
        console.note(f"{len(due)} tests to run, about {minutes_of(tests):,.0f} min")
        _run(due, mlperf_round)
        tests, runs = _tests(results, mlperf_round, _names(only))
    verdicts = [(test, verdict_of(test, runs)) for test in tests]
    list(keep_verdicts(verdicts))
    if as_json:
        console.out_json([verdict.model_dump(mode="json") for _, verdict in verdicts])
    else:
        _print(verdicts)
    return int(any(verdict.outcome != "pass" for _, verdict in verdicts))


def _names(only: str | None) -> list[str]:
    from qutiperf.audit.registry import COMPLIANCE
    from qutiperf.spec.config import nearest

    names = [part.strip() for part in only.split(",")] if only is not None else []
    for name in names:
        if name not in COMPLIANCE:
            raise InputError(f"'{name[:80]}' is not a test", where="--only", cure=nearest(name, COMPLIANCE))
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
    from qutiperf.api.progress import Tracker
    from qutiperf.audit.compliance import run_tests
    from qutiperf.cli.progress import Bar
    from qutiperf.cli.results import report_damaged

    with Bar() as bar:
        run_tests(tests, Tracker(bar, console.note, report_damaged), round_name)


def _print(verdicts: "Sequence[tuple[ComplianceTest, AuditVerdict]]") -> None:
    for test, verdict in verdicts:
        point = test.run.record.point
        subject = f"{point.sut}, {point.workload}, {verdict.scenario}, run {verdict.run_id}"
        cure = f"; {verdict.cure}" if verdict.cure else ""
        console.out_line(
            f"{verdict.outcome}: {verdict.audit}: {subject}: {'; '.join(verdict.evidence)}{cure}"
        )
    console.out_line("Result not verified by MLCommons Association.")
