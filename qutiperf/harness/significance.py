"""Whether more correct answers are more than luck: exact tests, in plain arithmetic."""

from math import exp, lgamma, log

import numpy as np
import numpy.typing as npt

Answers = npt.NDArray[np.int64]
Right = npt.NDArray[np.bool_]
# The probability of any false alarm of a check, over all that it tries.
FALSE_ALARM = 0.001
# As Cohen's kappa: a model that is a quarter of the way from guessing to perfect is no longer near chance.
_NEAR_CHANCE = 0.25


def at_least(count: int, trials: int, probability: float) -> float:
    """The probability of `count` or more successes."""
    if count <= 0:
        return 1.0
    if count > trials or probability <= 0:
        return 0.0
    if probability >= 1:
        return 1.0
    logs = (log(probability), log(1 - probability))
    return min(sum(exp(_log_term(each, trials, logs)) for each in range(count, trials + 1)), 1.0)


def _log_term(count: int, trials: int, logs: tuple[float, float]) -> float:
    ways = lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1)
    return ways + count * logs[0] + (trials - count) * logs[1]


def at_most(count: int, trials: int, probability: float) -> float:
    """The probability of `count` or fewer successes."""
    return at_least(trials - count, trials, 1 - probability)


def better_by_luck(declared: Right, other: Right) -> float:
    """One-sided exact McNemar test: the probability of such a gain if both are equally good."""
    gained, lost = int((other & ~declared).sum()), int((declared & ~other).sum())
    return at_least(gained, gained + lost, 0.5)


def most_significant(wrong: int) -> float:
    """The smallest result of that test when the declared answers are wrong `wrong` times."""
    return 0.5**wrong


def chance(answers: Answers, labels: Answers) -> float | None:
    """The share of correct answers if they had nothing to do with the labels; None for a single label."""
    known, counts = np.unique(labels, return_counts=True)
    if len(known) < 2:
        return None
    given = np.array([(answers == label).mean() for label in known])
    return float((given * counts / len(labels)).sum())


def near_chance(right: int, trials: int, by_chance: float) -> bool:
    """Whether the answers are no better than guessing, and would be if the model were of any use."""
    useful = by_chance + _NEAR_CHANCE * (1 - by_chance)
    no_better = at_least(right, trials, by_chance) > FALSE_ALARM
    return no_better and at_most(right, trials, useful) <= FALSE_ALARM


def above_chance(answers: Answers, labels: Answers) -> bool:
    by_chance = chance(answers, labels)
    right = int((answers == labels).sum())
    return by_chance is not None and at_least(right, len(labels), by_chance) <= FALSE_ALARM
