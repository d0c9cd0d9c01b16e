"""The adaptive search of a sweep's front: from what is measured so far to what is measured next.

Pure: the same findings give the same step, so a search that was killed goes on, and a recorded sweep can be
replayed (benchmarks/adaptive.py). Figures are compared as logarithms, accuracies in shares of their range.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from qutiperf.run.surrogate import Indices, Place, Sample, Surrogate, Vector

_DEVIATIONS = 1.0  # how far beyond what is expected a setting may be before it counts as dominated
_TOLERANCE = 0.01  # a share of a figure that is not worth another run
_MOST_PROBES = 5  # of one load in one step, so that what they say is used
_FULL_WEIGHT = 4.0  # probes that a full run is worth
_UNKNOWN = 10.0  # the gain of a setting that nothing is known about

Drop = Literal["dominated", "unpromising", "failed", "budget"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a sweep, all its repeats; times in seconds.

    Settings of one `family` are compared, those with one `accuracy` are as accurate as each other (None if
    accuracy does not count), and where one fails, larger batches of the same `ladder` would fail as well.
    `figures` are the names of what is compared, with True where higher is better.
    """

    key: str
    load: str
    family: str
    ladder: str
    accuracy: str | None
    place: Place
    figures: Mapping[str, bool]
    probe_s: float
    full_s: float
    load_s: float


@dataclass(slots=True)
class Findings:
    """What is measured: figures of probes and of full runs by setting (None if a run failed or is not valid).

    `failed` has the reasons of failures, `accuracy` the percentages by the settings' `accuracy`.
    """

    probes: dict[str, Mapping[str, float] | None] = field(default_factory=dict)
    full: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    accuracy: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """Settings of one load to measure next, smallest batch first."""

    load: str
    kind: Literal["probe", "full"]
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A setting that is not measured in full, and why.

    `other` is the setting that dominates it, by `behind` of its first figure (0.1 is a tenth), or the one
    that failed.
    """

    key: str
    kind: Drop
    other: str | None = None
    behind: float | None = None


class Search:
    """The front of the settings, in as little time as possible."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._settings = list(settings)
        self._number = {setting.key: number for number, setting in enumerate(settings)}
        self._surrogate = Surrogate([setting.place for setting in settings])
        self._families = _grouped(setting.family for setting in settings)
        self._loads = _grouped(setting.load for setting in settings)

    def next_step(self, findings: Findings, left_s: float | None = None) -> Step | None:
        """None if nothing is left that could be on the front, or that fits into `left_s` seconds."""
        view = _View(self._settings, self._surrogate, self._families, self._number, findings)
        if view.is_hopeless:
            return None
        wanted = view.survivors()
        reserved_s = self._cost_s(wanted) if left_s is not None else 0.0
        probing = self._probe_step(view)
        if probing is not None and (left_s is None or self._step_s(probing) + reserved_s <= left_s):
            return probing
        return self._full_step(view, wanted, left_s)

    def dropped(self, findings: Findings) -> list[Dropped]:
        """Why each setting without a full run has none."""
        view = _View(self._settings, self._surrogate, self._families, self._number, findings)
        return [view.dropped(number) for number in range(len(self._settings)) if not view.done[number]]

    def _probe_step(self, view: "_View") -> Step | None:
        gain = view.expected_gains()
        best: tuple[float, str] | None = None
        for load, numbers in self._loads.items():
            open_ones = [number for number in numbers if view.may_probe[number] and gain[number] > 0]
            if not open_ones:
                continue
            first = self._settings[open_ones[0]]
            cost_s = first.load_s + min(self._settings[number].probe_s for number in open_ones)
            rate = max(gain[number] for number in open_ones) / max(cost_s, 1e-9)
            if best is None or rate > best[0] * (1 + 1e-9):
                best = (rate, load)
        if best is None:
            return None
        chosen = view.worth_probing([number for number in self._loads[best[1]] if view.may_probe[number]])
        return self._step(best[1], "probe", chosen)

    def _full_step(self, view: "_View", wanted: Sequence[int], left_s: float | None) -> Step | None:
        """The load whose survivors promise most; of these as many as fit, the most promising ones."""
        by_load: defaultdict[str, list[int]] = defaultdict(list)
        for number in wanted:
            by_load[self._settings[number].load].append(number)
        promise = view.promise(wanted)
        order = sorted(by_load, key=lambda load: -max(promise[number] for number in by_load[load]))
        for load in order:
            chosen: list[int] = []
            cost_s = self._settings[by_load[load][0]].load_s
            for number in sorted(by_load[load], key=lambda each: -promise[each]):
                cost_s += self._settings[number].full_s
                if left_s is None or cost_s <= left_s:
                    chosen.append(number)
            if chosen:
                return self._step(load, "full", chosen)
        return None

    def _step(self, load: str, kind: Literal["probe", "full"], numbers: Iterable[int]) -> Step:
        ordered = sorted(numbers, key=lambda number: self._settings[number].place.batch_size)
        return Step(load, kind, tuple(self._settings[number].key for number in ordered))

    def _step_s(self, step: Step) -> float:
        chosen = [self._settings[self._number[key]] for key in step.settings]
        return chosen[0].load_s + sum(each.probe_s for each in chosen)

    def _cost_s(self, numbers: Sequence[int]) -> float:
        loads = {self._settings[number].load: self._settings[number].load_s for number in numbers}
        return sum(loads.values()) + sum(self._settings[number].full_s for number in numbers)


