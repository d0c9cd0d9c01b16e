"""The resident memory of a worker and its children, against a limit."""

from time import monotonic

import psutil

from qutiperf.results.record import Failure
from qutiperf.run.worker_events import Stage
from qutiperf.spec.sut import WorkerLimits
from qutiperf.units import BYTES_PER_GB

_LOOK_S = 0.1  # 0.5 GB can be filled meanwhile
_SEARCH_S = 1.0  # for new children: every process of the machine has to be read


class MemoryWatch:
    """Watches a worker's process tree; does nothing without a limit."""

    def __init__(self, limits: WorkerLimits, worker_pid: int) -> None:
        self._limit_gb, self._pid = limits.memory_gb, worker_pid
        self._tree: list[psutil.Process] = []
        self._searched = -_SEARCH_S

    def tick_s(self, usual_s: float) -> float:
        """How long the parent may wait for events: less than usual if there is a limit."""
        return usual_s if self._limit_gb is None else min(usual_s, _LOOK_S)

    def exceeded(self, stage: Stage) -> Failure | None:
        """The failure, once the memory is above the limit."""
        if self._limit_gb is None:
            return None
        used_gb = self.resident_bytes() / BYTES_PER_GB
        if used_gb <= self._limit_gb:
            return None
        what = f"the worker and its processes used {used_gb:.3g} GB of memory"
        reason = f"{what}, more than limits.memory_gb: {self._limit_gb:g}; it was ended"
        return Failure(stage=stage, kind="memory", reason=reason)

    def resident_bytes(self) -> int:
        """Of the worker and all of its descendants; pages that they share count for each. 0 if it is gone."""
        if monotonic() - self._searched >= _SEARCH_S:
            self._tree, self._searched = _tree_of(self._pid), monotonic()
        return sum(map(_resident_bytes_of, self._tree))


def _tree_of(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _resident_bytes_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
