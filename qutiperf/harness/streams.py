"""Turns LoadGen's queries into batches on adapter instances, and times every step of the way.

Nothing here raises into LoadGen: the first error is kept, every sample is completed, `failure` tells.
"""

import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from queue import Empty, Queue, SimpleQueue
from time import perf_counter_ns as now
from typing import NamedTuple

import numpy as np

from qutiperf.adapters.base import Array, Completion
from qutiperf.datasets.task import Task
from qutiperf.errors import RunError
from qutiperf.harness.phases import PhaseRecorder
from qutiperf.harness.responses import Responses
from qutiperf.harness.samples import Prepared, Samples

Complete = Callable[[Sequence[int], int, int], None]
Infer = Callable[[Array], tuple[Array, int | None]]
Answer = Callable[[Sequence[int], Sequence[int], int, int, Prepared | None, "Queries | None"], None]
_NOT_NANOSECONDS = (
    "the adapter gave a compute time that is not a 64-bit whole number of nanoseconds, but a {}"
)
Observe = Callable[[Array, Sequence[int]], None]
Keep = Callable[[list[int]], None]
Issue = Callable[[list[int], list[int]], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """How queries become batches: `collect` joins waiting queries (Server), else a query is cut up.

    `one_by_one` says that each query is one sample (Server), and is timed by itself.
    """

    batch_size: int
    collect: bool = False
    feed_threads: int = 0
    one_by_one: bool = False


class Queries(NamedTuple):
    """The queries of a batch of Server: their numbers in LoadGen's order, and when each was issued."""

    numbers: Sequence[int]
    issues: Sequence[int]


class Work(NamedTuple):
    """A query, handed to several streams at once; each takes the next slice from `starts`."""

    ids: Sequence[int]
    indices: Sequence[int]
    issued: int
    starts: Iterator[int]
    queries: Queries | None


class Batch(NamedTuple):
    """A batch whose samples are prepared, on its way from a feeder to a stream."""

    ids: Sequence[int]
    indices: Sequence[int]
    issued: int
    dequeued: int
    prepared: Prepared | None
    queries: Queries | None


class FirstError:
    """Keeps the first error of any thread and tells `notify` about it, once."""

    def __init__(self, notify: Callable[[BaseException], None]) -> None:
        self._lock = threading.Lock()
        self._notify = notify
        self.error: BaseException | None = None

    def keep(self, error: BaseException) -> None:
        with self._lock:
            first, self.error = self.error is None, self.error or error
        if first:
            self._notify(error)


class Completers(NamedTuple):
    """How LoadGen is answered: any number of queries, or in less time exactly one."""

    many: Complete
    one: Complete


def _forget(_: Sequence[int]) -> None:
    return


class Stream:
    """One adapter instance, its scratch memory, its responses and its stamps.

    `keep` hears the indices of each query that was issued and answered.
    """

    def __init__(
        self,
        infer: Infer,
        task: Task,
        samples: Samples,
        batch_size: int,
        completers: Completers,
        failure: FirstError,
        observe: Observe | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.recorder = PhaseRecorder()
        self.answer = self._answer_function(infer, task, samples, batch_size, completers, failure, observe)
        self.issue = self._issue_function(self.answer, keep or _forget)

    def _issue_function(self, answer: Answer, keep: Keep) -> Issue:
        """One batch in flight: answers in LoadGen's own thread, with no queue between.

        Handing a batch to another thread and back costs more than a small model's inference.
        """

        def issue(ids: list[int], indices: list[int]) -> None:
            issued = now()
            answer(ids, indices, issued, issued, None, None)
            keep(indices)

        return issue

    def _answer_function(
        self,
        infer: Infer,
        task: Task,
        samples: Samples,
        batch_size: int,
        completers: Completers,
        failure: FirstError,
        observe: Observe | None,
    ) -> Answer:
        """A closure: local names are what a batch of a few microseconds can afford."""
        rows = np.zeros((batch_size, task.response_length or 0), task.response_dtype)
        address, size = rows.ctypes.data, rows.strides[0]
        prepare, gather, scratch = samples.prepare, samples.gather, samples.scratch(batch_size)
        record, keep_queries = self.recorder.record, self.recorder.queries
        responses, response = task.responses, task.response
        in_memory, short = samples.in_memory, task.response_length == 1
        held = Responses(task, completers.one) if task.response_length is None else None
        many, one = Completers(held.complete, held.complete) if held else completers

        def answer(
            ids: Sequence[int],
            indices: Sequence[int],
            issued: int,
            dequeued: int,
            ready: Prepared | None,
            queries: Queries | None,
        ) -> None:
            """Infers, completes and stamps one batch; after a failure it only completes."""
            count = len(ids)
            prepared = gathered = answered = dequeued
            compute_ns: int | None = None
            if failure.error is None:
                try:
                    if ready is None:
                        ready = indices if in_memory else prepare(indices)
                    prepared = dequeued if in_memory else now()
                    array = gather(ready, scratch)
                    gathered = now()
                    outputs, compute_ns = infer(array)
                    answered = now()
                    if count == 1 and short:
                        rows[0, 0] = response(outputs)
                    elif held is None:
                        rows[:count] = responses(outputs, count)
                    else:
                        held.keep(outputs, count)
                    if observe is not None:
                        observe(outputs, indices)
                except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen
                    failure.keep(error)
            (one if count == 1 else many)(ids, address, size)
            completed = now()
            if queries is not None:
                keep_queries(*queries)
            try:
                record(issued, dequeued, prepared, gathered, answered, completed, compute_ns, count)
            except (struct.error, TypeError):
                failure.keep(RunError(_NOT_NANOSECONDS.format(type(compute_ns).__name__)))
                record(issued, dequeued, prepared, gathered, answered, completed, None, count)

        return answer


def padded(infer: Infer, fixed_batch: int, like: Array) -> Infer:
    """`infer` for a model whose file fixes the batch: the last sample is repeated, its answers dropped."""
    full = np.empty((fixed_batch, *like.shape[1:]), like.dtype)

    def infer_padded(batch: Array) -> Completion:
        count = len(batch)
        full[:count], full[count:] = batch, batch[-1]
        outputs, compute_ns = infer(full)
        return Completion(outputs[:count], compute_ns)

    return infer_padded


class Streams:
    """Threads that feed batches to streams; call `issue` from LoadGen, `close` when done."""

    def __init__(
        self,
        streams: Sequence[Stream],
        samples: Samples,
        serving: Serving,
        failure: FirstError,
        keep: Callable[[Sequence[int]], None] = _forget,
    ) -> None:
        self._keep = keep
        self._streams, self._samples, self._serving, self._failure = streams, samples, serving, failure
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._ready: Queue[Batch | None] = Queue(maxsize=2 * len(streams))
        self._feeders = self._spawn(self._feed, [()] * serving.feed_threads)
        target = self._drain if serving.feed_threads else self._serve
        self._numbers = count()
        self._servers = self._spawn(target, [(stream,) for stream in streams])

    def _spawn(
        self, target: Callable[..., None], arguments: Sequence[tuple[object, ...]]
    ) -> list[threading.Thread]:
        threads = [threading.Thread(target=target, args=each, daemon=True) for each in arguments]
        for thread in threads:
            thread.start()
        return threads

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """Takes one query; wakes no more threads than it has batches for."""
        size = self._serving.batch_size
        issued = now()
        alone = self._serving.one_by_one and len(ids) == 1  # the probe issues larger ones
        queries = Queries((next(self._numbers),), (issued,)) if alone else None
        work = Work(ids, indices, issued, count(0, size), queries)
        batches = -(-len(ids) // size)
        for _ in range(min(batches, max(len(self._streams), self._serving.feed_threads))):
            self._queue.put(work)
        self._keep(indices)

    def close(self) -> None:
        """Waits for the threads to end."""
        threads = self._feeders or self._servers
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()
        if self._feeders:
            for _ in self._servers:
                self._ready.put(None)
            for thread in self._servers:
                thread.join()

    def _serve(self, stream: Stream) -> None:
        size, answer = self._serving.batch_size, stream.answer
        while (work := self._next_work()) is not None:
            ids, indices, issued, starts, queries = work
            total = len(ids)
            for start in starts:
                if start >= total:
                    break
                end = start + size
                answer(ids[start:end], indices[start:end], issued, now(), None, queries)

    def _feed(self) -> None:
        size = self._serving.batch_size
        while (work := self._next_work()) is not None:
            for start in work.starts:
                if start >= len(work.ids):
                    break
                self._ready.put(self._prepared(work, start, start + size))

    def _drain(self, stream: Stream) -> None:
        while (batch := self._ready.get()) is not None:
            stream.answer(*batch)

    def _prepared(self, work: Work, start: int, end: int) -> Batch:
        dequeued, indices = now(), work.indices[start:end]
        prepared: Prepared | None = None
        try:
            if self._failure.error is None:
                prepared = self._samples.prepare(indices)
        except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen
            self._failure.keep(error)
        return Batch(work.ids[start:end], indices, work.issued, dequeued, prepared, work.queries)

    def _next_work(self) -> Work | None:
        """A query; with `collect`, the waiting queries up to a batch as one, timed from the oldest on.

        A query of several samples, as in the probe, stays alone: the queue has it once for each stream.
        """
        first = self._queue.get()
        alone = not self._serving.collect or self._serving.batch_size == 1
        if first is None or alone or len(first.ids) > 1:
            return first
        works = [first]
        while len(works) < self._serving.batch_size:
            try:
                another = self._queue.get_nowait()  # another stream may have taken what was waiting
            except Empty:
                break
            if another is None:
                self._queue.put(None)
                break
            works.append(another)
        if len(works) == 1:
            return first
        ids = [query for work in works for query in work.ids]
        indices = [index for work in works for index in work.indices]
        together = [work.queries for work in works if work.queries is not None]
        numbers = [number for queries in together for number in queries.numbers]
        issues = [issued for queries in together for issued in queries.issues]
        return Work(ids, indices, first.issued, count(0, len(ids)), Queries(numbers, issues))
