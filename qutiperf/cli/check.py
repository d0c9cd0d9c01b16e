"""`qutiperf check TREE --round R`: whether a submission tree keeps the rules and agrees with itself."""

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.submission.check import CheckReport


def check(
    tree: Annotated[Path, typer.Argument(help="The folder that holds closed/, open/ or network/.")],
    mlperf_round: Annotated[
        str, typer.Option("--round", help="A shipped round or a round file: its rules and seeds.")
    ],
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    notes: bool = typer.Option(False, "--notes", help="Print notes too; --json has them always."),
    seal: bool = typer.Option(
        False, "--seal", help="Write a manifest of every file's sha256 if there is no error."
    ),
    unavailable: Annotated[
        Path | None,
        typer.Option(help="A file of paths, one a line, that exist but are not in this copy of the tree."),
    ] = None,
    rehearsal: bool = typer.Option(
        False, "--rehearsal", help="Accept a tree whose systems say REHEARSAL; never submit one."
    ),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
) -> int:
    """Check a submission tree, anybody's; exit code 1 if there is an error.

    Every finding is one line: severity, file, line, what is wrong, the cure, the rule and its source.
    """
    from qutiperf.submission.check import check_tree

    with _Bar() as bar:
        missing = _paths_in(unavailable)
        report = check_tree(
            tree,
            mlperf_round,
            unavailable=missing,
            workers=workers,
            advance=bar.advance,
            rehearsal=rehearsal,
        )
    if as_json:
        console.out_json(_as_json(report, mlperf_round))
    else:
        _print(report, notes)
    if not report.passed:
        return 1
    if seal:
        from qutiperf.submission.seal import seal_tree

        console.note(f"sealed: {seal_tree(tree, mlperf_round)}")
    return 0


class _Bar:
    """Results checked so far, on a terminal only, drawn at most once a second."""

    def __init__(self) -> None:
        from rich import progress

        live = not console.is_quiet() and console.console(stderr=True).is_terminal
        self._bar = progress.Progress(
            console=console.console(stderr=True), auto_refresh=False, transient=True, disable=not live
        )
        self._task = self._bar.add_task("checking", total=None)
        self._drawn = monotonic()

    def __enter__(self) -> "_Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)
        if monotonic() - self._drawn >= 1:
            self._drawn = monotonic()
            self._bar.refresh()


def _paths_in(file: Path | None) -> frozenset[str]:
    """Raises InputError if the file cannot be read."""
    from qutiperf.errors import InputError
    from qutiperf.regular_file import unreadable

    if file is None:
        return frozenset()
    if problem := unreadable(file, 50_000_000):
        raise InputError(problem, where=f"--unavailable {file}")
    return frozenset(file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()) - {""}


def _counts(report: "CheckReport") -> dict[str, int]:
    from qutiperf.audit.finding import SEVERITIES

    return {severity.replace(" ", "_"): report.count(severity) for severity in SEVERITIES}


def _as_json(report: "CheckReport", round_name: str) -> dict[str, object]:
    return {
        "round": round_name,
        "passed": report.passed,
        "results": report.results,
        "results_without_error": report.clean,
        "sealed": report.sealed,
        **_counts(report),
        "rows": report.rows,
        "findings": [finding.as_row() for finding in report.findings],
    }


def _print(report: "CheckReport", notes: bool) -> None:
    for finding in report.findings:
        if notes or finding.severity != "note":
            console.out_line(str(finding))
    counts = _counts(report)
    hidden = " (--notes prints them)" if counts["note"] and not notes else ""
    results = "1 result" if report.results == 1 else f"{report.results:,} results"
    console.out(
        f"{results}, {report.clean:,} without an error of their own; errors {counts['error']:,}, "
        f"warnings {counts['warning']:,}, notes {counts['note']:,}{hidden}, "
        f"not checked {counts['not_checked']:,}"
    )
