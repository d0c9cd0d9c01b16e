"""The process that prepares samples for a sweep: `python -m qutiperf.run.prepare FOLDER EVENTS`.

A test of LoadGen with a system that answers at once shows which samples it loads together; these become
the files of the cache.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Literal

import numpy as np

from qutiperf.adapters.base import Array
from qutiperf.datasets import open_samples
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.errors import QutiperfError, RunError
from qutiperf.harness.sample_cache import SampleCache, sample_key
from qutiperf.harness.samples import samples_of_probe
from qutiperf.host import available_cores
from qutiperf.loadgen import driver
from qutiperf.loadgen.settings import Targets, TestRequest
from qutiperf.printable import error_text
from qutiperf.run.child import Replies, end_now, read_task
from qutiperf.spec.config import StrictModel
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName
from qutiperf.spec.workload import Workload

_FAILED = 70  # EX_SOFTWARE
_PART = 16  # samples of each thread at a time
_REPORT_S = 0.5
_SHORTEST_S = 0.001
Report = Callable[[int], None]


class SampleTask(StrictModel):
    """Samples to keep; the fields are those of SampleSource and SampleSets."""

    workload: Workload
    key: str
    folder: str
    most_bytes: int
    sample_bytes: int
    performance_count: int
    given: int | None
    every: bool
    submission: bool
    in_use: list[str]


class SampleEvent(StrictModel):
    """One line on the event pipe; `in_use` has the files of a task that is complete."""

    event: Literal["progress", "kept", "no_room", "failed"]
    done: int = 0
    in_use: list[str] = []
    reason: str = ""


def prepare(task: SampleTask, report: Report) -> list[str] | None:
    """The files in use, with those of this task; None if there is no room. Raises what the dataset raises."""
    dataset = open_samples(task.workload)
    if sample_key(dataset, task.workload) != task.key:
        raise RunError("the dataset's files have changed since the sweep was planned")
    cache, in_use = SampleCache(Path(task.folder), task.most_bytes), set(task.in_use)
    done = 0
    with ThreadPoolExecutor(available_cores()) as pool:
        for indices in _sets(task, dataset.count):
            make = _Parts(dataset, indices, pool, done, report)
            if not cache.keep(task.key, indices, len(indices) * task.sample_bytes, make, in_use):
                return None
            done += len(indices)
            report(done)
    return sorted(in_use)


class _Parts:
    """The samples of one set, some at a time, prepared by all cores."""

    def __init__(
        self, dataset: Dataset, indices: Sequence[int], pool: ThreadPoolExecutor, done: int, report: Report
    ) -> None:
        self._dataset, self._indices, self._pool = dataset, indices, pool
        self._done, self._report = done, report

    def __call__(self) -> Iterator[list[Array]]:
        size = _PART * available_cores()
        for start in range(0, len(self._indices), size):
            self._report(self._done + start)
            yield self._prepared(self._indices[start : start + size])

    def _prepared(self, indices: Sequence[int]) -> list[Array]:
        shares = [indices[start : start + _PART] for start in range(0, len(indices), _PART)]
        by_share = list(self._pool.map(self._load, shares))
        return [np.concatenate(parts) for parts in zip(*by_share, strict=True)]

    def _load(self, indices: Sequence[int]) -> list[Array]:
        if isinstance(self._dataset, ManyInputs):
            return self._dataset.load_own(indices)
        return [self._dataset.load(indices)]


def _sets(task: SampleTask, total: int) -> list[Sequence[int]]:
    """The sets of samples that LoadGen loads in the runs, in order, after those of the probe."""
    sets: list[Sequence[int]] = []
    request = TestRequest(
        scenario=ScenarioName.OFFLINE,
        mode=Mode.ACCURACY if task.every else Mode.PERFORMANCE,
        settings=RunSettings(
            performance_sample_count=task.given, min_duration_s=_SHORTEST_S, min_query_count=1
        ),
        targets=Targets(rate_per_s=1000.0),
        samples_per_query=1,
        total_count=total,
        performance_count=task.performance_count,
        log_dir=Path(),
        submission=task.submission,
        model_name=task.workload.mlperf_benchmark or "*",
    )
    driver.run_test(request, _answer, lambda indices: sets.append(sorted(set(indices))), _ignore)
    if task.every:
        return sets
    probe = list(samples_of_probe(total, task.performance_count))
    return sets[:1] if probe in sets[:1] else [probe, *sets[:1]]


def _answer(ids: Sequence[int], _: Sequence[int]) -> None:
    rows = np.zeros(len(ids), np.float32)
    driver.complete(ids, rows.ctypes.data, rows.itemsize)


def _ignore(_: Sequence[int]) -> None:
    return


class _Progress:
    """Sends how many samples are done, but not all the time."""

    def __init__(self, replies: Replies) -> None:
        self._replies, self._sent = replies, 0.0

    def __call__(self, done: int) -> None:
        if monotonic() - self._sent >= _REPORT_S:
            self._sent = monotonic()
            self._replies.send(SampleEvent(event="progress", done=done))


def main(folder: str, descriptor: str) -> None:
    """Runs the process; never returns."""
    replies = Replies(int(descriptor))
    try:
        in_use = prepare(read_task(SampleTask, Path(folder)), _Progress(replies))
    except BaseException as error:  # noqa: BLE001 - a decoder may raise anything
        with contextlib.suppress(Exception):
            traceback.print_exception(error, file=sys.stderr)
        replies.send(SampleEvent(event="failed", reason=_reason(error)))
        end_now(_FAILED)
    event: Literal["no_room", "kept"] = "no_room" if in_use is None else "kept"
    replies.send(SampleEvent(event=event, in_use=in_use or []))
    end_now()


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return error_text(error, with_type=not isinstance(error, QutiperfError))


if __name__ == "__main__":
    main(*sys.argv[1:])
