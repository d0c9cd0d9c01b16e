"""What a worker reports, and failures that it cannot report."""

from typing import Literal

from pydantic import ValidationError

from qutiperf.results.record import Failure
from qutiperf.run.child import BrokenReplies, Child
from qutiperf.run.job import Event
from qutiperf.run.watch import CHECK_LIMIT_S, PREPARE_LIMIT_S, Watch

Stage = Literal["load", "before", "run"]
_HANG_UP_S = 2.0  # between the closing of the reply pipe and the end of the process


def worker_events(child: Child, timeout_s: float) -> tuple[list[Event], Failure | None]:
    """The worker's reports within the time limit, and the failure if something else wrote to its pipe."""
    try:
        return [Event.model_validate_json(line) for line in child.lines(timeout_s)], None
    except (BrokenReplies, ValidationError):
        reason = "something other than the worker wrote to its reply pipe"
        return [], Failure(stage="run", kind="error", reason=reason)


def gone(child: Child, watch: Watch, stage: Stage) -> Failure | None:
    """A failure that the worker could not report: it died, closed the pipe, or took too long."""
    if child.hung_up and child.ending is None:
        worker_events(child, _HANG_UP_S)
    if child.ending is not None or child.hung_up:
        reason = f"{child.ending or 'the worker closed its reply pipe'} before the run was done"
        return Failure(stage=stage, kind="crash", reason=reason)
    if watch.left_s:
        return None
    if watch.checking_since is not None:
        reason = f"a call of the adapter did not return within {CHECK_LIMIT_S:.0f} s"
    elif watch.preparing_since is not None:
        reason = f"the samples were not prepared within {PREPARE_LIMIT_S:.0f} s"
    else:
        reason = (
            f"did not end within the time limit of {watch.limit_s:.3g} s; settings.time_limit_s changes it"
        )
    return Failure(stage=stage, kind="time_limit", reason=reason)
