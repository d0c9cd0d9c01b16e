"""The probe before a run: its stamps can be read, whatever the queries of the scenario are."""

import numpy as np
import pytest

from qutiperf.adapters.base import Array, Completion
from qutiperf.datasets import open_dataset
from qutiperf.datasets.classification import Classification
from qutiperf.harness.probe import StreamProbe
from qutiperf.harness.samples import PreparedSamples
from qutiperf.harness.streams import Complete, Completers, FirstError, Serving, Stream
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec, OutputSpec


@pytest.mark.parametrize("one_by_one", [False, True])
def test_the_stamps_of_a_probe_count_every_input(one_by_one: bool) -> None:
    """Server's queries have one sample, those of its probe many."""
    answered = 0

    def infer(batch: Array) -> Completion:
        nonlocal answered
        answered += len(batch)
        return Completion(np.eye(10, dtype=np.float32)[: len(batch)], None)

    source = InputSpec(name="x", dtype="float32", shape=["batch", 3])
    samples = PreparedSamples(open_dataset(DatasetSpec(name="synthetic", count=8), source))
    samples.load(range(8))
    failure = FirstError(lambda error: pytest.fail(str(error)))
    made: list[Stream] = []

    def make(complete: Complete) -> list[Stream]:
        task = Classification(OutputSpec(name="scores", kind="scores"))
        made.append(Stream(infer, task, samples, 4, Completers(complete, complete), failure))
        return made

    probe = StreamProbe(make, samples, Serving(4, collect=one_by_one, one_by_one=one_by_one), failure)
    probe.warm_up(8, range(8), 2_000_000)
    probe.rate_per_s(4, 1, range(8), 2_000_000)
    probe.close()
    [stream] = made
    stream.recorder.fold()
    assert stream.recorder.inputs == answered >= 12
