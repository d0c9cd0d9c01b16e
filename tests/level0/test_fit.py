"""Fitting: recovers known constants, chooses terms inside the fold, is honest about few points."""

import numpy as np
import pytest

from qutiperf.errors import InputError
from qutiperf.level0.calibration import calibrate
from qutiperf.level0.evaluate import (
    PROTOCOLS,
    evaluate,
    fronts,
    interval_coverage,
    interval_factor,
    measured_points,
)
from qutiperf.level0.families import FAMILIES, candidates
from qutiperf.level0.fit import Fitted, fit, leave_one_out, leave_one_out_mean, prior, select
from qutiperf.level0.measured import Measured
from qutiperf.level0.reference import published_measurements
from qutiperf.spec.level0_terms import CONSTANTS, Calibration, Terms
from qutiperf.spec.sut import load_sut

TRUTH = {"compute_efficiency": 0.6, "call_us": 200.0, "memory_efficiency": 0.4}
TERMS = Terms(call="once")


def _stick(throughput: dict[str, float] | None = None) -> Measured:
    """The published points of the stick, with throughput of the given constants instead of the measured."""
    measured = measured_points([row for row in published_measurements() if row.sut == "NCS"])
    if throughput is None:
        return measured
    ideal = Fitted(TERMS, throughput).predict(measured.points)
    return Measured(measured.points, ideal, measured.configuration, measured.group)


def test_known_constants_are_found_again() -> None:
    found = fit(_stick(TRUTH), TERMS).constants
    assert found == pytest.approx(TRUTH, rel=0.05)


@pytest.mark.slow
def test_a_network_left_out_is_predicted_from_the_others() -> None:
    everything = _stick(TRUTH)
    measured = everything.take(np.flatnonzero(everything.group < 4))
    predicted = leave_one_out(measured, [Terms(call="layer"), TERMS])
    assert np.abs(np.log(predicted / measured.throughput_ips)).max() < 0.1


@pytest.mark.slow
def test_the_left_out_points_are_not_seen() -> None:
    """Changing the points of one network changes no prediction of that network."""
    measured = _stick(TRUTH)
    test = measured.group == 0
    wrong = np.where(test, measured.throughput_ips * 50, measured.throughput_ips)
    changed = Measured(measured.points, wrong, measured.configuration, measured.group)
    assert leave_one_out(changed, [TERMS])[test] == pytest.approx(leave_one_out(measured, [TERMS])[test])


@pytest.mark.slow
def test_terms_are_selected_by_fitted_candidates_even_with_one_network() -> None:
    """Points of 50 ms a call: both priors are far off, and only a fit shows that a call costs time."""
    slow_call = {"compute_efficiency": 0.6, "call_us": 50_000.0, "memory_efficiency": 0.4}
    measured = _stick(slow_call)
    one = measured.take(np.flatnonzero(measured.group == 0))
    chosen = select(one, [Terms(call="none", weights="on_chip"), TERMS])
    assert chosen.terms == TERMS
    assert chosen.predict(one.points) == pytest.approx(one.throughput_ips, rel=0.1)


@pytest.mark.slow
def test_a_left_out_topology_is_the_mean_of_the_menu() -> None:
    everything = _stick(TRUTH)
    measured = everything.take(np.flatnonzero(everything.group < 2))
    menu = [Terms(call="layer"), TERMS]
    test = measured.group == 0
    rest = measured.take(np.flatnonzero(measured.group != 0))
    by_hand = [fit(rest, terms).predict(measured.points.take(np.flatnonzero(test))) for terms in menu]
    assert leave_one_out_mean(measured, menu)[test] == pytest.approx((by_hand[0] + by_hand[1]) / 2)


def test_each_configuration_weighs_the_same() -> None:
    measured = _stick()
    totals = {number: measured.weights[measured.configuration == number].sum() for number in range(3)}
    assert list(totals.values()) == pytest.approx([1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def dataflow() -> Calibration:
    """Of the FPGA family with the fewest terms."""
    rows = [row for row in published_measurements() if row.sut == "ZCU104-FINN"]
    return calibrate(measured_points(rows), "dataflow-fpga", "test")


@pytest.mark.slow
def test_calibration_of_a_device_says_how_sure_it_is(dataflow: Calibration) -> None:
    assert (dataflow.points, dataflow.networks) == (154, 8)
    assert dataflow.error_factor is not None
    assert 1.3 < dataflow.error_factor < 1.5
    assert dataflow.interval_factor is not None
    assert dataflow.interval_factor > dataflow.error_factor
    assert set(dataflow.constants) == set(dataflow.terms.constants)


@pytest.mark.slow
def test_shipped_constants_are_those_of_the_fit(dataflow: Calibration) -> None:
    shipped = load_sut("ZCU104-FINN")[0].platform.calibration
    assert isinstance(shipped, Calibration)
    assert dataflow.terms == shipped.terms
    assert dataflow.constants == pytest.approx(shipped.constants, rel=0.02)


@pytest.mark.slow
def test_one_network_gives_no_interval() -> None:
    measured = _stick()
    one = measured.take(np.flatnonzero(measured.group == 0))
    found = calibrate(one, "usb-vliw", "test")
    assert found.error_factor is None
    assert found.interval_factor is None


def test_too_few_points_are_refused() -> None:
    one = _stick().take(np.array([0]))
    with pytest.raises(InputError, match="test: 1 measured points are too few to fit to; measure at least 4"):
        calibrate(one, "usb-vliw", "test")
    with pytest.raises(InputError, match="no measured point"):
        fit(one.take(np.array([], dtype=np.int64)), TERMS)


def test_intervals_hold_their_share_of_errors() -> None:
    """Ten networks of one point: rank ceil(11 x 0.8) = 9; two networks: the worse."""
    ten, two = np.arange(10), np.array([0, 1])
    assert interval_factor(np.log(1 + 0.1 * np.arange(1, 11)), ten) == pytest.approx(1.9)
    assert interval_factor(np.log(np.array([1.1, 1.5])), two) == pytest.approx(1.5)
    assert interval_factor(np.array([]), np.array([], dtype=np.int64)) == float("inf")


def test_every_term_of_every_family_has_its_constants() -> None:
    for family, menu in FAMILIES.items():
        for terms in menu:
            assert set(terms.constants) <= set(CONSTANTS), family
            assert set(prior(terms).constants) == set(terms.constants)
    assert candidates("never heard of") == FAMILIES["cpu"]


@pytest.mark.slow
def test_evaluation_of_one_family() -> None:
    rows = [row for row in published_measurements() if row.sut == "ZCU104-FINN"]
    found = evaluate(rows)
    in_sample, network_out, topology_out = (found.score("refined", name, found.best) for name in PROTOCOLS)
    assert in_sample.gm < network_out.gm < topology_out.gm * 1.1
    assert network_out.gm < 1.45 < found.score("plain", "in_sample", found.best).gm
    assert interval_coverage(found) >= 80
    assert set(fronts(found, "leave_one_network_out")) == {"cifar10", "mnist"}


@pytest.mark.slow
def test_targets_on_all_published_points() -> None:
    """Leaving one network out: GM <= 1.22 and <= 1.20, Spearman >= 0.99."""
    found = evaluate(published_measurements())
    best = found.score("refined", "leave_one_network_out", found.best)
    every = found.score("refined", "leave_one_network_out", found.best | True)
    assert (best.n, every.n) == (131, 969)
    assert best.gm <= 1.22
    assert every.gm <= 1.20
    assert best.spearman is not None
    assert best.spearman >= 0.99
    assert interval_coverage(found) >= 80
