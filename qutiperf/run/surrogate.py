"""What measured settings say about others: a Gaussian process over the settings of a sweep.

The logarithm of a figure is modelled as a sum of effects: of the model, of the batch size, of the load's
parameters, and of what these have together, so that the batches of one model say something about another's
(Duvenaud, Nickisch, Rasmussen: Additive Gaussian Processes, 2011). Pure: numbers in, numbers out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Indices = NDArray[np.int64]
Value = str | int | float | bool | None

_BATCH_LENGTH = 2.5  # in doublings of the batch size
_LOAD_LENGTH = 1.5  # in doublings of threads or streams
_SMALLEST = 1e-9
# Variances of the effects on a logarithm, before they are scaled to the data. Models differ by factors (1 is
# a factor of e); interactions are smaller than the effects that they belong to.
_MEAN, _MODEL, _SCENARIO = 4.0, 1.0, 1.0
_BATCH, _LOAD, _LOAD_BATCH = 1.0, 0.15, 0.08
_MODEL_BATCH, _MODEL_LOAD, _ALL = 0.15, 0.04, 0.02
_ALONE = 0.0025  # 5 %: of one setting, as where its batch no longer fits a cache
_ITSELF = (
    _MEAN + _MODEL + _SCENARIO + _BATCH + _LOAD + _LOAD_BATCH + _MODEL_BATCH + _MODEL_LOAD + _ALL + _ALONE
)
_SCALES = (0.5, 1.0, 2.0)
_NOISES = (0.01, 0.02, 0.04, 0.07, 0.12, 0.2)  # relative standard deviations of one probe
_USUAL_NOISE = 0.05
_FULL_WEIGHTS = (1.0, 2.0, 4.0)  # probes that a full run is worth
_PROBE_BIAS = 0.05  # short runs may all be slower or faster than full ones


@dataclass(frozen=True, slots=True)
class Place:
    """Where a setting is among the others: what it runs, and its parameters."""

    sut: str
    workload: str
    scenario: str
    batch_size: int
    parameters: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Sample:
    """The logarithm of a measured figure of a setting, of one probe or the median of full runs.

    `scatter` is the sum of the squares of the full runs' distances from their mean.
    """

    setting: int
    value: float
    probe: bool
    repeats: int = 1
    scatter: float = 0.0


@dataclass(frozen=True, slots=True)
class Belief:
    """Logarithms of a figure that full runs are expected to give, their deviations, and a probe's noise."""

    mean: Vector
    deviation: Vector
    noise: float


