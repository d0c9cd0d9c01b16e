"""How much a setting adds to a front: the share of the volume that nothing else dominates.

Figures are compared twice, as they are and as logarithms, and the two shares are averaged: the first alone
would ignore slow models, the second fast ones. The volume is that of points spread evenly (Halton's sequence)
over the range of the settings, which takes the same time for any number of objectives.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_POINTS = 1500
_PRIMES = (2, 3, 5, 7, 11)


class FrontVolume:
    """The scales of one family: rows of `values` are settings, columns objectives, higher is better.

    Columns of `logarithms` are logarithms of figures, negative where `lower` is better.
    """

    def __init__(self, values: Vector, logarithms: NDArray[np.bool_], lower: NDArray[np.bool_]) -> None:
        self._logarithms, self._lower = logarithms, lower
        self._ranges = [_range(each, logarithms) for each in self._both(values)]

    def gains(self, values: Vector, front: Vector) -> Vector:
        """The share of the volume that each row adds to that of the front."""
        shares = [
            _added(_scaled(mine, limits), _scaled(others, limits))
            for mine, others, limits in zip(self._both(values), self._both(front), self._ranges, strict=True)
        ]
        return np.asarray(np.mean(shares, axis=0), dtype=np.float64)

    def _both(self, values: Vector) -> tuple[Vector, Vector]:
        linear = values.copy()
        up, down = self._logarithms & ~self._lower, self._logarithms & self._lower
        linear[:, up], linear[:, down] = np.exp(values[:, up]), -np.exp(-values[:, down])
        return values, linear


def _range(values: Vector, figures: NDArray[np.bool_]) -> tuple[Vector, Vector]:
    """The lowest value and the span of each column; for figures that are not known apart, as much again."""
    low, high = values.min(axis=0), values.max(axis=0)
    apart = high > low
    span = np.where(apart, high - low, np.where(figures, np.maximum(np.abs(low), 1e-9), 1.0))
    # an accuracy in which all settings agree takes nothing from the volume: they are at its upper end
    return np.where(apart | figures, low, low - 1.125), span


def _scaled(values: Vector, limits: tuple[Vector, Vector]) -> Vector:
    low, span = limits
    # room below, as the worst settings have a volume as well, and above for what may be better than all
    return np.asarray((values - low) / span * 0.8 + 0.1, dtype=np.float64)


def _added(values: Vector, front: Vector) -> Vector:
    points = _spread(values.shape[1])
    free = points[~_covers(front, points).any(axis=0)] if len(front) else points
    return np.asarray(_covers(values, free).sum(axis=1) / len(points), dtype=np.float64)


def _covers(values: Vector, points: Vector) -> NDArray[np.bool_]:
    covered = np.ones((len(values), len(points)), dtype=bool)
    for column in range(values.shape[1]):
        covered &= values[:, column][:, None] >= points[:, column][None, :]
    return covered


@cache
def _spread(dimensions: int) -> Vector:
    """Points in the unit cube, the same every time."""
    return np.array(
        [[_halton(number, base) for base in _PRIMES[:dimensions]] for number in range(1, _POINTS + 1)]
    )


def _halton(number: int, base: int) -> float:
    value, share = 0.0, 1.0
    while number:
        share /= base
        value += share * (number % base)
        number //= base
    return value
