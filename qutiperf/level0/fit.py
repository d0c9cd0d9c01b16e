"""Fits the constants of the refined model to measured points, and chooses its terms by cross-validation.

Least squares on log(inputs/s) with a soft-L1 loss, with equal weight for each configuration regardless of its
number of points. A weak log-normal prior, the same for every platform, keeps constants that the points do not
determine near an ordinary value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from qutiperf.errors import InputError
from qutiperf.level0.measured import Measured
from qutiperf.level0.network import Array
from qutiperf.level0.predict import Points, by_network, refined, refined_of
from qutiperf.spec.level0_terms import Terms

# median and spread (standard deviation of the logarithm) of a constant before any measurement
PRIORS: Mapping[str, tuple[float, float]] = {
    "memory_efficiency": (0.5, 2.0),
    "compute_efficiency": (0.3, 2.0),
    "dense_efficiency": (1.0, 0.5),
    "depthwise_efficiency": (0.3, 1.0),
    "fill_inputs": (3.0, 1.0),
    "link_gb_s": (0.5, 1.0),
}
# the same for the times of `call` and `input`, in microseconds, by how often they occur
TIME_PRIORS: Mapping[str, tuple[float, float]] = {
    "once": (1000.0, 1.0),
    "layer": (30.0, 1.0),
    "position": (1.0, 1.0),
    "node": (5.0, 1.0),
}
PRIOR_WEIGHT = 0.1
SOFT_ERROR = 0.1  # log error from which the loss grows linearly
MAXIMUM_FOLDS = 12
EVALUATIONS = 40
# a second start for the search: arithmetic and memory far below the data sheet's values
START_FACTORS: Mapping[str, float] = {"compute_efficiency": 0.01, "memory_efficiency": 0.1}
TOLERANCE = 1.1  # an earlier (more ordinary) candidate wins unless another's error is this much smaller


def chosen_numbers() -> dict[str, float]:
    """All numbers of the method that are neither measured nor from a data sheet."""
    priors = {f"prior median of {name}": median for name, (median, _) in PRIORS.items()}
    times = {f"prior median of a time paid {often}, us": median for often, (median, _) in TIME_PRIORS.items()}
    spreads = {
        f"prior spread of {name}": spread for name, (_, spread) in (*PRIORS.items(), *TIME_PRIORS.items())
    }
    starts = {f"second start factor of {name}": factor for name, factor in START_FACTORS.items()}
    return {
        **priors,
        **times,
        **spreads,
        **starts,
        "prior weight": PRIOR_WEIGHT,
        "soft-L1 error": SOFT_ERROR,
        "tolerance for the more ordinary terms": TOLERANCE,
    }


@dataclass(frozen=True, slots=True)
class Fitted:
    """Terms with their constants; `predict` gives inputs/s."""

    terms: Terms
    constants: Mapping[str, float]

    def predict(self, points: Points) -> Array:
        return refined(points, self.terms, self.constants)


def fit(measured: Measured, terms: Terms) -> Fitted:
    """Raises InputError without points."""
    if not len(measured):
        raise InputError("no measured point to fit to", cure="measure at least one configuration")
    names = terms.constants
    priors = [prior_of(name, terms) for name in names]
    centre = np.log([median for median, _ in priors])
    spread = np.array([deviation for _, deviation in priors])
    target, root = np.log(measured.throughput_ips), np.sqrt(measured.weights)
    split = by_network(measured.points)

    def residuals(logarithms: Array) -> Array:
        constants = dict(zip(names, np.exp(logarithms).tolist(), strict=True))
        error = (np.log(refined_of(split, terms, constants)) - target) / SOFT_ERROR
        soft = np.sign(error) * np.sqrt(2 * (np.sqrt(1 + error**2) - 1))
        return np.concatenate([root * soft * SOFT_ERROR, PRIOR_WEIGHT * (logarithms - centre) / spread])

    starts = [centre, centre + np.log([START_FACTORS.get(name, 1.0) for name in names])]
    solutions = [least_squares(residuals, start, max_nfev=EVALUATIONS) for start in starts]
    solution = min(solutions, key=lambda result: float(result.cost))
    return Fitted(terms, dict(zip(names, np.exp(solution.x).tolist(), strict=True)))


def leave_one_out(measured: Measured, candidates: Sequence[Terms]) -> Array:
    """Inputs/s of each point, predicted from the points of all other groups, which also select the terms."""
    predicted = np.empty(len(measured))
    for group in np.unique(measured.group):
        test = np.flatnonzero(measured.group == group)
        rest = measured.take(np.flatnonzero(measured.group != group))
        chosen = select(rest, candidates) if len(rest) else None
        predicted[test] = (
            chosen.predict(measured.points.take(test))
            if chosen
            else prior(candidates[0]).predict(measured.points.take(test))
        )
    return predicted


def leave_one_out_mean(measured: Measured, candidates: Sequence[Terms]) -> Array:
    """As `leave_one_out`, with the mean inputs/s of all candidates instead of a selection.

    With points of one kind of network there is nothing to select by: terms that no point of it determines
    decide how another kind is predicted.
    """
    predicted = np.empty(len(measured))
    for group in np.unique(measured.group):
        test = measured.points.take(np.flatnonzero(measured.group == group))
        rest = measured.take(np.flatnonzero(measured.group != group))
        fits = [fit(rest, terms) if len(rest) else prior(terms) for terms in candidates]
        predicted[measured.group == group] = np.mean([one.predict(test) for one in fits], axis=0)
    return predicted


def select(measured: Measured, candidates: Sequence[Terms]) -> Fitted:
    """The candidate with the lowest cross-validated error, fitted to all points; ties go to the first."""
    if len(candidates) == 1:
        return fit(measured, candidates[0])
    folds = _folds(measured)
    errors = [_validation_error(measured, terms, folds) for terms in candidates]
    return fit(
        measured,
        next(
            terms for terms, error in zip(candidates, errors, strict=True) if error <= TOLERANCE * min(errors)
        ),
    )


def prior(terms: Terms) -> Fitted:
    """The constants before any measurement."""
    return Fitted(terms, {name: prior_of(name, terms)[0] for name in terms.constants})


def prior_of(name: str, terms: Terms) -> tuple[float, float]:
    """Median and spread of a constant of these terms."""
    if name == "call_us":
        return TIME_PRIORS[terms.call]
    if name == "node_us":
        return TIME_PRIORS["node"]
    return TIME_PRIORS[terms.input] if name == "input_us" else PRIORS[name]


def _folds(measured: Measured) -> NDArray[np.int64]:
    """A fold number per point: whole groups together, single points of one group; at most MAXIMUM_FOLDS."""
    names, inverse = np.unique(measured.group, return_inverse=True)
    if len(names) == 1:
        inverse = np.arange(len(measured))
    folds: NDArray[np.int64] = inverse % MAXIMUM_FOLDS
    return folds


def _validation_error(measured: Measured, terms: Terms, folds: NDArray[np.int64]) -> float:
    """Weighted mean of |ln(predicted/measured)| over points predicted without their fold."""
    error = np.empty(len(measured))
    for fold in np.unique(folds):
        test = np.flatnonzero(folds == fold)
        rest = measured.take(np.flatnonzero(folds != fold))
        fitted = fit(rest, terms) if len(rest) else prior(terms)
        predicted = fitted.predict(measured.points.take(test))
        error[test] = np.abs(np.log(predicted / measured.throughput_ips[test]))
    return float(np.average(error, weights=measured.weights))
