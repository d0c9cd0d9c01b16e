"""The end of a worker after its last run: the result of `close()`, and the processes left running."""

from dataclasses import dataclass
from time import monotonic

from qutiperf.results.record import Failure, RunRecord
from qutiperf.run.child import Child
from qutiperf.run.job import Event
from qutiperf.run.worker_events import worker_events

CLOSE_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """A worker after its last run, and what it reported in the same moment."""

    worker: Child
    events: list[Event]
    failure: Failure | None


def with_end(record: RunRecord, end: WorkerEnd) -> RunRecord:
    """The record of a worker's last run, with the result of `close()` and the processes left running."""
    worker, events, failure = end.worker, end.events, end.failure
    limit = monotonic() + CLOSE_LIMIT_S
    while True:
        failure = next((event.failure for event in events if event.failure), failure)
        left = limit - monotonic()
        if worker.ending is not None or failure is not None or left <= 0:
            break
        new, failure = worker_events(worker, left)
        events = [*events, *new]
    ending, closed = worker.ending, any(event.event == "closed" for event in events)
    if failure is None and ending is None:
        reason = f"close() did not return within {CLOSE_LIMIT_S:.0f} s"
        failure = Failure(stage="close", kind="time_limit", reason=reason)
    elif failure is None and ending is not None and (ending.exit_code != 0 or not closed):
        failure = Failure(stage="close", kind="crash", reason=f"{ending} while the adapter was closed")
    left_running = list(worker.kill().left)
    if failure is not None:
        failure = failure.model_copy(update={"stage": "close", "log_tail": worker.log_tail})
    return record.model_copy(update={"close_failure": failure, "left_running": left_running})
