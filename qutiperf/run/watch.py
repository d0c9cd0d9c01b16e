"""The machine's state during a run, and the run's time limit."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import psutil

from qutiperf import host

PREPARE_LIMIT_S = 4 * 3600.0  # 50,000 images at 0.3 s each


@dataclass(slots=True)
class Watch:
    """Times a run and samples the machine; `worker_pid` is None if no worker could be started.

    The preparation of samples has its own limit and does not count towards that of the run.
    """

    worker_pid: int | None
    limit_s: float
    prepared_s: float = 0.0
    preparing_since: float | None = None
    started: float = field(default_factory=monotonic)
    started_utc: str = ""
    own_cpu_s: float = 0.0
    surroundings: host.Surroundings = field(default_factory=host.Surroundings)
    rows: list[dict[str, float | None]] = field(default_factory=list)

    def begin(self, limit_s: float) -> None:
        """Starts the clock of a run, with a time limit in seconds."""
        self.started, self.limit_s = monotonic(), limit_s
        self.prepared_s, self.preparing_since = 0.0, None
        self.started_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.look()
        self.rows = []

    def look(self) -> None:
        """Adds a row with the changes since the last sample."""
        before, self.own_cpu_s = self.own_cpu_s, self._cpu_seconds() + sum(os.times()[:2])
        self.rows.append(self.surroundings.look(self.own_cpu_s - before, self.elapsed_s))

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self.started

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
        if self.preparing_since is not None:
            return max(PREPARE_LIMIT_S - (monotonic() - self.preparing_since), 0.0)
        return max(self.limit_s - (self.elapsed_s - self.prepared_s), 0.0)

    def foreign_cpu_percent(self) -> float | None:
        """Mean CPU use of other processes over the run, weighted by the duration of each sample."""
        weighted, before = 0.0, 0.0
        for row in self.rows:
            if row["foreign_cpu_percent"] is None or row["elapsed_s"] is None:
                return None
            weighted += row["foreign_cpu_percent"] * (row["elapsed_s"] - before)
            before = row["elapsed_s"]
        return weighted / before if before else None

    def _cpu_seconds(self) -> float:
        if self.worker_pid is None:
            return 0.0
        try:
            times = psutil.Process(self.worker_pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)
