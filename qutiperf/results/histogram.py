"""Log-linear histograms: bounded memory for runs of any length, percentiles within 0.1 %."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

SUB_BUCKET_BITS = 10  # a bucket is 1/1024 of its value wide, its middle at most 0.05 % away
_EXACT_BELOW = 2 << SUB_BUCKET_BITS  # smaller values have a bucket each
_MAXIMUM = (1 << 53) - 1  # larger values have no exact double; 104 days in nanoseconds


def bucket_of(values: Integers) -> Integers:
    """Bucket number of each value >= 0."""
    values = np.clip(values, 0, _MAXIMUM)
    exponent = np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1 - SUB_BUCKET_BITS
    shift = np.maximum(exponent, 0)
    return (shift << SUB_BUCKET_BITS) + (values >> shift)


def value_of(buckets: Integers) -> npt.NDArray[np.float64]:
    """The middle of each bucket."""
    shift = np.maximum((buckets >> SUB_BUCKET_BITS) - 1, 0)
    lowest = (buckets - (shift << SUB_BUCKET_BITS)) << shift
    return np.asarray(lowest + ((1 << shift) - 1) / 2, np.float64)


@dataclass(slots=True)
class Histogram:
    """Counts of values >= 0, with their exact count, sum, least and greatest."""

    counts: Integers = field(default_factory=lambda: np.zeros(_EXACT_BELOW, np.int64))
    total: int = 0
    minimum: int | None = None
    maximum: int | None = None

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def add(self, values: Integers) -> None:
        """Counts each value; an empty array changes nothing."""
        if values.size == 0:
            return
        added = np.bincount(bucket_of(values))
        self._grow(added.size)
        self.counts[: added.size] += added
        self.total += int(values.sum())
        self._widen(int(values.min()), int(values.max()))

    def merge(self, other: "Histogram") -> None:
        self._grow(other.counts.size)
        self.counts[: other.counts.size] += other.counts
        self.total += other.total
        if other.minimum is not None and other.maximum is not None:
            self._widen(other.minimum, other.maximum)

    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """The nearest-rank percentile, None if nothing was counted."""
        count = self.count
        if not count or self.minimum is None or self.maximum is None:
            return None
        rank = max(int(np.ceil(percent / 100 * count)), 1)
        bucket = np.searchsorted(np.cumsum(self.counts), rank)
        middle = float(value_of(np.array([bucket], np.int64))[0])
        return min(max(middle, self.minimum), self.maximum)

    def _grow(self, size: int) -> None:
        if size > self.counts.size:
            self.counts = np.concatenate([self.counts, np.zeros(size - self.counts.size, np.int64)])

    def _widen(self, low: int, high: int) -> None:
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)
