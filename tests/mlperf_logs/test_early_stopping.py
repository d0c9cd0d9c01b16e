"""LoadGen's own numbers: what it prints for the recorded runs, and MLPerf's published minima."""

from fractions import Fraction
from itertools import count
from math import comb

import pytest

from qutiperf.mlperf_logs.early_stopping import minimum_queries, queries_for_share


@pytest.mark.parametrize(
    ("late", "percentile", "queries"),
    [
        (1, 0.9, 64),  # SingleStream in the MLPerf rules
        (1, 0.99, 662),  # MultiStream in the MLPerf rules
        (0, 0.99, 190 + 269),  # LoadGen's printed sums: queries processed + queries more
        (100, 0.99, 100 + 12_471),
        (295, 0.99, 1_582 + 32_146),
        (1_477, 0.99, 1_488 + 155_357),
    ],
)
def test_minimum_queries_as_loadgen_prints_them(late: int, percentile: float, queries: int) -> None:
    assert minimum_queries(late, percentile) == queries


def chance_of_at_most(late: int, queries: int, chance: Fraction) -> Fraction:
    """P(Binomial(queries, chance) <= late), exactly."""
    terms = (comb(queries, k) * chance**k * (1 - chance) ** (queries - k) for k in range(late + 1))
    return sum(terms, Fraction(0))


@pytest.mark.parametrize("late", [0, 1, 2, 5])
@pytest.mark.parametrize("percentile", ["0.5", "0.9", "0.97"])
def test_minimum_queries_in_exact_arithmetic(late: int, percentile: str) -> None:
    """The smallest number of queries for which so few late ones have a chance below 1 %."""
    chance, limit = 1 - Fraction(percentile), Fraction(1, 100)
    enough = (n for n in count(late + 1) if chance_of_at_most(late, n, chance) < limit)
    assert minimum_queries(late, float(percentile)) == next(enough)


@pytest.mark.parametrize(("share", "percentile"), [(0.0, 0.99), (0.005, 0.99), (0.05, 0.9), (0.09, 0.9)])
def test_queries_for_a_share_pass_and_fewer_do_not(share: float, percentile: float) -> None:
    """With the late ones of that share, and one more."""
    queries = queries_for_share(share, percentile)
    assert queries is not None
    assert queries >= minimum_queries(int(share * queries) + 1, percentile)
    fewer = queries - 1
    assert fewer < minimum_queries(int(share * fewer) + 1, percentile)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.009_999_9, -0.1])
def test_no_number_of_queries_helps_a_share_at_the_percentile(share: float) -> None:
    assert queries_for_share(share, 0.99) is None
