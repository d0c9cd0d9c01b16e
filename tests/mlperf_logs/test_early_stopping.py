"""LoadGen's own numbers: what it prints for the recorded runs, and MLPerf's published minima."""

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


def test_minimum_of_one_late_query_by_hand() -> None:
    """P(at most 1 of n late) = 0.9^n + n 0.1 0.9^(n-1): 0.0096 for 64, 0.0105 for 63."""
    assert 0.9**64 + 64 * 0.1 * 0.9**63 < 0.01 < 0.9**63 + 63 * 0.1 * 0.9**62


def test_queries_for_a_share_of_late_ones_pass_with_one_more_late() -> None:
    assert queries_for_share(0, 0.99) == 662
    queries = queries_for_share(0.005, 0.99)
    assert queries is not None
    assert queries >= minimum_queries(int(0.005 * queries) + 1, 0.99)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.009_999_9, -0.1])
def test_no_number_of_queries_helps_a_share_at_the_percentile(share: float) -> None:
    assert queries_for_share(share, 0.99) is None
