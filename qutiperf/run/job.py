"""The task of a worker process and the events that it sends, both as JSON."""

from typing import Literal

from qutiperf.results.record import Failure, UsedCache
from qutiperf.spec.before import Before
from qutiperf.spec.config import StrictModel
from qutiperf.spec.point import Point
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.sut import Settings, SystemUnderTest
from qutiperf.spec.workload import Workload

OBSERVED = "worker.json"
PHASES = "phases.npz"
CHECKED = "accuracy_check.json"
PROFILE = "profile.json"


EventName = Literal[
    "loaded",
    "waiting",
    "started",
    "preparing",
    "prepared",
    "estimated",
    "checking",
    "done",
    "failed",
    "closed",
]


class JobRun(StrictModel):
    """One run of a job; the runner creates `folder` in the worker's directory.

    `workload` is set where small models share a worker: the model is loaded again where it changes.
    """

    folder: str
    point: Point
    samples_per_query: Literal[1, "batch_size", "all"]
    workload: Workload | None = None
    before: Before | None = None


class Job(StrictModel):
    """Runs that share one load of one model on one system, in order; `idle_s` is a pause before the first.

    `cores` are those that the worker may use; None for all. `seeds` replace LoadGen's own.
    With `fresh_after` LoadGen gets other samples than the first ones of the dataset (`fresh_samples`).
    With `profile`, networks and parts are profiled after their runs.
    """

    sut: SystemUnderTest
    workload: Workload
    options: Settings
    streams: int
    runs: list[JobRun]
    audit_config: str | None = None
    seeds: Seeds | None = None
    fresh_after: int | None = None
    samples: UsedCache | None = None
    idle_s: float = 0.0
    cores: list[int] | None = None
    keep_answers: bool = False
    profile: bool = False


class Event(StrictModel):
    """One line on the worker's event pipe; samples are prepared between `preparing` and `prepared`.

    `waiting`, for `seconds` at most, comes before a run that has conditions; with a `note`, which is a line
    for the user, once more if they do not hold yet. After `checking` the run itself is over and stored; until
    it is `done`, its accuracy is checked or its model profiled.
    """

    event: EventName
    folder: str | None = None
    seconds: float | None = None
    note: str | None = None
    failure: Failure | None = None
