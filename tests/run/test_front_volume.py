"""The volume that settings add to a front, for fronts whose volume is known."""

import numpy as np
import pytest

from qutiperf.run.front_volume import FrontVolume

LINEAR = np.array([False, False])
CORNERS = np.array([[0.0, 1.0], [1.0, 0.0]])


def test_what_is_dominated_adds_nothing_and_the_rest_its_volume() -> None:
    """Scaled to 0.1 .. 0.9, the corners cover 0.09 each; (0.5, 0.5) adds 0.5 x 0.5 - 0.09."""
    volume = FrontVolume(CORNERS, LINEAR, LINEAR)
    gains = volume.gains(np.array([[0.5, 0.5], [0.0, 0.5]]), CORNERS)
    assert gains[0] == pytest.approx(0.5 * 0.5 - (0.1 * 0.5 + 0.5 * 0.1 - 0.1 * 0.1), abs=0.01)
    assert gains[1] == 0.0


def test_an_objective_in_which_all_agree_changes_nothing() -> None:
    values = np.array([[1.0], [2.0], [3.0]])
    alone = FrontVolume(values, LINEAR[:1], LINEAR[:1])
    same = np.hstack([np.full((3, 1), 97.0), values])
    beside = FrontVolume(same, LINEAR, LINEAR)
    assert beside.gains(same, same[:1]) == pytest.approx(alone.gains(values, values[:1]), abs=0.01)


def test_lower_is_better_for_latencies() -> None:
    """Latencies of 1, 2 and 4 ms as negative logarithms: the shortest adds most."""
    logarithms = -np.log(np.array([[1.0], [2.0], [4.0]]))
    volume = FrontVolume(logarithms, np.array([True]), np.array([True]))
    shortest, middle, longest = volume.gains(logarithms, logarithms[2:])
    assert shortest > middle > longest == 0.0
