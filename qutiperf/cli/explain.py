"""`qutiperf explain RESULTS|LOGS`: why a run is INVALID, slow or unstable, and what to change."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.explain import Context, Finding
    from qutiperf.results.record import RunRecord

_FINE = {"valid", "note"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One run and what there is to say about it."""

    name: str
    run_id: str | None
    findings: "list[Finding]"

    @property
    def needs_attention(self) -> bool:
        return any(finding.kind not in _FINE for finding in self.findings)


def explain(
    where: Annotated[
        Path, typer.Argument(help="A results folder, one run's folder, or any folder with mlperf_log_*.txt.")
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Also valid runs, and runs of files that have changed since.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print an array of objects, one a run.")] = False,
) -> None:
    """Explain why runs are INVALID, slow or unstable: rule, setting to change, value, cost."""
    from qutiperf.explain import to_dict

    entries = list(_entries(where, everything=everything))
    if as_json:
        console.out_json(
            [
                {
                    "run": entry.name,
                    "run_id": entry.run_id,
                    "findings": [to_dict(each) for each in entry.findings],
                }
                for entry in entries
            ]
        )
        return
    _print(entries, everything=everything or len(entries) == 1)


def _print(entries: "list[Entry]", *, everything: bool) -> None:
    from qutiperf.explain import render

    shown = [entry for entry in entries if everything or entry.needs_attention]
    for entry in shown:
        console.out(f"{entry.name}\n{_indented(render(entry.findings))}\n")
    if len(shown) < len(entries):
        console.out(
            f"{len(entries) - len(shown)} of {len(entries)} runs are valid and undisturbed (--all shows them)"
        )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _entries(where: Path, *, everything: bool) -> "Iterator[Entry]":
    """From records where there are some, else from LoadGen's logs alone."""
    from qutiperf.cli.results import read_results
    from qutiperf.explain import explain_folder
    from qutiperf.results.store import RECORD, Store, read_record

    if (where / RECORD).is_file():
        yield _of_record(read_record(where))
    elif Store.is_one(where):
        records = read_results(where, everything=everything).records
        yield from (_of_record(record) for record in records)
    else:
        for explained in explain_folder(where):
            yield Entry(str(explained.folder), None, explained.findings)


def _of_record(record: "RunRecord") -> Entry:
    from qutiperf.explain import Finding
    from qutiperf.explain import explain as explain_result

    point = record.point
    name = f"{record.run_id} {point.sut} {point.workload} {point.scenario.value} {point.mode.value}"
    if record.failure is not None or record.loadgen is None:
        failure = record.failure
        reason = failure.reason if failure else "no result"
        stage = f"{failure.kind} in {failure.stage}" if failure else "failed"
        advice = _last_lines(failure.log_tail) if failure else ""
        return Entry(name, record.run_id, [Finding("failed", stage, reason, advice=advice)])
    return Entry(name, record.run_id, explain_result(record.loadgen, _context(record)))


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"its log ends: {' | '.join(lines[-2:])}" if lines else ""


def _context(record: "RunRecord") -> "Context":
    from qutiperf.explain import Context
    from qutiperf.results.metrics import generator_share

    point, observed, machine = record.point, record.observed, record.host
    return Context(
        mode=point.mode.value,
        phase_mean_ns={name: time.mean_ns for name, time in observed.phases.items() if name != "total"}
        if observed
        else {},
        generator_share=generator_share(point.scenario, record.figures, record.harness_tax),
        quality_reasons=tuple(_quality_reasons(record)),
        batch_size=_whole(point.deployment.get("batch_size")),
        threads=_whole(point.deployment.get("threads")),
        streams=_whole(point.deployment.get("streams")),
        cores=_whole(machine.get("cores")),
        governor=str(machine["governor"]) if machine.get("governor") else None,
    )


def _quality_reasons(record: "RunRecord") -> Iterable[str]:
    """The reasons that are not LoadGen's, which `explain` has already."""
    told = set(record.loadgen.invalid_reasons) if record.loadgen else set()
    return (reason for reason in record.reasons if reason not in told)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
