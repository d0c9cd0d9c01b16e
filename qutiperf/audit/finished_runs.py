"""All runs of a results folder, as audits of finished runs look at them."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from qutiperf.audit.evidence import DETAIL
from qutiperf.audit.machine_state import MachineState, machine_state
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import AuditVerdict, Outcome
from qutiperf.spec.audits import AuditRule
from qutiperf.spec.scenario import Mode


@dataclass(frozen=True)
class FinishedRuns:
    """Runs that are audited together; what is compared between them is read once."""

    runs: Sequence[StoredRun]

    @cached_property
    def by_id(self) -> dict[str, StoredRun]:
        return {run.record.run_id: run for run in self.runs}

    @cached_property
    def same_log(self) -> dict[Path, list[StoredRun]]:
        """By folder, the other runs with the same detail log; of those that have another's only."""
        logs: defaultdict[str, list[StoredRun]] = defaultdict(list)
        for run in self.runs:
            if (digest := _log_digest(run)) is not None:
                logs[digest].append(run)
        shared = [runs for runs in logs.values() if len(runs) > 1]
        return {run.folder: [other for other in runs if other is not run] for runs in shared for run in runs}

    @cached_property
    def by_host(self) -> dict[str, list[tuple[datetime, datetime, StoredRun]]]:
        """Start, end and run, by host and in the order of time."""
        hosts: defaultdict[str, list[tuple[datetime, datetime, StoredRun]]] = defaultdict(list)
        for run in self.runs:
            if (times := times_of(run)) is not None:
                hosts[str(run.record.host.get("hostname"))].append((*times, run))
        return {name: sorted(each, key=lambda entry: entry[:2]) for name, each in hosts.items()}

    @cached_property
    def states(self) -> dict[Path, MachineState]:
        """The state of the machine in each performance run that has one, by folder."""
        measured = (run for run in self.runs if run.record.point.mode is Mode.PERFORMANCE)
        states = ((run.folder, machine_state(run)) for run in measured)
        return {folder: state for folder, state in states if state is not None}

    @cached_property
    def clocks_mhz(self) -> dict[tuple[str, str], list[float]]:
        """The clocks of the performance runs by system and operating mode."""
        clocks: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for run in self.runs:
            state = self.states.get(run.folder)
            if state is not None and state.clock_mhz:
                clocks[system_of(run)].append(state.clock_mhz)
        return clocks


def system_of(run: StoredRun) -> tuple[str, str]:
    """Name of the system, and its operating mode."""
    return run.record.point.sut, str(run.record.point.deployment.get("operating_mode"))


def _log_digest(run: StoredRun) -> str | None:
    try:
        return hashlib.sha256((run.folder / DETAIL).read_bytes()).hexdigest()
    except OSError:
        return None


def times_of(run: StoredRun) -> tuple[datetime, datetime] | None:
    """When the run started and ended; None if the record has no such time."""
    try:
        start = datetime.fromisoformat(run.record.started_utc)
        end = start + timedelta(seconds=run.record.elapsed_s)
    except (ValueError, OverflowError):
        return None
    return (start, end) if start.tzinfo is not None else (start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


def verdict(
    rule: AuditRule, run: StoredRun, problems: Sequence[str], unknown: Sequence[str], cure: str
) -> AuditVerdict:
    """Fail with problems, inconclusive with what could not be looked at, else pass."""
    outcome: Outcome = "fail" if problems else "inconclusive" if unknown else "pass"
    return AuditVerdict(
        audit=rule.name,
        run_id=run.record.run_id,
        scenario=run.record.point.scenario,
        outcome=outcome,
        evidence=[*problems, *unknown] or [rule.title],
        cure=cure if problems else "",
    )
