"""LoadGen's early stopping: the number of queries that it requires to trust a latency percentile.

With probability `confidence` the percentile holds if, of n queries, at most t are over the latency and
n is large enough for that t: the smallest n with P(Binomial(n, 1 - percentile) <= t) < 1 - confidence.
LoadGen uses confidence 0.99 and tolerance 0 (MinPassingQueriesFinder in loadgen/early_stopping.cc).
"""

import bisect
import math

CONFIDENCE = 0.99
_MOST_QUERIES = 1 << 24


def minimum_queries(overlatency_count: int, percentile: float) -> int:
    """Queries needed to allow this many over the latency; SingleStream (64) and MultiStream (662) allow 1."""
    high = overlatency_count + 1
    while not _passes(high, overlatency_count, percentile):
        high *= 2
    span = range(overlatency_count + 1, high)
    return span.start + bisect.bisect_left(
        span, True, key=lambda n: _passes(n, overlatency_count, percentile)
    )


def queries_for_share(overlatency_share: float, percentile: float) -> int | None:
    """Queries that pass with this share of them, plus one, over the latency; None beyond 16 million."""
    if not 0 <= overlatency_share < 1 - percentile:
        return None

    def passes(queries: int) -> bool:
        return _passes(queries, math.floor(overlatency_share * queries) + 1, percentile)

    span = range(minimum_queries(1, percentile), _MOST_QUERIES)
    position = bisect.bisect_left(span, True, key=passes)
    return span[position] if position < len(span) else None


def _passes(queries: int, overlatency_count: int, percentile: float) -> bool:
    return _at_most(overlatency_count, queries, 1 - percentile) < 1 - CONFIDENCE


def _at_most(successes: int, trials: int, chance: float) -> float:
    """P(Binomial(trials, chance) <= successes), from its largest term down; taken as 1 above the mean."""
    if successes >= trials * chance:
        return 1.0
    logarithm = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(chance)
        + (trials - successes) * math.log1p(-chance)
    )
    term = total = math.exp(logarithm)
    for count in range(successes, 0, -1):
        term *= count * (1 - chance) / ((trials - count + 1) * chance)
        total += term
        if term < total * 1e-17:
            break
    return total
