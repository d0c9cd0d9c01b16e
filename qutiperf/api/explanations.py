"""Why runs are invalid, slow or unstable, from records or from LoadGen's logs alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qutiperf.api.frame import warn_of_damaged
from qutiperf.explain import Context, Finding, explain_folder, render
from qutiperf.explain import explain as explain_result
from qutiperf.results.metrics import generator_share
from qutiperf.results.record import RunRecord
from qutiperf.results.selection import Selection, select
from qutiperf.results.store import RECORD, Store, read_record

_FINE = {"valid", "note"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One run and its findings; `run_id` is None for logs without a record. Its text is for reading."""

    name: str
    run_id: str | None
    findings: list[Finding]

    @property
    def needs_attention(self) -> bool:
        return any(finding.kind not in _FINE for finding in self.findings)

    def __str__(self) -> str:
        lines = render(self.findings).splitlines()
        return "\n".join([self.name, *(f"  {line}" for line in lines)])


def explain(results: str | Path, *, everything: bool = False) -> list[Explanation]:
    """One explanation a run: the rule that failed, the setting to change, its new value, the cost.

    `results` is a results folder, the folder of one run, or any folder with LoadGen's mlperf_log_* files.
    Runs of files that have changed since are left out unless `everything`. Damaged parts are left out with a
    UserWarning each. Raises InputError if there is nothing to explain.
    """
    selection = selection_at(Path(results), everything=everything)
    warn_of_damaged(selection.damaged if selection else [])
    return list(explanations(Path(results), selection))


def selection_at(where: Path, *, everything: bool) -> Selection | None:
    """The runs of a results folder; None for the folder of one run, or of logs."""
    if not (where / RECORD).is_file() and Store.is_one(where):
        return select(where, everything=everything)
    return None


def explanations(where: Path, selection: Selection | None) -> Iterator[Explanation]:
    """Of the selection, else of the one record at `where`, else of LoadGen's logs at or below it."""
    if selection is not None:
        yield from (_of_record(record) for record in selection.records)
    elif (where / RECORD).is_file():
        yield _of_record(read_record(where))
    else:
        for explained in explain_folder(where):
            yield Explanation(str(explained.folder), None, explained.findings)


def _of_record(record: RunRecord) -> Explanation:
    point = record.point
    name = f"{record.run_id} {point.sut} {point.workload} {point.scenario.value} {point.mode.value}"
    if record.failure is not None or record.loadgen is None:
        failure = record.failure
        reason = failure.reason if failure else "no result"
        stage = f"{failure.kind} in {failure.stage}" if failure else "failed"
        advice = _last_lines(failure.log_tail) if failure else ""
        return Explanation(name, record.run_id, [Finding("failed", stage, reason, advice=advice)])
    return Explanation(name, record.run_id, explain_result(record.loadgen, _context(record)))


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"its log ends: {' | '.join(lines[-2:])}" if lines else ""


def _context(record: RunRecord) -> Context:
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


def _quality_reasons(record: RunRecord) -> Iterable[str]:
    """The reasons that are not LoadGen's, which the explanation of its result has already."""
    loadgen = set(record.loadgen.invalid_reasons) if record.loadgen else set()
    return (reason for reason in record.reasons if reason not in loadgen)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
