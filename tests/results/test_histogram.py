"""Log-linear histograms against exact percentiles."""

import numpy as np
import pytest

from qutiperf.results.histogram import Histogram, bucket_of, value_of


def test_small_values_are_exact() -> None:
    values = np.arange(2048, dtype=np.int64)
    assert (value_of(bucket_of(values)) == values).all()


def test_buckets_are_ordered_and_fine() -> None:
    values = np.unique(np.logspace(0, 15, 100_000).astype(np.int64))
    buckets = bucket_of(values)
    assert (np.diff(buckets) >= 0).all()
    assert (np.abs(value_of(buckets) - values) <= 0.0005 * values).all()


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 99.9, 100])
def test_percentiles_are_within_a_thousandth(percent: float) -> None:
    values = np.random.default_rng(1).lognormal(11, 1.5, 50_000).astype(np.int64)
    histogram = Histogram()
    for part in np.array_split(values, 7):
        histogram.add(part)
    exact = np.percentile(values, percent, method="inverted_cdf")
    found = histogram.percentile(percent)
    assert found is not None
    assert abs(found - exact) <= 0.001 * exact
    assert histogram.count == values.size
    assert histogram.mean() == values.sum() / values.size
    assert (histogram.minimum, histogram.maximum) == (values.min(), values.max())


def test_merging_equals_adding_all() -> None:
    first, second, both = Histogram(), Histogram(), Histogram()
    low, high = np.array([5, 7], np.int64), np.array([10**12], np.int64)
    first.add(low)
    second.add(high)
    both.add(np.concatenate([low, high]))
    first.merge(second)
    assert (first.counts == both.counts).all()
    assert (first.total, first.minimum, first.maximum) == (both.total, 5, 10**12)


def test_nothing_counted_is_unknown() -> None:
    histogram = Histogram()
    histogram.add(np.array([], np.int64))
    assert (histogram.mean(), histogram.percentile(50), histogram.minimum) == (None, None, None)
