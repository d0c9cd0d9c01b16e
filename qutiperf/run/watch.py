"""The machine's state during a run, and the run's time limit."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, time_ns

import psutil

from qutiperf.surroundings import Disturbances, EnvironmentRow, Surroundings, disturbances
from qutiperf.units import seconds_from_ns

CHECK_LIMIT_S = 60.0  # the check ends itself after some seconds, unless a call of the runtime hangs
PREPARE_LIMIT_S = 4 * 3600.0  # 50,000 images at 0.3 s each


@dataclass(slots=True)
class Watch:
    """Times a run and samples the machine; `worker_pid` is None if no worker could be started.

    The preparation of samples has its own limit and does not count towards that of the run.
    """

    worker_pid: int | None
    limit_s: float
    sampler_pids: tuple[int, ...] = ()
    prepared_s: float = 0.0
    preparing_since: float | None = None
    checking_since: float | None = None
    started: float = field(default_factory=monotonic)
    started_utc: str = ""
    started_ns: int = 0
    own_cpu_s: float = 0.0
    surroundings: Surroundings = field(default_factory=Surroundings)
    rows: list[EnvironmentRow] = field(default_factory=list)
    looked: float = field(default_factory=monotonic)

    def begin(self, limit_s: float) -> None:
        """Starts the clock of a run, with a time limit in seconds."""
        self.started, self.limit_s = monotonic(), limit_s
        self.prepared_s, self.preparing_since, self.checking_since = 0.0, None, None
        self.started_ns = time_ns()
        self.started_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.look()
        self.rows = []

    def look(self) -> None:
        """Adds a row with the changes since the last sample, unless the run is over."""
        if self.checking_since is not None:
            return
        self.looked = monotonic()
        before, self.own_cpu_s = self.own_cpu_s, self._cpu_seconds() + sum(os.times()[:2])
        self.rows.append(self.surroundings.look(self.own_cpu_s - before, self.elapsed_s))

    def due(self, period_s: float) -> bool:
        """Whether the last sample is about that old; a parent may wake more often."""
        return monotonic() - self.looked > 0.9 * period_s

    @property
    def elapsed_s(self) -> float:
        """Until now, or until the check of its accuracy began."""
        return (self.checking_since or monotonic()) - self.started

    def check(self) -> None:
        """The run is over; what follows has a time limit of its own."""
        self.look()
        self.checking_since = monotonic()

    def prepare(self, *, started: bool) -> None:
        """Stops the clock of the time limit while samples are prepared, or starts it again."""
        if started:
            self.preparing_since = monotonic()
        elif self.preparing_since is not None:
            self.prepared_s += monotonic() - self.preparing_since
            self.preparing_since = None

    @property
    def left_s(self) -> float:
        """Seconds until the time limit, 0 once it is over."""
        if self.checking_since is not None:
            return max(CHECK_LIMIT_S - (monotonic() - self.checking_since), 0.0)
        if self.preparing_since is not None:
            return max(PREPARE_LIMIT_S - (monotonic() - self.preparing_since), 0.0)
        return max(self.limit_s - (self.elapsed_s - self.prepared_s), 0.0)

    def disturbances(self, window_ns: tuple[int, int] | None) -> Disturbances:
        """The state of the machine in LoadGen's test, or over the whole run if that is not known."""
        if window_ns is None:
            return disturbances(self.rows, 0.0, self.elapsed_s)
        begin, end = (seconds_from_ns(moment - self.started_ns) for moment in window_ns)
        return disturbances(self.rows, begin, end)

    def _cpu_seconds(self) -> float:
        own = self.sampler_pids if self.worker_pid is None else (self.worker_pid, *self.sampler_pids)
        return sum(map(_cpu_seconds_of, own))


def _cpu_seconds_of(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
