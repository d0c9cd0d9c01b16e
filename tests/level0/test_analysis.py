"""Analyses: by hand on a few rows, and on the published table."""

from dataclasses import replace

import pytest

from qutiperf.errors import InputError
from qutiperf.level0.analysis import AnalysedRow, correlations, orthogonality, pareto, quartiles
from qutiperf.level0.reference import published_measurements
from qutiperf.results.analysed import published_rows


def _row(scale: float, datatype: str, **figures: float) -> AnalysedRow:
    return AnalysedRow(
        "board", "default", "task", f"net {scale:g} %", "net", scale, datatype, "batch 1", figures
    )


ROWS = [
    _row(100, "fp32", compute_throughput_ips=100.0, top1_percent=90.0, compute_latency_mean_ms=10.0),
    _row(100, "fp16", compute_throughput_ips=200.0, top1_percent=89.0, compute_latency_mean_ms=5.0),
    _row(50, "fp32", compute_throughput_ips=300.0, top1_percent=80.0, compute_latency_mean_ms=4.0),
    _row(50, "fp16", compute_throughput_ips=540.0, top1_percent=79.0, compute_latency_mean_ms=2.0),
]


def test_orthogonality_by_hand() -> None:
    (found,) = orthogonality(ROWS, "compute_throughput_ips")
    assert (found.base_datatype, found.quantised_datatype, found.pruned_percent) == ("fp32", "fp16", 50)
    assert (found.pruning_gain, found.quantisation_gain, found.both_gain) == (3.0, 2.0, 5.4)
    assert found.ratio == pytest.approx(0.9)


def test_gains_of_latency_are_improvements() -> None:
    (found,) = orthogonality(ROWS, "compute_latency_mean_ms")
    assert (found.pruning_gain, found.quantisation_gain) == (2.5, 2.0)
    assert found.ratio == pytest.approx(1.0)


def test_pareto_by_hand() -> None:
    slower = _row(75, "fp32", compute_throughput_ips=90.0, top1_percent=85.0)
    found = pareto([*ROWS, slower], ["top1_percent", "compute_throughput_ips"])
    assert [row.figures["top1_percent"] for row in found] == [90.0, 89.0, 80.0, 79.0]


def test_quartiles_and_correlation_by_hand() -> None:
    (spread,) = quartiles(ROWS, "compute_throughput_ips")
    assert (spread.n, spread.minimum, spread.median, spread.maximum) == (4, 100.0, 250.0, 540.0)
    everything, board = correlations(ROWS, "compute_throughput_ips", "top1_percent")
    assert everything.spearman == board.spearman == -1.0


def test_quartiles_count_the_rows_whose_efficiency_would_be_impossible() -> None:
    figure = "compute_efficiency_percent"
    rows = [_row(100, "fp32", **{figure: 40.0}), _row(50, "fp32", **{figure: 60.0})]
    beaten = replace(_row(25, "fp32", compute_throughput_ips=682.0), impossible=frozenset({figure}))
    (spread,) = quartiles([*rows, beaten], figure)
    assert (spread.n, spread.above_100, spread.median, spread.maximum) == (2, 1, 50.0, 60.0)


def test_the_published_table_can_be_analysed() -> None:
    rows = published_rows(published_measurements())
    assert len(rows) == 969
    spreads = quartiles(rows, "compute_efficiency_percent")
    assert {one.sut for one in spreads} >= {"TX2", "NCS"}
    # 200 rows lie above the plain model's bound: the smallest network stays in the caches
    assert sum(one.n for one in spreads) == 769
    assert sum("compute_efficiency_percent" in row.impossible for row in rows) == 200
    assert max(one.maximum for one in spreads) <= 100.0
    assert all(
        row.figures["top1_percent"] > 0 for row in pareto(rows, ["top1_percent", "energy_delay_mj_ms"])
    )
    assert len(orthogonality(rows, "compute_throughput_ips")) > 100
    costs = pareto(rows, ["hardware_cost", "compute_throughput_ips"])
    assert {row.sut for row in costs} == {"ZCU104-BISMO"}


def test_unknown_figures_are_named() -> None:
    with pytest.raises(
        InputError, match=r"no row has the figure 'top_1_percent'; did you mean 'top1_percent'"
    ):
        pareto(ROWS, ["top_1_percent", "compute_throughput_ips"])
    with pytest.raises(InputError, match="no row has the figure 'power'"):
        quartiles(ROWS, "power")
