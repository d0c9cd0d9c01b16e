"""Audits get samples that LoadGen did not use before, and batches hold what LoadGen's numbers stand for."""

import numpy as np
import pytest

from qutiperf.datasets import open_dataset
from qutiperf.harness.fresh_samples import fresh_samples
from qutiperf.harness.samples import PreparedSamples, RawSamples
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec

INPUT = InputSpec(name="image", dtype="float32", shape=["batch", 1, 8, 8])


@pytest.mark.parametrize(("total", "used"), [(10, 4), (10, 0), (10, 10), (4, 9), (1, 1)])
def test_others_come_first_and_none_is_missing(total: int, used: int) -> None:
    numbers = fresh_samples(total, used, seed=7)
    assert sorted(numbers) == list(range(total))
    others = max(total - used, 0)
    assert (numbers[:others] >= used).all()


def test_the_seed_decides() -> None:
    one, same, other = (fresh_samples(1000, 500, seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
    assert one[:500].tolist() != list(range(500, 1000))


def test_a_batch_has_the_samples_that_the_numbers_stand_for() -> None:
    dataset = open_dataset(DatasetSpec(name="digits"), INPUT)
    samples, numbers = PreparedSamples(dataset), fresh_samples(dataset.count, 100, seed=3)
    samples.renumber(numbers)
    scratch = samples.scratch(4)
    for loaded in (range(50), range(20, 90)):  # some of the second set are in memory already
        samples.load(loaded)
        for asked in ([30, 21, 45, 30], [25, 26, 27, 28], [49]):
            np.testing.assert_array_equal(
                samples.gather(asked, scratch), dataset.load(numbers[asked].tolist())
            )


def test_undecoded_samples_are_renumbered_too() -> None:
    dataset = open_dataset(DatasetSpec(name="digits"), INPUT)
    samples, numbers = RawSamples(dataset), fresh_samples(dataset.count, 100, seed=3)
    samples.renumber(numbers)
    samples.load(range(5))
    np.testing.assert_array_equal(samples.prepare([3, 1]), dataset.load(numbers[[3, 1]].tolist()))