class _View:
    """The settings in the light of the findings; rows are settings, columns objectives, higher is better."""

    def __init__(
        self,
        settings: Sequence[Setting],
        surrogate: Surrogate,
        families: Mapping[str, Indices],
        number: Mapping[str, int],
        findings: Findings,
    ) -> None:
        self.settings, self.findings, self._families = settings, findings, families
        self._all = np.arange(len(settings))
        self.done = np.array([setting.key in findings.done for setting in settings])
        self.ruled_out = self._ruled_out()
        self._failed = np.array([key is not None for key in self.ruled_out])
        self._empty = np.array(
            [s.key in findings.done and not findings.full.get(s.key) for s in settings], dtype=bool
        )
        probed = np.array([setting.key in findings.probes for setting in settings])
        self.may_probe = ~(probed | self.done | self._failed)
        self._names = list(dict.fromkeys(name for setting in settings for name in setting.figures))
        self.fits = {name: surrogate.fit(self._samples(name, number)) for name in self._names}
        self.known = np.array(
            [setting.key in findings.full or bool(findings.probes.get(setting.key)) for setting in settings]
        )
        self.mean, self.deviation = self._beliefs()
        self.optimistic = self.mean + _DEVIATIONS * self.deviation
        self._gains: Vector | None = None

    @property
    def is_hopeless(self) -> bool:
        return bool((self.done | self._failed).all())

    def _ruled_out(self) -> list[str | None]:
        """The setting whose failure rules each one out; None if none does."""
        smallest: dict[str, tuple[int, str]] = {}
        for setting in self.settings:
            if setting.key in self.findings.failed:
                mine = (setting.place.batch_size, setting.key)
                smallest[setting.ladder] = min(smallest.get(setting.ladder, mine), mine)
        found: list[str | None] = []
        for setting in self.settings:
            limit = smallest.get(setting.ladder)
            found.append(limit[1] if limit and setting.place.batch_size >= limit[0] else None)
        return found

    def _samples(self, name: str, number: Mapping[str, int]) -> list[Sample]:
        samples = []
        for key, figures in self.findings.probes.items():
            if key in number and figures and (value := figures.get(name)):
                samples.append(Sample(number[key], self._signed(name, number[key], value), 1.0, probe=True))
        for key, repeats in self.findings.full.items():
            values = [value for figures in repeats if (value := figures.get(name))]
            if key in number and values:
                middle = math.exp(float(np.median(np.log(values))))
                weight = _FULL_WEIGHT * len(values)
                samples.append(
                    Sample(number[key], self._signed(name, number[key], middle), weight, probe=False)
                )
        return samples

    def _signed(self, name: str, number: int, value: float) -> float:
        return math.log(value) * (1.0 if self.settings[number].figures.get(name, True) else -1.0)

    def _beliefs(self) -> tuple[Vector, Vector]:
        """Columns: accuracy, then the figures; NaN where a family does not have the objective."""
        shape = (len(self.settings), 1 + len(self._names))
        mean, deviation = np.full(shape, np.nan), np.zeros(shape)
        for numbers in self._families.values():
            self._put_accuracy(mean, deviation, numbers)
        for column, name in enumerate(self._names, 1):
            mine = self._all[[name in setting.figures for setting in self.settings]]
            belief = self.fits[name].belief(mine)
            mean[mine, column], deviation[mine, column] = belief.mean, belief.deviation
        return mean, deviation

    def _put_accuracy(self, mean: Vector, deviation: Vector, numbers: Indices) -> None:
        """An unknown accuracy may be any."""
        if self.settings[numbers[0]].accuracy is None:
            return
        values = [self.findings.accuracy.get(self.settings[number].accuracy or "") for number in numbers]
        known = [value for value in values if value is not None]
        low, high = (min(known), max(known)) if known else (0.0, 0.0)
        for number, value in zip(numbers, values, strict=True):
            unknown = value is None and self.settings[number].accuracy not in self.findings.accuracy
            mean[number, 0] = _UNKNOWN if unknown else ((value or 0.0) - low) / max(high - low, 1e-6)

    def gains(self, numbers: Indices, values: Vector, others: Indices) -> Vector:
        """How far each setting is beyond the nearest of the others; at most 0 if one is as good in all."""
        if not len(others):
            return np.full(len(numbers), _UNKNOWN)
        columns = ~np.isnan(self.mean[numbers[0]])
        front = self.mean[others][:, columns]
        beyond = values[:, columns][:, None, :] - front[None, :, :]
        nearest: Vector = beyond.max(axis=2).min(axis=1)
        return nearest

    def front(self, numbers: Indices) -> Indices:
        """Those of the settings that no other is expected to beat."""
        kept: list[int] = []
        for number in sorted(numbers, key=lambda each: -float(np.nansum(self.mean[each]))):
            ahead = self.gains(np.array([number]), self.mean[[number]], np.array(kept, dtype=np.int64))
            if ahead[0] > 0:
                kept.append(number)
        return np.array(kept, dtype=np.int64)

    def expected_gains(self) -> Vector:
        """How much a probe of each setting may add to the front of what is measured; 0 if dominated."""
        if self._gains is not None:
            return self._gains
        gain = np.zeros(len(self.settings))
        for numbers in self._families.values():
            known = numbers[self.known[numbers] & ~self._empty[numbers]]
            gain[numbers] = self._improvement(numbers, self.front(known))
        gain[self._failed] = 0.0
        self._gains = gain
        return gain

    def _improvement(self, numbers: Indices, front: Indices) -> Vector:
        ahead = self.gains(numbers, self.mean[numbers], front) - _TOLERANCE
        deviation = np.maximum(self.deviation[numbers].max(axis=1), 1e-9)
        best = self.gains(numbers, self.optimistic[numbers], front)
        z = ahead / deviation
        expected = deviation * (_density(z) + z * _share_below(z))
        kept: Vector = np.where(best > _TOLERANCE, np.maximum(expected, 1e-12), 0.0)
        return kept

    def worth_probing(self, numbers: Sequence[int]) -> list[int]:
        """Settings of one load, each the most promising one if those before it are as expected."""
        place = np.array(numbers, dtype=np.int64)
        deviation = {name: self.fits[name].covariance(place) for name in self._names}
        optimistic, chosen = self.optimistic.copy(), list[int]()
        while len(chosen) < _MOST_PROBES:
            best: tuple[float, int] | None = None
            for family, whole in self._families.items():
                mine = np.array(
                    [n for n in numbers if self.settings[n].family == family and n not in chosen],
                    dtype=np.int64,
                )
                if not len(mine):
                    continue
                measured = whole[(self.known[whole] & ~self._empty[whole]) | np.isin(whole, chosen)]
                gain = self.gains(mine, optimistic[mine], self.front(measured))
                spread = np.nanmax(optimistic[mine] - self.mean[mine], axis=1)
                score = np.where(gain > _TOLERANCE, np.minimum(gain, 1.0) + 1e-6 * spread, 0.0)
                place_of_best = int(score.argmax())
                if score[place_of_best] > 0 and (best is None or score[place_of_best] > best[0]):
                    best = (float(score[place_of_best]), int(mine[place_of_best]))
            if best is None:
                break
            chosen.append(best[1])
            self._assume(place, best[1], deviation, optimistic)
        return chosen

    def _assume(self, place: Indices, number: int, covariance: dict[str, Vector], optimistic: Vector) -> None:
        """The others' deviations if one setting had been probed."""
        at = int(np.flatnonzero(place == number)[0])
        for column, name in enumerate(self._names, 1):
            matrix = covariance[name]
            noise = self.fits[name].noise
            matrix = matrix - np.outer(matrix[:, at], matrix[at]) / (matrix[at, at] + noise**2)
            covariance[name] = matrix
            deviation = np.sqrt(np.maximum(np.diag(matrix), 0.0))
            optimistic[place, column] = self.mean[place, column] + _DEVIATIONS * deviation

    def survivors(self) -> list[int]:
        """Settings without full runs that are not dominated beyond the noise."""
        found: list[int] = []
        for numbers in self._families.values():
            possible = numbers[~(self._failed[numbers] | self._empty[numbers])]
            front = self.front(possible[self.known[possible]])
            for number in possible[~self.done[possible]]:
                others = front[front != number]
                best = self.gains(np.array([number]), self.optimistic[[number]], others)
                if best[0] > _TOLERANCE and (self.known[number] or not self.may_probe[number]):
                    found.append(int(number))
        return found

    def promise(self, numbers: Sequence[int]) -> dict[int, float]:
        """How far each setting is expected beyond what is measured in full."""
        promise: dict[int, float] = {}
        for number in numbers:
            family = self._families[self.settings[number].family]
            done = self.front(family[self.done[family] & ~self._empty[family]])
            gain = self.gains(np.array([number]), self.mean[[number]], done)
            promise[number] = float(gain[0]) + 1e-3 * float(np.nansum(self.mean[number]))
        return promise

    def dropped(self, number: int) -> Dropped:
        setting = self.settings[number]
        if (failed := self.ruled_out[number]) is not None:
            return Dropped(setting.key, "failed", failed)
        family = self._families[setting.family]
        front = self.front(family[self.known[family] & ~self._empty[family]])
        front = front[front != number]
        if len(front) and self.gains(np.array([number]), self.optimistic[[number]], front)[0] <= _TOLERANCE:
            columns = ~np.isnan(self.mean[number])
            behind = (self.optimistic[number, columns] - self.mean[front][:, columns]).max(axis=1)
            better = int(front[int(behind.argmin())])
            first = 1 + self._names.index(next(iter(setting.figures)))
            share = 1.0 - math.exp(float(self.mean[number, first] - self.mean[better, first]))
            kind: Drop = "dominated" if setting.key in self.findings.probes else "unpromising"
            return Dropped(setting.key, kind, self.settings[better].key, share)
        return Dropped(setting.key, "budget")


def _grouped(keys: Iterable[str]) -> dict[str, Indices]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        groups[key].append(number)
    return {key: np.array(numbers, dtype=np.int64) for key, numbers in groups.items()}


def _density(z: Vector) -> Vector:
    density: Vector = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return density


def _share_below(z: Vector) -> Vector:
    from scipy.special import ndtr

    share: Vector = ndtr(z)
    return share
