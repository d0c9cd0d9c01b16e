"""The rehearsal's images carry their label in their sum."""

import numpy as np
import pytest

from qutiperf.adapters.base import Model
from qutiperf.adapters.simulated import Options, Simulated
from qutiperf.datasets import open_dataset
from qutiperf.datasets.rehearsal import Rehearsal
from qutiperf.errors import InputError
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec, load_workload


def opened(dtype: str = "uint8", shape: tuple[int, ...] = (3, 32, 32), seed: int = 1) -> Rehearsal:
    spec = InputSpec(name="x", dtype=dtype, shape=["batch", *shape])
    dataset = open_dataset(DatasetSpec(name="rehearsal", count=300, seed=seed), spec)
    assert isinstance(dataset, Rehearsal)
    return dataset


@pytest.mark.parametrize(("dtype", "shape"), [("uint8", (3, 32, 32)), ("float32", (7,)), ("uint8", (8, 8))])
def test_the_sum_is_the_label(dtype: str, shape: tuple[int, ...]) -> None:
    dataset = opened(dtype, shape)
    samples = dataset.load(range(300))
    assert samples.dtype == dtype
    assert samples.min() >= 0
    assert samples.max() <= 255
    sums = samples.reshape(300, -1).sum(axis=1, dtype=np.int64)
    assert (sums % 1000).tolist() == dataset.labels.tolist()
    assert len(set(dataset.labels.tolist())) > 200


def test_samples_are_independent_and_seeded() -> None:
    first = opened()
    assert np.array_equal(first.load([7])[0], opened().load(range(8))[7])
    assert not np.array_equal(first.load([7]), opened(seed=2).load([7]))
    assert first.describe()["sha256"] != opened(seed=2).describe()["sha256"]


def test_a_sample_that_is_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="samples of 6 values cannot carry 1,000 labels"):
        opened(shape=(6,))
    with pytest.raises(InputError, match="float16"):
        opened("float16")


def test_the_simulated_system_answers_the_label() -> None:
    workload, _ = load_workload("resnet50-rehearsal")
    assert (workload.rehearsal, workload.mlperf_benchmark) == (True, "resnet50")
    dataset = opened()
    adapter = Simulated()
    adapter.load(
        Model(path="", input_name="x", input_shape=(3, 32, 32), input_dtype="uint8", output_name="y"),
        Options(classes=1000, latency_us=1),
    )
    scores, _ = adapter.infer(dataset.load(range(20)))
    assert scores.argmax(axis=1).tolist() == dataset.labels[:20].tolist()
