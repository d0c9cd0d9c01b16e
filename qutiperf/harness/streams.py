"""Turns LoadGen's queries into batches on adapter instances, and times every step of the way.

Nothing here raises into LoadGen: the first error is kept, every sample is completed, `failure` tells.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from queue import Queue, SimpleQueue
from time import perf_counter_ns as now

import numpy as np

from qutiperf.adapters.base import Array, Completion
from qutiperf.datasets.classification import Task
from qutiperf.harness.phases import PhaseRecorder
from qutiperf.harness.samples import Prepared, Samples

Complete = Callable[[Sequence[int], int, int], None]
Infer = Callable[[Array], Completion]
Observe = Callable[[Array, Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """How queries become batches: `collect` joins waiting queries (Server), else a query is cut up."""

    batch_size: int
    collect: bool = False
    feed_threads: int = 0


@dataclass(slots=True)
class Work:
    """A query, handed to several streams at once; each takes the next slice from `starts`."""

    ids: Sequence[int]
    indices: Sequence[int]
    issued: int
    starts: Iterator[int]


@dataclass(slots=True)
class Batch:
    """A batch whose samples are prepared, on its way from a feeder to a stream."""

    ids: Sequence[int]
    indices: Sequence[int]
    issued: int
    dequeued: int
    prepared: Prepared


class Failure:
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


class Stream:
    """One adapter instance, its scratch memory, its responses and its stamps."""

    def __init__(self, infer: Infer, task: Task, samples: Samples, batch_size: int) -> None:
        self._infer, self._task, self._samples = infer, task, samples
        self._scratch = samples.scratch(batch_size)
        self._responses = np.zeros((batch_size, task.response_length), task.response_dtype)
        self._address = self._responses.ctypes.data
        self._size = self._responses.strides[0]
        self.recorder = PhaseRecorder()

    def answer(self, batch: Batch, complete: Complete, failure: Failure, observe: Observe | None) -> None:
        """Infers and completes one batch; after a failure it only completes."""
        count = len(batch.ids)
        if failure.error is not None:
            complete(batch.ids, self._address, self._size)
            return
        started = now()
        gathered = answered = started
        compute_ns: int | None = None
        try:
            array = self._samples.gather(batch.prepared, self._scratch)
            gathered = now()
            outputs, compute_ns = self._infer(array)
            answered = now()
            self._responses[:count] = self._task.responses(outputs, count)
            if observe is not None:
                observe(outputs[:count], batch.indices)
        except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen
            failure.keep(error)
        complete(batch.ids, self._address, self._size)
        self.recorder.record(
            batch.issued, batch.dequeued, started, gathered, answered, now(), compute_ns, count
        )


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
        complete: Complete,
        failure: Failure,
        observe: Observe | None = None,
    ) -> None:
        self._streams, self._samples, self._serving = streams, samples, serving
        self._complete, self._failure, self._observe = complete, failure, observe
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._ready: Queue[Batch | None] = Queue(maxsize=2 * len(streams))
        self._feeders = self._spawn(self._feed, [()] * serving.feed_threads)
        target = self._drain if serving.feed_threads else self._serve
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
        work = Work(ids, indices, now(), count(0, size))
        batches = -(-len(ids) // size)
        for _ in range(min(batches, max(len(self._streams), self._serving.feed_threads))):
            self._queue.put(work)

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
        for batch in self._batches():
            stream.answer(batch, self._complete, self._failure, self._observe)

    def _feed(self) -> None:
        for batch in self._batches():
            self._ready.put(batch)

    def _drain(self, stream: Stream) -> None:
        while (batch := self._ready.get()) is not None:
            stream.answer(batch, self._complete, self._failure, self._observe)

    def _batches(self) -> Iterator[Batch]:
        size = self._serving.batch_size
        while (work := self._queue.get()) is not None:
            if self._serving.collect and size > 1:
                work = self._collected(work)
            while (start := next(work.starts)) < len(work.ids):
                yield self._batch(work, start, start + size)

    def _collected(self, first: Work) -> Work:
        """The waiting queries up to a batch, as one; the phases count from the oldest query on."""
        works = [first]
        while len(works) < self._serving.batch_size and not self._queue.empty():
            another = self._queue.get()
            if another is None:
                self._queue.put(None)
                break
            works.append(another)
        if len(works) == 1:
            return first
        ids = [query for work in works for query in work.ids]
        indices = [index for work in works for index in work.indices]
        return Work(ids, indices, first.issued, count(0, self._serving.batch_size))

    def _batch(self, work: Work, start: int, end: int) -> Batch:
        dequeued = now()
        indices = work.indices[start:end]
        prepared: Prepared = indices
        try:
            if self._failure.error is None:
                prepared = self._samples.prepare(indices)
        except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen
            self._failure.keep(error)
        return Batch(work.ids[start:end], indices, work.issued, dequeued, prepared)


class Inline:
    """One batch in flight, as in SingleStream: answered in LoadGen's own thread, with no queue between.

    Handing a batch to another thread and back costs more than a small model's inference.
    """

    def __init__(
        self,
        infer: Infer,
        task: Task,
        samples: Samples,
        complete: Complete,
        failure: Failure,
        batch_size: int = 1,
    ) -> None:
        self.recorder = PhaseRecorder()
        self._response = np.zeros((batch_size, task.response_length), task.response_dtype)
        self.issue = self._issue_function(infer, task, samples, complete, failure)

    def _issue_function(
        self, infer: Infer, task: Task, samples: Samples, complete: Complete, failure: Failure
    ) -> Callable[[Sequence[int], Sequence[int]], None]:
        """A closure: local names are what a callback of a few microseconds can afford."""
        response, address, size = self._response, self._response.ctypes.data, self._response.strides[0]
        batch_size = len(response)
        record, responses = self.recorder.record, task.responses
        prepare, gather, scratch = samples.prepare, samples.gather, samples.scratch(batch_size)

        def issue(ids: Sequence[int], indices: Sequence[int]) -> None:
            issued = prepared = gathered = answered = now()
            compute_ns: int | None = None
            if failure.error is None:
                try:
                    ready = prepare(indices)
                    prepared = now()
                    array = gather(ready, scratch)
                    gathered = now()
                    outputs, compute_ns = infer(array)
                    answered = now()
                    response[:] = responses(outputs, batch_size)
                except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen
                    failure.keep(error)
            complete(ids, address, size)
            record(issued, issued, prepared, gathered, answered, now(), compute_ns, batch_size)

        return issue
