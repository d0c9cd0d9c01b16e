"""Runs every check in its own process: a crash or a hang fails that check, and the kit continues."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from pydantic import ValidationError

from qutiperf import host
from qutiperf.adapters.registry import AnyAdapter
from qutiperf.conformance.checks import CHECKS, FIRST
from qutiperf.conformance.finding import CheckFinding, CheckJob, KitReport
from qutiperf.errors import InputError, SetupError
from qutiperf.run.child import Nursery, ask
from qutiperf.run.pairing import pair, runnable
from qutiperf.spec import catalog
from qutiperf.spec.formats import for_suffixes
from qutiperf.spec.sut import SystemUnderTest, load_sut
from qutiperf.spec.workload import Workload, load_workload

BUDGET_S = 2.5
_FIRST_LIMIT_S = 180.0
_LIMIT_S = 30.0
_LONGEST_LIMIT_S = 600.0
_PREFERRED = "digits-mlp-25-fp32"


def job_for(sut: str, workload: str | None, budget_s: float = BUDGET_S) -> CheckJob:
    """The validated system and workload to check; raises InputError or SetupError."""
    system, _ = load_sut(sut)
    adapter = runnable(system)
    chosen = load_workload(workload)[0] if workload else _default_workload(system, adapter)
    return CheckJob(sut=system, workload=pair(system, chosen).workload, budget_s=budget_s)


def _default_workload(sut: SystemUnderTest, adapter: type[AnyAdapter]) -> Workload:
    """A shipped digits model in a format that the adapter loads."""
    shipped = [name for name in catalog.names("workload") if name.startswith("digits-")]
    for name in sorted(shipped, key=lambda name: name != _PREFERRED):
        workload, _ = load_workload(name)
        with contextlib.suppress(InputError, SetupError):
            for_suffixes(workload, adapter.model_suffixes)
            pair(sut, workload)
            return workload
    loads = ", ".join(adapter.model_suffixes)
    raise InputError(
        f"no shipped model has a format that it loads: {loads}",
        where=sut.name,
        cure="name one with --workload",
    )


def run_kit(job: CheckJob, progress: Callable[[str], None]) -> KitReport:
    """Runs every check; if the first one fails, the others are skipped."""
    started = monotonic()
    with tempfile.TemporaryDirectory(prefix="qutiperf-conformance-") as name, Nursery() as nursery:
        folder = Path(name)
        progress(FIRST)
        first = in_process(nursery, FIRST, job, folder, _FIRST_LIMIT_S)
        findings = [first]
        for check in list(CHECKS)[1:]:
            if first.verdict == "FAIL":
                findings.append(CheckFinding(check=check, verdict="skipped", seen=f"{FIRST} failed"))
                continue
            progress(check)
            findings.append(in_process(nursery, check, job, folder, _limit_s(first)))
    return KitReport(
        sut=job.sut.name,
        adapter=job.sut.adapter,
        describe={key: text for key, text in first.evidence.items() if isinstance(text, str)},
        workload=job.workload.name,
        versions=host.versions(),
        seconds=round(monotonic() - started, 1),
        findings=findings,
    )


def _limit_s(first: CheckFinding) -> float:
    """The time for the fewest loads and calls of a check, at the speed of the first check."""
    load_s, infer_s = (float(first.evidence.get(key) or 0) for key in ("load_s", "infer_s"))
    return min(_LIMIT_S + 8 * load_s + 200 * infer_s, _LONGEST_LIMIT_S)


def in_process(nursery: Nursery, check: str, job: CheckJob, folder: Path, limit_s: float) -> CheckFinding:
    """One check in a process of its own; a crash or a hang is a failed check."""
    task = job.model_copy(update={"check": check})
    answer = ask(nursery, "qutiperf.conformance", task, folder, limit_s)
    if answer.ending is None:
        return CheckFinding(
            check=check, verdict="FAIL", seen=f"did not finish within {limit_s:.0f} s: it hangs"
        )
    if answer.reply is None:
        last = "".join(f": {line[:160]}" for line in answer.log_tail.splitlines()[-1:])
        return CheckFinding(check=check, verdict="FAIL", seen=f"{answer.ending}{last}")
    try:
        return CheckFinding.model_validate_json(answer.reply)
    except ValidationError:
        return CheckFinding(check=check, verdict="FAIL", seen="the adapter wrote to the kit's pipe")
