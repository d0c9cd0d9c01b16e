"""The median of repeated runs and its interval."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH_REPEATS = 3
_CONFIDENCE = 0.975  # of a two-sided interval of 95 %
# MLPerf's audit guidelines accept a repeated run within 2 %: two runs that are closer count as equal
_ASSUMED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Spread:
    """Median over the repeats and its interval; `assumed` if there are too few repeats for one."""

    value: float
    low: float
    high: float
    repeats: int
    assumed: bool

    @property
    def half_percent(self) -> float | None:
        """Half the interval in percent of the median; None if that is 0."""
        return 50.0 * (self.high - self.low) / abs(self.value) if self.value else None


def spread_of(values: Sequence[float]) -> Spread:
    """From three values the 95 % interval of Student's t; with fewer MLPerf's tolerance is assumed."""
    middle, count = statistics.median(values), len(values)
    if count < ENOUGH_REPEATS:
        half = abs(middle) * _ASSUMED_SHARE
        return Spread(middle, middle - half, middle + half, count, assumed=True)
    from scipy.special import stdtrit

    half = float(stdtrit(count - 1, _CONFIDENCE)) * statistics.stdev(values) / count**0.5
    return Spread(middle, middle - half, middle + half, count, assumed=False)


def exactly(values: Sequence[float]) -> Spread:
    """The median of values that every repeat has alike."""
    middle = statistics.median(values)
    return Spread(middle, middle, middle, len(values), assumed=False)
