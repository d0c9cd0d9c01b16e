"""Exact tests against values computed by hand."""

import numpy as np
import pytest

from qutiperf.harness.significance import (
    above_chance,
    at_least,
    at_most,
    better_by_luck,
    chance,
    most_significant,
    near_chance,
)


@pytest.mark.parametrize(
    ("count", "trials", "probability", "expected"),
    [
        (0, 5, 0.5, 1.0),
        (5, 5, 0.5, 1 / 32),
        (4, 5, 0.5, 6 / 32),
        (6, 5, 0.5, 0.0),
        (1, 2, 0.1, 0.19),
        (3, 3, 1.0, 1.0),
        (1, 3, 0.0, 0.0),
    ],
)
def test_tails_of_the_binomial_distribution(
    count: int, trials: int, probability: float, expected: float
) -> None:
    assert at_least(count, trials, probability) == pytest.approx(expected, rel=1e-12)
    assert at_most(count - 1, trials, probability) == pytest.approx(1 - expected, rel=1e-12)


def test_many_trials_do_not_overflow() -> None:
    assert at_least(25_000, 50_000, 0.5) == pytest.approx(0.5, abs=0.002)
    assert at_most(0, 50_000, 0.001) == pytest.approx(0.999**50_000, rel=1e-6)


def test_the_mcnemar_test_counts_only_answers_that_differ() -> None:
    declared = np.array([True] * 10 + [False] * 14 + [True] * 2)
    other = np.array([True] * 10 + [True] * 14 + [False] * 2)
    assert better_by_luck(declared, other) == pytest.approx((1 + 16 + 120) / 2**16, rel=1e-12)
    assert better_by_luck(declared, declared) == 1.0
    assert most_significant(14) == 2**-14


def test_chance_is_the_agreement_of_independent_answers() -> None:
    labels = np.array([0, 0, 0, 1])
    assert chance(np.array([0, 0, 0, 0]), labels) == 0.75
    assert chance(np.array([1, 1, 0, 0]), labels) == 0.5
    assert chance(np.array([7, 7, 7, 7]), labels) == 0.0
    assert chance(np.array([0, 1, 0, 1]), np.zeros(4, np.int64)) is None


@pytest.mark.parametrize(
    ("right", "trials", "by_chance", "expected"),
    [
        (6, 64, 0.1, True),
        (0, 64, 0.1, True),
        (15, 64, 0.1, False),  # clearly better than guessing
        (1, 3, 0.3, False),  # too few to say anything
        (32, 64, 0.5, False),
        (500, 1000, 0.5, True),
        (600, 1000, 0.5, False),
        (950, 1000, 0.95, False),  # the most usual answer alone: undecided
        (9500, 10_000, 0.95, True),
        (967, 1000, 0.9, False),
    ],
)
def test_near_chance_is_neither_better_than_guessing_nor_undecided(
    right: int, trials: int, by_chance: float, expected: bool
) -> None:
    assert near_chance(right, trials, by_chance) is expected


def test_a_constant_answer_is_not_above_chance() -> None:
    labels = np.array([0, 1] * 32)
    assert not above_chance(np.zeros(64, np.int64), labels)
    assert above_chance(labels, labels)


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Equally good answers, 42 alternatives: at most 1 of 1,000 checks may raise an alarm."""
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        declared = generator.random(64) < 0.5
        others = generator.random((42, 64)) < 0.5
        alarms += any(better_by_luck(declared, other) <= 0.001 / 42 for other in others)
    assert alarms == 0
