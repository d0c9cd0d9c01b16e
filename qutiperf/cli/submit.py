"""`qutiperf submit RESULTS`: an MLPerf submission tree from finished runs, or what stands in its way."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.errors import InputError
from qutiperf.unverified import UNVERIFIED

if TYPE_CHECKING:
    from qutiperf.api.submissions import Submission
    from qutiperf.submission.check import CheckReport
    from qutiperf.submission.options import SubmissionOptions


def submit(
    results: Annotated[list[Path], typer.Argument(help="One or more results folders.")],
    mlperf_round: Annotated[
        str | None, typer.Option("--round", help="A shipped round or a round file: v6.1")
    ] = None,
    division: Annotated[str, typer.Option(help="open or closed.")] = "closed",
    submitter: Annotated[str | None, typer.Option(help="The submitter's folder name.")] = None,
    out: Annotated[Path | None, typer.Option(help="The tree's folder, which must not exist yet.")] = None,
    sut: Annotated[
        list[str] | None,
        typer.Option(help="A SUT file whose description is used as it is now; repeatable."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="NAME=TEXT for systems/*.json or measurements.json; repeatable."),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="Only these scenarios, comma-separated. Default: all that are required."),
    ] = None,
    run: Annotated[
        list[str] | None, typer.Option(help="Take this performance run; repeatable. Default: the best one.")
    ] = None,
    power: Annotated[
        list[str] | None,
        typer.Option(help="SCENARIO=FOLDER: what MLPerf's own power client wrote; repeatable."),
    ] = None,
    infer: Annotated[
        bool, typer.Option("--infer", help="Let lawful scenarios stand for others that were not measured.")
    ] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="Measure what is missing first, into the first results folder.")
    ] = False,
    status: Annotated[
        bool,
        typer.Option("--status", help="List what is missing for this and the newest round, write nothing."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Write an MLPerf submission tree from finished runs of the submission profile.

    Everything that stands in the way is listed at once, and then nothing is written. Workloads that are a
    rehearsal give trees that say so, and that `check` refuses.
    """
    from qutiperf.api.submissions import scenario_named
    from qutiperf.submission.options import SubmissionOptions

    options = SubmissionOptions(
        mlperf_round or "",
        division,
        submitter or "",
        _pairs(field, "--field", "NAME=TEXT"),
        tuple(_scenarios(scenario)),
        tuple(run or ()),
        infer,
        {
            scenario_named(name): Path(text)
            for name, text in _pairs(power, "--power", "SCENARIO=FOLDER").items()
        },
    )
    if status:
        return _status(results, options, sut or (), as_json)
    _require({"--round": mlperf_round, "--submitter": submitter, "--out": out})
    if complete:
        _complete(results, options, sut or (), Path(str(out)))
    return _write(results, options, sut or (), Path(str(out)), as_json)


def _require(given: dict[str, object]) -> None:
    if missing := [name for name, value in given.items() if not value]:
        example = "qutiperf submit RESULTS --round v6.1 --division closed --submitter NAME --out TREE"
        raise InputError(f"missing: {', '.join(missing)}", cure=example)


