"""Verdicts of audits, read from RESULTS/audit/NAME/RUN.verdict.json; none is computed here.

RUN is a run id, or run and attempt where the audit judges one attempt.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.errors import InputError
from qutiperf.printable import bounded
from qutiperf.regular_file import unreadable
from qutiperf.results.record import RunRecord

FOLDER = "audit"
FAILED = "audit_failed"  # the status of a run that an audit fails
_SUFFIX = ".verdict.json"
_MOST_BYTES = 16 << 20
Verdicts = Mapping[str, Sequence[AuditVerdict]]


def stored_verdicts(results: Path) -> tuple[dict[str, list[AuditVerdict]], list[InputError]]:
    """Verdicts by RUN, in the order of the audits' names, and an error for each damaged file."""
    verdicts: dict[str, list[AuditVerdict]] = {}
    damaged: list[InputError] = []
    for path in _files(results / FOLDER):
        try:
            verdict = _read(path)
        except InputError as error:
            damaged.append(error)
        else:
            verdicts.setdefault(path.name.removesuffix(_SUFFIX), []).append(verdict)
    return verdicts, damaged


def verdicts_of(record: RunRecord, verdicts: Verdicts) -> list[AuditVerdict]:
    """Those of the run and of this attempt."""
    return [
        verdict
        for name in (record.run_id, f"{record.run_id}-{record.attempt}")
        for verdict in verdicts.get(name, ())
    ]


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.glob(f"*/*{_SUFFIX}") if not path.parent.is_symlink())
    except OSError:
        return


def _read(path: Path) -> AuditVerdict:
    if problem := unreadable(path, _MOST_BYTES):
        raise InputError(f"skipped, {problem}", where=str(path))
    try:
        verdict = AuditVerdict.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        reason = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        cure = "delete it and repeat `qutiperf audit`"
        raise InputError(f"skipped, {bounded(str(reason), 200)}", where=str(path), cure=cure) from None
    if path.name.removesuffix(_SUFFIX).partition("-")[0] != verdict.run_id:
        raise InputError(f"skipped, is of run {bounded(verdict.run_id, 40)}", where=str(path))
    return verdict


def summary(verdicts: Sequence[AuditVerdict]) -> str | None:
    """`fail: plausibility; pass: recompute, TEST01`; None without verdicts."""
    parts = []
    for outcome in ("fail", "inconclusive", "pass"):
        names = [verdict.audit for verdict in verdicts if verdict.outcome == outcome]
        parts += [f"{outcome}: {', '.join(dict.fromkeys(names))}"] if names else []
    return "; ".join(parts) or None


def failures(verdicts: Sequence[AuditVerdict]) -> list[str]:
    """A line for each failed audit: its name and the evidence."""
    return [
        f"{verdict.audit}: {bounded('; '.join(verdict.evidence), 300)}"
        for verdict in verdicts
        if verdict.outcome == "fail"
    ]
