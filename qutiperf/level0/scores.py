"""The accuracy of predictions: errors, correlations, coverage, fronts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import pearsonr, spearmanr

from qutiperf.level0.network import Array

NEAR, FAR = 1.25, 2.0
KEEP_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of predicted against measured inputs/s; gm = exp(mean |ln(predicted/measured)|), 1 is perfect.

    Correlations are None for fewer than three points or constant values.
    """

    n: int
    gm: float
    mape_percent: float
    pearson: float | None
    pearson_log: float | None
    spearman: float | None
    within_1_25x_percent: float
    within_2x_percent: float

    def as_row(self) -> dict[str, float | int | None]:
        return asdict(self)


def score(predicted: Array, measured: Array) -> Scores:
    """Scores of two arrays in inputs/s, with one entry per point, at least one."""
    error = np.abs(np.log(predicted / measured))
    return Scores(
        n=len(measured),
        gm=float(np.exp(error.mean())),
        mape_percent=float(100 * np.mean(np.abs(predicted / measured - 1))),
        pearson=correlation(predicted, measured, "pearson"),
        pearson_log=correlation(np.log(predicted), np.log(measured), "pearson"),
        spearman=correlation(predicted, measured, "spearman"),
        within_1_25x_percent=float(100 * np.mean(error <= np.log(NEAR))),
        within_2x_percent=float(100 * np.mean(error <= np.log(FAR))),
    )


def correlation(left: Array, right: Array, kind: str) -> float | None:
    """Pearson or Spearman; None if undefined."""
    if len(left) < 3 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    result = spearmanr(left, right) if kind == "spearman" else pearsonr(left, right)
    return float(result.statistic)


def front(costs: Array) -> list[int]:
    """Rows of [points, figures] that no other row beats in every figure (lower is better), in order."""
    kept = []
    for number, row in enumerate(costs):
        no_worse = (costs <= row).all(axis=1)
        better = (costs < row).any(axis=1)
        if not (no_worse & better).any():
            kept.append(number)
    return kept


@dataclass(frozen=True, slots=True)
class FrontScores:
    """Predicted against measured Pareto front; precision and recall in percent.

    `kept` of `n` configurations remain if one is dropped only if another, at least as accurate, is predicted
    to be more than KEEP_MARGIN times faster; they include `kept_recall_percent` of the measured front.
    """

    n: int
    front: int
    precision_percent: float
    recall_percent: float
    kept: int
    kept_recall_percent: float

    def as_row(self) -> dict[str, float | int]:
        return asdict(self)


def score_front(accuracy: Array, predicted: Array, measured: Array) -> FrontScores:
    """Front of accuracy in percent against inputs/s, with one entry per configuration."""
    truth = set(front(np.column_stack([-accuracy, -measured])))
    guess = set(front(np.column_stack([-accuracy, -predicted])))
    kept = set(keep_list(accuracy, predicted))
    return FrontScores(
        n=len(accuracy),
        front=len(truth),
        precision_percent=100 * len(truth & guess) / len(guess),
        recall_percent=100 * len(truth & guess) / len(truth),
        kept=len(kept),
        kept_recall_percent=100 * len(truth & kept) / len(truth),
    )


def keep_list(accuracy: Array, predicted: Array) -> Sequence[int]:
    """Configurations worth measuring (see FrontScores)."""
    return [
        number
        for number, (percent, rate) in enumerate(zip(accuracy, predicted, strict=True))
        if not ((accuracy >= percent) & (predicted > KEEP_MARGIN * rate)).any()
    ]