def _pairs(words: Sequence[str] | None, name: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words or ():
        key, separator, value = word.partition("=")
        if not separator or not key.strip() or not value.strip():
            raise InputError(f"'{word[:80]}' is not {form}", where=name)
        if key in pairs:
            raise InputError(f"{key} is given twice", where=name)
        pairs[key.strip()] = value.strip()
    return pairs


def _scenarios(text: str | None) -> list[str]:
    from qutiperf.api.submissions import scenario_named

    return [scenario_named(part) for part in text.split(",")] if text else []


def _complete(results: Sequence[Path], options: "SubmissionOptions", suts: Sequence[str], out: Path) -> None:
    from qutiperf.api.submissions import complete_submission
    from qutiperf.cli.progress import following

    def announce(minutes: float) -> None:
        console.note(f"measuring what is missing: about {minutes:,.0f} min")

    with following() as tracker:
        complete_submission(results, options, suts, out, tracker, announce)


def _write(
    results: Sequence[Path], options: "SubmissionOptions", suts: Sequence[str], out: Path, as_json: bool
) -> int:
    from qutiperf.api.submissions import write_submission
    from qutiperf.cli.results import report_damaged

    made = write_submission(results, options, suts, out)
    report_damaged(made.prepared.damaged)
    if as_json:
        console.out_json(_as_json(made))
    else:
        _print(made)
    if made.obstacles:
        return InputError.exit_code
    return int(made.tree is None)


def _print(made: "Submission") -> None:
    for obstacle in made.obstacles:
        console.error(str(obstacle))
    for finding in made.findings:
        if finding.severity in ("error", "warning"):
            console.error(str(finding))
    for note in made.notes:
        console.note(note)
    for line in _power_lines(made.report):
        console.out_line(line)
    if made.tree is None:
        console.note("nothing was written")
        return
    prepared, options = made.prepared, made.prepared.options
    count = sum(len(chosen.scenarios) for chosen in prepared.choice.benchmarks)
    results = f"{count} results of {options.submitter}"
    console.out_line(f"{made.tree}: {results} for {prepared.mlperf_round.name}, {options.division}")
    if made.rehearsal:
        console.out_line("REHEARSAL: never submit this tree")
    console.out_line(UNVERIFIED)
    rehearsal = " --rehearsal" if made.rehearsal else ""
    console.note(f"check it: qutiperf check {made.tree} --round {options.round_name}{rehearsal}")


def _power_lines(report: "CheckReport | None") -> list[str]:
    """W in Offline and Server, mJ of a query in the other two."""
    lines = []
    for row in report.rows if report else ():
        watts, energy = row["mean_power_w"], row["energy_per_query_mj"]
        if watts is not None:
            value = f"{energy:.6g} mJ per query" if energy is not None else f"{watts:.6g} W"
            lines.append(f"{row['folder']}: power {value}")
    return lines


def _as_json(made: "Submission") -> dict[str, object]:
    prepared, report = made.prepared, made.report
    return {
        "tree": str(made.tree) if made.tree else None,
        "round": prepared.options.round_name,
        "division": prepared.options.division,
        "submitter": prepared.options.submitter,
        "rehearsal": prepared.rehearsal,
        "obstacles": [obstacle.as_row() for obstacle in prepared.obstacles],
        "notes": prepared.choice.notes,
        "results": [
            {
                "system": chosen.system,
                "benchmark": chosen.folder,
                "scenario": each.scenario,
                "run_id": each.performance.record.run_id,
                "inferred_from": each.inferred_from,
            }
            for chosen in prepared.choice.benchmarks
            for each in chosen.scenarios
        ],
        "rows": report.rows if report else [],
        "findings": [finding.as_row() for finding in report.findings] if report else [],
        "note": UNVERIFIED,
    }


def _status(results: Sequence[Path], options: "SubmissionOptions", suts: Sequence[str], as_json: bool) -> int:
    """Exit code 1 if something is missing for one of the rounds."""
    from dataclasses import replace

    from qutiperf.api.submissions import prepare_submission
    from qutiperf.submission.obstacle import in_all
    from qutiperf.submission.status import rounds_to_report

    reports = []
    for name in [options.round_name] if options.round_name else rounds_to_report():
        chosen = replace(options, round_name=name, submitter=options.submitter or "SUBMITTER")
        prepared = prepare_submission(results, chosen, suts)
        reports.append((name, prepared.obstacles))
    if as_json:
        rows = {name: [each.as_row() for each in obstacles] for name, obstacles in reports}
        console.out_json({"division": options.division, "rounds": rows, "note": UNVERIFIED})
        return int(any(obstacles for _, obstacles in reports))
    for name, obstacles in reports:
        head = f"{name}, {options.division}: "
        if not obstacles:
            console.out_line(f"{head}nothing is missing")
            continue
        minutes = in_all(obstacles)
        console.out_line(f"{head}{len(obstacles)} obstacles, about {minutes:,.0f} min of measurement")
        for obstacle in obstacles:
            console.out_line(f"  {obstacle}")
    return int(any(obstacles for _, obstacles in reports))