class Surrogate:
    """The settings of one sweep, by number."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._sut = _codes([place.sut for place in places])
        self._model = _codes([(place.sut, place.workload) for place in places])
        self._workload = _codes([place.workload for place in places])
        self._scenario = _codes([place.scenario for place in places])
        self._batch = np.log2([max(place.batch_size, 1) for place in places])
        names = sorted({name for place in places for name in place.parameters})
        columns = [[place.parameters.get(name) for place in places] for name in names]
        self._numbers = [_doublings(each) for each in columns if _are_counts(each)]
        self._kinds = [_codes(each) for each in columns if not _are_counts(each)]

    def fit(self, samples: Sequence[Sample]) -> "FittedSurrogate":
        """With the scale and the noises under which the samples are likeliest; the prior without samples."""
        return max(self._fits(samples), key=lambda each: each[0])[1]

    def _fits(self, samples: Sequence[Sample]) -> Iterator[tuple[float, "FittedSurrogate"]]:
        """The logarithm of the likelihood, and the fit, one at a time: its matrix may be large."""
        settings = np.array([each.setting for each in samples], dtype=np.int64)
        values = np.array([each.value for each in samples])
        repeats = np.array([each.repeats for each in samples])
        probe = np.array([each.probe for each in samples], dtype=np.float64)
        mean = float(values.mean()) if len(values) else 0.0
        kernel, bias = self.kernel(settings, settings), _PROBE_BIAS**2 * np.outer(probe, probe)
        scatter, free = sum(each.scatter for each in samples), int((repeats - 1).sum()) if len(values) else 0
        worth = _FULL_WEIGHTS if not probe.all() else (1.0,)
        grid = product(_SCALES, _NOISES, worth) if len(values) else ((1.0, _USUAL_NOISE, 1.0),)
        for scale, noise, weight in grid:
            weights = np.where(probe > 0, 1.0, weight * repeats)
            whole = scale * kernel + bias + np.diag(noise**2 / weights + _SMALLEST)
            factor = np.asarray(np.linalg.cholesky(whole), dtype=np.float64)
            whitened = _forward(factor, values - mean)
            likelihood = -float(np.log(np.diag(factor)).sum() + 0.5 * whitened @ whitened)
            likelihood -= 0.5 * float(np.log(noise / _USUAL_NOISE)) ** 2  # decides between few samples
            of_full = noise**2 / weight
            likelihood -= 0.5 * (free * float(np.log(of_full)) + scatter / of_full)
            yield likelihood, FittedSurrogate(self, settings, mean, scale, noise, factor, whitened)

    def kernel(self, left: Indices, right: Indices) -> Vector:
        """Covariances of the logarithms, before they are scaled."""
        batch = _near(self._batch, left, right, _BATCH_LENGTH)
        load = np.ones_like(batch)
        for numbers in self._numbers:
            load = load * _near(numbers, left, right, _LOAD_LENGTH)
        for kinds in self._kinds:
            load = load * _same(kinds, left, right)
        model, workload = _same(self._model, left, right), _same(self._workload, left, right)
        common = _BATCH * batch + _LOAD * load + _LOAD_BATCH * load * batch
        own = _MODEL_BATCH * batch + _MODEL_LOAD * load + _ALL * load * batch
        effects: Vector = _SCENARIO + common * (0.5 + 0.5 * _same(self._sut, left, right)) + own * model
        alike = _MEAN + 0.5 * _MODEL * (model + workload) + _same(self._scenario, left, right) * effects
        whole: Vector = alike + _ALONE * (left[:, None] == right[None, :])
        return whole


@dataclass(frozen=True, slots=True)
class FittedSurrogate:
    """A surrogate that has seen samples."""

    surrogate: Surrogate
    settings: Indices
    mean: float
    scale: float
    noise: float
    factor: Vector
    whitened: Vector

    def belief(self, settings: Indices) -> Belief:
        solved = self._solved(settings)
        variance = self.scale * _ITSELF - (solved * solved).sum(axis=0)
        return Belief(self.mean + solved.T @ self.whitened, np.sqrt(np.maximum(variance, 0.0)), self.noise)

    def covariance(self, settings: Indices) -> Vector:
        solved = self._solved(settings)
        left: Vector = self.scale * self.surrogate.kernel(settings, settings) - solved.T @ solved
        return left

    def _solved(self, settings: Indices) -> Vector:
        across = self.scale * self.surrogate.kernel(self.settings, settings)
        return _forward(self.factor, across)


def _forward(factor: Vector, right: Vector) -> Vector:
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(factor, right, lower=True), dtype=np.float64)


def _codes(values: Sequence[object]) -> Indices:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _are_counts(values: Sequence[Value]) -> bool:
    return all(isinstance(value, int | float) and type(value) is not bool and value >= 0 for value in values)


def _doublings(values: Sequence[Value]) -> Vector:
    return np.asarray(np.log2([max(float(value or 0), 0.5) for value in values]), dtype=np.float64)


def _same(codes: Indices, left: Indices, right: Indices) -> Vector:
    return np.asarray(codes[left][:, None] == codes[right][None, :], dtype=np.float64)


def _near(values: Vector, left: Indices, right: Indices, length: float) -> Vector:
    apart = (values[left][:, None] - values[right][None, :]) / length
    return np.asarray(np.exp(-0.5 * apart * apart), dtype=np.float64)
