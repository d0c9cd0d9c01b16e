"""What the machine did while a worker was busy, and how long that may take."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import psutil

from qutiperf import host


@dataclass(slots=True)
class Watch:
    """Times a run and samples its surroundings; `worker_pid` is None where no worker could be started."""

    worker_pid: int | None
    limit_s: float
    started: float = field(default_factory=monotonic)
    started_utc: str = ""
    own_cpu_s: float = 0.0
    surroundings: host.Surroundings = field(default_factory=host.Surroundings)
    rows: list[dict[str, float | None]] = field(default_factory=list)

    def begin(self, limit_s: float) -> None:
        """Starts the clock of a run, with a time limit in seconds."""
        self.started, self.limit_s = monotonic(), limit_s
        self.started_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.look()
        self.rows = []

    def look(self) -> None:
        """Adds a row on what happened since the last look."""
        before, self.own_cpu_s = self.own_cpu_s, self._cpu_seconds() + sum(os.times()[:2])
        self.rows.append(self.surroundings.look(self.own_cpu_s - before, self.elapsed_s))

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self.started

    @property
    def left_s(self) -> float:
        """Seconds until the time limit, 0 once it is over."""
        return max(self.limit_s - self.elapsed_s, 0.0)

    def foreign_cpu_percent(self) -> float | None:
        """Mean over the run of what other processes used, weighted by the time each look spans."""
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
