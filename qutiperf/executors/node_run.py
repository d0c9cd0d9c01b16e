"""A job as its command follows it: what it reported, what is left of its group, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from qutiperf import host
from qutiperf.executors.node_events import BrokenEvents, EventReader, NodeEvent
from qutiperf.executors.node_job import EVENTS
from qutiperf.executors.slurm_queue import JobState
from qutiperf.results.record import Failure, RunRecord
from qutiperf.run.executor import WorkObserver
from qutiperf.run.plan import Group, PlannedRun

Kind = Literal["error", "time_limit", "crash", "memory"]
# Ends that are nobody's measurement: such an attempt does not count.
_OUTSIDE = {
    "CANCELLED": "was cancelled",
    "PREEMPTED": "was preempted",
    "NODE_FAIL": "lost its node",
    "BOOT_FAIL": "lost its node, which did not boot",
    "REVOKED": "was revoked",
}
_KINDS: dict[str, Kind] = {"TIMEOUT": "time_limit", "DEADLINE": "time_limit", "OUT_OF_MEMORY": "memory"}
_GRACE_S = 5.0  # between the end of a job and its last event on a network file system


@dataclass(slots=True)
class NodeRun:
    """One job with a group; `waiting` are the runs without a record, the first of which may be running."""

    folder: Path
    job_id: str
    group: Group
    waiting: list[PlannedRun]
    records: list[RunRecord] = field(default_factory=list)
    machine: host.Facts | None = None
    end: NodeEvent | None = None
    state: JobState | None = None
    began_run: bool = False
    ended_s: float | None = None  # when Slurm first listed it as ended
    reader: EventReader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = EventReader(self.folder / EVENTS)

    def read(self, observer: WorkObserver, note: Callable[[str], None]) -> bool:
        """Passes the job's new events on; whether there were any."""
        try:
            events = self.reader.read()
        except BrokenEvents:
            events = [NodeEvent(event="ended", text="something else wrote to the file of its events")]
        for event in events:
            self._hear(event, observer, note)
        return bool(events)

    def _hear(self, event: NodeEvent, observer: WorkObserver, note: Callable[[str], None]) -> None:
        if event.event == "began":
            self.machine = event.machine
        elif event.event == "note":
            note(event.text)
        elif event.event == "preparing":
            observer.preparing(event.text, event.done, event.total)
        elif event.event == "ended":
            self.end = event
        else:
            run = next((run for run in self.waiting if run.run_id == event.run_id), None)
            if run is None:
                return
            if event.event == "waiting":
                observer.waiting(run, event.text)
                return
            self.began_run = True
            if event.event == "started":
                observer.started(run)
            elif event.record is not None:
                self.waiting.remove(run)
                self.records.append(event.record)
                observer.finished(run, event.record)

    def is_over(self, now_s: float) -> bool:
        """Whether nothing more can come from the job."""
        if self._reported is not None:
            return True
        if self.ended_s is None:
            return False
        return self.end is not None or not self.waiting or now_s - self.ended_s > _GRACE_S

    def failure(self, log_tail: str, minutes: int) -> Failure:
        """Why the job ended before its runs did; a cause outside of the runs does not count as an attempt."""
        kind: Kind = "error"
        outside = True
        state = self.state.state if self.state else ""
        where = f" on {self.state.node}" if self.state and self.state.node else ""
        reason = f"job {self.job_id}{where} "
        if self._reported is not None:
            reason = self._reported.text or "the job ended without measuring this"
            outside = self._reported.setup_missing
        elif state in _OUTSIDE:
            reason += _OUTSIDE[state]
        elif not state:
            reason += "is lost: Slurm no longer lists it, and it left no result"
        else:
            kind, outside = _KINDS.get(state, "crash"), False
            reason += {
                "TIMEOUT": f"reached its time limit of {minutes} min",
                "OUT_OF_MEMORY": "ran out of memory",
            }.get(state, f"crashed or was killed: its state is {state}")
        return Failure(
            stage="job",
            kind=kind,
            reason=reason,
            setup_missing=outside,
            log_tail=log_tail,
        )

    @property
    def _reported(self) -> NodeEvent | None:
        """The job's own end, unless that was Slurm's doing."""
        return self.end if self.end is not None and not self.end.interrupted else None

    def split(self) -> tuple[list[PlannedRun], list[PlannedRun]]:
        """The runs that fail with the job, and those for another job.

        As when a worker dies: the current run fails, or all of them if none was started, because then the
        load is at fault. A cancelled job is not repeated.
        """
        cancelled = self.state is not None and self.state.state == "CANCELLED"
        if not self.began_run or cancelled or self._reported is not None:
            return self.waiting, []
        return self.waiting[:1], self.waiting[1:]
