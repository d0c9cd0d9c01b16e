"""What an adapter answers beside its outputs cannot break a run in silence."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import pytest

from qutiperf.adapters.base import Array, Completion
from qutiperf.datasets import open_dataset
from qutiperf.datasets.classification import Classification
from qutiperf.errors import RunError
from qutiperf.harness.phases import combine
from qutiperf.harness.samples import PreparedSamples, Samples
from qutiperf.harness.streams import Completers, FirstError, Serving, Stream, Streams
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec, OutputSpec

SCORES = OutputSpec(name="scores", kind="scores")


@pytest.mark.parametrize("compute_ns", [1.5, float("nan"), 2**63, "70", b"1", [1]])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_compute_time_that_is_not_whole_nanoseconds_fails_the_run(
    compute_ns: object, one_by_one: bool
) -> None:
    def infer(batch: Array) -> Completion:
        return Completion(np.eye(10, dtype=np.float32)[: len(batch)], compute_ns)  # type: ignore[arg-type]

    dataset = open_dataset(
        DatasetSpec(name="synthetic", count=8), InputSpec(name="x", dtype="float32", shape=["batch", 3])
    )
    samples = PreparedSamples(dataset)
    samples.load(range(8))
    errors, completed = list[BaseException](), list[int]()
    failure = FirstError(errors.append)
    completers = Completers(lambda ids, *_: completed.extend(ids), lambda ids, *_: completed.extend(ids))
    stream = Stream(infer, Classification(SCORES), samples, 4, completers, failure)
    streams = Streams([stream], samples, Serving(4, one_by_one=one_by_one), failure)
    for number in range(3):
        streams.issue([number], [number])
    streams.close()
    assert sorted(completed) == [0, 1, 2]
    [error] = errors
    assert isinstance(error, RunError)
    assert f"is not a 64-bit whole number of nanoseconds, but a {type(compute_ns).__name__}" in str(error)
    assert combine([stream.recorder]).inputs == 3


@pytest.fixture
def _often_switched() -> Iterator[None]:
    """Threads change places so often that they meet in the worst one."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_often_switched")
def test_streams_never_wait_for_each_other_with_queries_in_hand() -> None:
    """Two streams that join waiting queries: one must not wait for a query that the other took."""

    def infer(batch: Array) -> Completion:
        return Completion(np.eye(10, dtype=np.float32)[: len(batch)], None)

    dataset = open_dataset(
        DatasetSpec(name="synthetic", count=8), InputSpec(name="x", dtype="float32", shape=["batch", 3])
    )
    samples = PreparedSamples(dataset)
    samples.load(range(8))
    failure, done = FirstError(lambda _: None), threading.Semaphore(0)

    def complete(ids: Sequence[int], address: int, size: int) -> None:
        done.release(len(ids))

    members = [
        Stream(infer, Classification(SCORES), samples, 8, Completers(complete, complete), failure)
        for _ in range(4)
    ]
    streams = Streams(members, samples, Serving(8, collect=True, one_by_one=True), failure)
    for _ in range(1000):
        for number in range(6):
            streams.issue([number], [number])
        for _ in range(6):
            assert done.acquire(timeout=5)
    streams.close()


class _Gated:
    """A stream that waits for its gate in every batch, and counts what it answered."""

    def __init__(self, done: Callable[[int], None]) -> None:
        self.gate, self.waiting, self._done = threading.Event(), threading.Event(), done

    def answer(self, ids: Sequence[int], *_: object) -> None:
        self.waiting.set()
        assert self.gate.wait(10)
        self._done(len(ids))


def test_a_query_of_several_batches_is_not_joined_with_itself() -> None:
    """As the probe of Server issues it: once for each stream, and one may take all of them."""
    answered: list[int] = []
    gated = [_Gated(answered.append), _Gated(answered.append)]
    serving = Serving(batch_size=4, collect=True)
    failure = FirstError(lambda error: pytest.fail(str(error)))
    streams = Streams(cast("list[Stream]", gated), cast("Samples", None), serving, failure)
    for number in range(2):
        streams.issue([number], [0])
        if number == 0:
            deadline = time.monotonic() + 10
            while not any(each.waiting.is_set() for each in gated) and time.monotonic() < deadline:
                time.sleep(0.001)
    assert all(each.waiting.wait(10) for each in gated)
    streams.issue(range(8), range(8))
    gated[0].gate.set()  # takes whatever waits in the queue, while the other is busy
    deadline = time.monotonic() + 10
    while sum(answered) < 9 and time.monotonic() < deadline:
        time.sleep(0.001)
    gated[1].gate.set()
    streams.close()
    assert sum(answered) == 10


def test_a_query_of_several_samples_is_timed_by_its_batches() -> None:
    """As the probe of Server issues it, whose recorders the warm-up folds."""
    dataset = open_dataset(
        DatasetSpec(name="synthetic", count=8), InputSpec(name="x", dtype="float32", shape=["batch", 3])
    )
    samples = PreparedSamples(dataset)
    samples.load(range(8))
    failure = FirstError(lambda error: pytest.fail(str(error)))

    def infer(batch: Array) -> Completion:
        return Completion(np.eye(10, dtype=np.float32)[: len(batch)], None)

    def complete(ids: Sequence[int], address: int, size: int) -> None:
        return

    stream = Stream(infer, Classification(SCORES), samples, 4, Completers(complete, complete), failure)
    streams = Streams([stream], samples, Serving(4, collect=True, one_by_one=True), failure)
    streams.issue(range(8), range(8))
    streams.close()
    stream.recorder.fold()
    assert (stream.recorder.batches, stream.recorder.inputs) == (2, 8)
