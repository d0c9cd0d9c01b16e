"""Checks of input and output arrays, and of one answer per query."""

import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import numpy as np

from qutiperf.conformance.finding import CheckFinding, failed, passed
from qutiperf.conformance.subject import LoadedAdapter
from qutiperf.datasets.tasks import task_for
from qutiperf.element_type import zeros
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.streams import Complete, Completers, FirstError, Serving, Stream, Streams
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName

_LOADGEN_S = 0.2
_WAIT_S = 60.0


def tensors(subject: LoadedAdapter) -> CheckFinding:
    """infer() does not change its input; outputs are valid until the next call of the same instance.

    As in the harness, batches are rows of a larger array, and a reused buffer.
    """
    if subject.many:
        return _several_tensors(subject)
    size = subject.batch
    images = np.ascontiguousarray(subject.inputs(2 * size + 1))
    first, second = subject.load(), subject.load()
    expected = first.answer(images[1 : size + 1])
    rows, before = images[1 : size + 1], images.copy()
    outputs = first.instance.infer(rows)[0]
    if (images != before).any():
        raise failed("infer() changes its input, which other queries reuse")
    kept = np.array(outputs)
    if problem := subject.difference(expected, kept):
        raise failed(f"rows of a larger array: {problem}")
    images[:] = images[::-1].copy()
    if not np.array_equal(kept, outputs):
        raise failed("outputs change if the input array changes after the call: they are a view of it")
    other = second.instance.infer(np.array(before[size + 1 :]))[0]
    if np.shares_memory(outputs, other) or not np.array_equal(kept, outputs):
        raise failed("a call of a second instance overwrites the outputs of the first")
    subject.calls += 2
    first.close()
    second.close()
    return passed("input unchanged; outputs belong to their instance and are valid until its next call")


def _several_tensors(subject: LoadedAdapter) -> CheckFinding:
    """The same of one step of a model with several inputs and outputs."""
    first, second = subject.load(), subject.load()
    count = subject.model.fixed_batch or subject.batch
    given = [zeros(tensor.batched(count), tensor.dtype) for tensor in subject.model.inputs]
    before = [array.copy() for array in given]
    outputs = first.instance.infer_many(tuple(given))[0]
    if any(not np.array_equal(old, new) for old, new in zip(before, given, strict=True)):
        raise failed("infer_many() changes its inputs, which other queries reuse")
    kept = [np.array(output) for output in outputs]
    others = second.instance.infer_many(tuple(array.copy() for array in given))[0]
    pairs = [(mine, other) for mine in outputs for other in others if mine.dtype.kind != "O"]
    shared = any(np.shares_memory(mine, other) for mine, other in pairs)
    changed = any(
        subject.difference(old, np.array(new)) is not None for old, new in zip(kept, outputs, strict=True)
    )
    if shared or changed:
        raise failed("a call of a second instance overwrites the outputs of the first")
    subject.calls += 2
    first.close()
    second.close()
    return passed("inputs unchanged; outputs belong to their instance and are valid until its next call")


class _Answered:
    """Counts completed ids; wakes the waiting thread after the last one."""

    def __init__(self, expected: int) -> None:
        self.ids: Counter[int] = Counter()
        self.done = threading.Event()
        self._expected, self._lock = expected, threading.Lock()

    def complete(self, ids: Sequence[int], address: int, size: int) -> None:
        with self._lock:
            self.ids.update(ids)
            if self.ids.total() >= self._expected:
                self.done.set()


def ids(subject: LoadedAdapter) -> CheckFinding:
    """Each sample is answered once without an error: by the harness with two streams, and with LoadGen."""
    loaded = [subject.load(), subject.load()]
    model = subject.loaded_model([each.instance for each in loaded], task_for(subject.workload))
    count = 16 * subject.batch
    answered = _Answered(count)
    streams, failure = _streams(subject, model, subject.batch, answered.complete)
    before = monotonic()
    streams.issue(range(count), [number % subject.dataset.count for number in range(count)])
    if not answered.done.wait(_WAIT_S):
        raise failed(f"{answered.ids.total()} of {count} samples answered after {_WAIT_S:.0f} s")
    streams.close()
    subject.calls += count // subject.batch
    _check_ids(answered, count, failure)
    calls_per_s = count / subject.batch / max(monotonic() - before, 1e-3)
    by_loadgen = _through_loadgen(subject, model, min(calls_per_s, 500.0))
    for each in loaded:
        each.close()
    return passed(f"{count} samples through two streams, {by_loadgen}: each answered once")


def _streams(
    subject: LoadedAdapter, model: LoadedModel, size: int, complete: Complete
) -> tuple[Streams, FirstError]:
    samples = model.samples(False)
    samples.load(range(min(subject.dataset.count, 16 * size)))
    failure = FirstError(lambda _: None)
    completers = Completers(complete, complete)
    members = [Stream(infer, model.task, samples, size, completers, failure) for infer in model.infers()]
    return Streams(members, samples, Serving(size), failure), failure


def _check_ids(answered: _Answered, count: int, failure: FirstError) -> None:
    if failure.error is not None:
        raise failed(f"{type(failure.error).__name__}: {failure.error}")
    wrong = count - sum(1 for times in answered.ids.values() if times == 1)
    if wrong or len(answered.ids) != count:
        raise failed(f"{wrong} of {count} samples not answered exactly once")


def _through_loadgen(subject: LoadedAdapter, model: LoadedModel, rate_per_s: float) -> str:
    """Runs one Offline test of single samples; returns the number of answers, or that LoadGen is missing."""
    try:
        from qutiperf.loadgen import driver
        from qutiperf.loadgen.settings import Targets, TestRequest
    except ImportError:
        return "LoadGen is not installed"
    model.tune(1)
    answered, issued = _Answered(1 << 62), list[int]()

    def complete(ids: Sequence[int], address: int, size: int) -> None:
        answered.complete(ids, address, size)
        driver.complete(ids, address, size)

    streams, failure = _streams(subject, model, 1, complete)

    def issue(ids: list[int], indices: list[int]) -> None:
        issued.extend(ids)
        streams.issue(ids, indices)

    held = min(subject.dataset.count, 16)
    with tempfile.TemporaryDirectory(dir=subject.folder) as folder:
        settings = RunSettings(min_duration_s=_LOADGEN_S, min_query_count=1, performance_sample_count=held)
        request = TestRequest(
            ScenarioName.OFFLINE,
            Mode.PERFORMANCE,
            settings,
            Targets(rate_per_s=rate_per_s),
            1,
            held,
            held,
            Path(folder),
        )
        driver.run_test(request, issue, lambda _: None, lambda _: None)
    streams.close()
    subject.calls += len(issued)
    _check_ids(answered, len(issued), failure)
    return f"{len(issued)} from LoadGen"
