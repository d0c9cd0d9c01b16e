"""The checks by name; runs one of them in this process."""

from collections.abc import Callable
from pathlib import Path

from qutiperf.conformance import answering, lasting, probes, tensors, timing
from qutiperf.conformance.finding import CheckEnded, CheckFinding, CheckJob
from qutiperf.conformance.subject import LoadedAdapter

FIRST = "answers"
CHECKS: dict[str, Callable[[LoadedAdapter], CheckFinding]] = {
    FIRST: answering.answers,
    "ids": tensors.ids,
    "threads": answering.threads,
    "batch": answering.batch,
    "labels": answering.labels,
    "layout": probes.layout,
    "values": probes.values,
    "tensors": tensors.tensors,
    "timers": timing.timers,
    "caching": timing.caching,
    "memory": lasting.memory,
    "reload": lasting.reload,
}


def check(name: str, job: CheckJob, folder: Path) -> CheckFinding:
    """The finding of one check; an exception of the adapter fails the check."""
    calls = 0
    try:
        subject = LoadedAdapter(job, folder)
        try:
            finding = CHECKS[name](subject)
        finally:
            calls = subject.calls
    except CheckEnded as ended:
        finding = ended.finding
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything
        text = " ".join(f"{type(error).__name__}: {error}".split())
        finding = CheckFinding(verdict="FAIL", seen=text)
    return finding.model_copy(update={"check": name, "calls": calls})
