"""A rehearsed tree is never a submission: its system descriptions say so."""

from collections.abc import Iterator, Mapping

from qutiperf.audit.finding import AuditFinding, FindingMaker

REHEARSAL = "REHEARSAL"
_FIELDS = ("system_name", "sw_notes", "hw_notes", "accelerator_model_name")


def rehearsal_findings(
    system: Mapping[str, object], make: FindingMaker, *, allowed: bool
) -> Iterator[AuditFinding]:
    """An error, or a note where rehearsals are `allowed`."""
    marked = [name for name in _FIELDS if REHEARSAL in str(system.get(name, "")).upper()]
    if not marked:
        return
    what = f"is a rehearsal: {', '.join(marked)} say so"
    if allowed:
        yield make.note("rehearsal", what)
    else:
        yield make.error("rehearsal", what, "submit a tree of real runs; --rehearsal checks one of these")
