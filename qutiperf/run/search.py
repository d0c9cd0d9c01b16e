"""The adaptive search of a sweep's front: from what is measured so far to what is measured next.

Pure: the same findings give the same step, so a search that was killed goes on, and a recorded sweep can be
replayed (benchmarks/adaptive.py). Figures are compared as logarithms, accuracies in shares of their range.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from qutiperf.run.front_volume import FrontVolume
from qutiperf.run.surrogate import Indices, Place, Sample, Surrogate, Vector

_LEAST_GAIN = 0.002  # the expected share of a front's volume that is worth a full run and its load
_SURPRISE, _LEAST_SURPRISE = 3.0, 0.02  # the share that is worth as much at so many deviations
# Gauss-Hermite quadrature of a normal distribution: deviations, and how likely they are
_DEVIATIONS = ((-2.857, 0.01126), (-1.3556, 0.22208), (0.0, 0.53333), (1.3556, 0.22208), (2.857, 0.01126))
_MOST_CANDIDATES, _MOST_WANTED = 400, 60  # of full runs at a time, so that a step takes seconds at most
_UNKNOWN_ACCURACY = 1.2  # in shares of the range of what is known: it may be better than all others

Drop = Literal["dominated", "unpromising", "negligible", "failed", "budget"]


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
        view = self._view(findings)
        probing = self._probe_step(view)
        if probing is not None and (
            left_s is None or self._step_s(probing) + self._cost_s(view.wanted) <= left_s
        ):
            return probing
        return self._full_step(view.wanted, left_s)

    def dropped(self, findings: Findings) -> list[Dropped]:
        """Why each setting without a full run has none."""
        view = self._view(findings)
        return [view.dropped(number) for number in range(len(self._settings)) if not view.done[number]]

    def _view(self, findings: Findings) -> "_View":
        return _View(self._settings, self._surrogate, self._families, self._number, findings)

    def _probe_step(self, view: "_View") -> Step | None:
        """The load whose best probe is expected to add most for its time, and all that is worth its own."""
        gain = view.probe_gains
        best: tuple[float, str] | None = None
        for load, numbers in self._loads.items():
            number = max(numbers, key=lambda each: gain[each])
            one = self._settings[number]
            rate = gain[number] / max(one.load_s + one.probe_s, 1e-9)
            worth = gain[number] >= _least_gain(one, one.load_s + one.probe_s)
            if worth and (best is None or rate > best[0] * (1 + 1e-9)):
                best = (rate, load)
        if best is None:
            return None
        chosen = view.worth_probing(self._loads[best[1]])
        return self._step(best[1], "probe", chosen)

    def _full_step(self, wanted: Mapping[int, float], left_s: float | None) -> Step | None:
        """The load whose settings are expected to add most for their time; of these as many as fit."""
        by_load: defaultdict[str, list[int]] = defaultdict(list)
        for number in wanted:
            by_load[self._settings[number].load].append(number)
        best: tuple[float, str, list[int]] | None = None
        for load, numbers in by_load.items():
            chosen, cost_s = list[int](), self._settings[numbers[0]].load_s
            for number in numbers:
                full_s = self._settings[number].full_s
                if left_s is None or cost_s + full_s <= left_s:
                    chosen.append(number)
                    cost_s += full_s
            rate = sum(wanted[number] for number in chosen) / max(cost_s, 1e-9)
            if chosen and (best is None or rate > best[0] * (1 + 1e-9)):
                best = (rate, load, chosen)
        return None if best is None else self._step(best[1], "full", best[2])

    def _step(self, load: str, kind: Literal["probe", "full"], numbers: Iterable[int]) -> Step:
        ordered = sorted(numbers, key=lambda number: self._settings[number].place.batch_size)
        return Step(load, kind, tuple(self._settings[number].key for number in ordered))

    def _step_s(self, step: Step) -> float:
        chosen = [self._settings[self._number[key]] for key in step.settings]
        return chosen[0].load_s + sum(each.probe_s for each in chosen)

    def _cost_s(self, numbers: Iterable[int]) -> float:
        chosen = [self._settings[number] for number in numbers]
        loads = {each.load: each.load_s for each in chosen}
        return sum(loads.values()) + sum(each.full_s for each in chosen)


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
        self._possible = ~(self.done | self._failed | self._empty)
        self._full = self.done & ~self._empty
        self._names = list(dict.fromkeys(name for setting in settings for name in setting.figures))
        self.fits = {name: surrogate.fit(self._samples(name, number)) for name in self._names}
        measured = [s.key in findings.full or bool(findings.probes.get(s.key)) for s in settings]
        self.known = np.array(measured) & ~self._empty
        self.mean, self.deviation = self._beliefs()
        self._volumes = {name: self._volume(numbers) for name, numbers in families.items()}

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
                samples.append(Sample(number[key], self._signed(name, number[key], value), probe=True))
        for key, repeats in self.findings.full.items():
            values = [value for figures in repeats if (value := figures.get(name))]
            if key in number and values:
                logarithms = np.log(values)
                middle = self._signed(name, number[key], math.exp(float(np.median(logarithms))))
                scatter = float(logarithms.var()) * len(values)
                samples.append(Sample(number[key], middle, False, len(values), scatter))
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
            share = ((value or 0.0) - low) / max(high - low, 1e-6)
            mean[number, 0] = _UNKNOWN_ACCURACY if unknown else max(share, 0.0)

    def _volume(self, numbers: Indices) -> FrontVolume:
        columns = self._columns(numbers)
        names = ["", *self._names]
        lower = [not self.settings[numbers[0]].figures.get(names[column], True) for column in columns]
        return FrontVolume(self.mean[np.ix_(numbers, columns)], columns > 0, np.array(lower))

    def _columns(self, numbers: Indices) -> Indices:
        """The objectives of a family."""
        return np.flatnonzero(~np.isnan(self.mean[numbers[0]]))

    def _gains(self, family: str, numbers: Indices, front: Indices, deviation: Vector) -> Vector:
        """The share of the front's volume that each setting is expected to add, or more if it may surprise.

        What is known of the front is uncertain as well: its mean variance counts with each setting's own.
        The expectation alone would leave out a setting that is unlikely to be good, but adds much if it is.
        """
        columns = self._columns(numbers)
        others, mine = self.mean[np.ix_(front, columns)], self.mean[np.ix_(numbers, columns)]
        spread, volume = deviation[np.ix_(numbers, columns)], self._volumes[family]
        if len(front):
            spread = np.sqrt(spread**2 + (self.deviation[np.ix_(front, columns)] ** 2).mean(axis=0))
        expected = sum(share * volume.gains(mine + each * spread, others) for each, share in _DEVIATIONS)
        surprise = volume.gains(mine + _SURPRISE * spread, others)
        return np.maximum(expected, surprise * _LEAST_GAIN / _LEAST_SURPRISE)

    @cached_property
    def probe_gains(self) -> Vector:
        """What a probe of each setting is expected to add to the front of all that is known."""
        gain = np.zeros(len(self.settings))
        for family, numbers in self._families.items():
            mine, known = numbers[self.may_probe[numbers]], numbers[self.known[numbers]]
            if len(mine):
                gain[mine] = self._gains(family, mine, known, self.deviation)
        return gain

    def worth_probing(self, load: Indices) -> list[int]:
        """Settings of a load, the best one and those that add more than their own time is worth."""
        numbers = load[self.may_probe[load]]
        covariance = {name: self.fits[name].covariance(numbers) for name in self._names}
        deviation, chosen = self.deviation.copy(), list[int]()
        while len(chosen) < len(numbers):
            gain = {
                int(number): float(value)
                for family, whole in self._families.items()
                if len(mine := np.setdiff1d(np.intersect1d(numbers, whole), chosen))
                for number, value in zip(
                    mine,
                    self._gains(family, mine, whole[self.known[whole] | np.isin(whole, chosen)], deviation),
                    strict=True,
                )
            }
            best = max(gain, key=lambda number: gain[number])
            one = self.settings[best]
            if chosen and gain[best] < _least_gain(one, one.probe_s):
                break
            chosen.append(best)
            self._assume(numbers, best, covariance, deviation)
        return chosen

    def _assume(
        self, numbers: Indices, chosen: int, covariance: dict[str, Vector], deviation: Vector
    ) -> None:
        """The deviations if one setting had been probed."""
        at = int(np.flatnonzero(numbers == chosen)[0])
        for column, name in enumerate(self._names, 1):
            matrix, noise = covariance[name], self.fits[name].noise
            matrix = matrix - np.outer(matrix[:, at], matrix[at]) / (matrix[at, at] + noise**2)
            covariance[name] = matrix
            deviation[numbers, column] = np.sqrt(np.maximum(np.diag(matrix), 0.0))

    @cached_property
    def wanted(self) -> dict[int, float]:
        """What each setting is expected to add to what is measured in full, the best ones first.

        Each counts as measured, as it is expected, when the next one is chosen. The ends of the front are
        measured as well, which add little volume.
        """
        wanted: dict[int, float] = {}
        for family, numbers in self._families.items():
            front, left = numbers[self._full[numbers]], numbers[self._possible[numbers]]
            if len(left) > _MOST_CANDIDATES:
                first = self._gains(family, left, front, self.deviation)
                left = left[np.argsort(-first, kind="stable")[:_MOST_CANDIDATES]]
            before = len(wanted)
            while len(left) and len(wanted) - before < _MOST_WANTED:
                gain = self._gains(family, left, front, self.deviation)
                left, gain = left[gain >= _LEAST_GAIN], gain[gain >= _LEAST_GAIN]
                if not len(left):
                    break
                best = int(gain.argmax())
                wanted[int(left[best])] = float(gain[best])
                front, left = np.append(front, left[best]), np.delete(left, best)
            for end in self._ends(numbers[(self._possible | self._full)[numbers]]):
                if not self.done[end]:
                    wanted.setdefault(end, _LEAST_GAIN)
        return wanted

    def _ends(self, numbers: Indices) -> list[int]:
        """The settings that are expected to be best in one objective, and among these in the others."""
        columns = self._columns(numbers) if len(numbers) else np.array([], dtype=np.int64)
        whole = self.mean[np.ix_(numbers, columns)].sum(axis=1)
        return [int(numbers[np.lexsort((whole, self.mean[numbers, column]))[-1]]) for column in columns]

    def dropped(self, number: int) -> Dropped:
        setting = self.settings[number]
        if (failed := self.ruled_out[number]) is not None:
            return Dropped(setting.key, "failed", failed)
        least = _least_gain(setting, setting.load_s + setting.probe_s)
        if number in self.wanted or self.probe_gains[number] >= least:
            return Dropped(setting.key, "budget")
        family = self._families[setting.family]
        known = family[self.known[family] & (family != number)]
        columns = self._columns(family)
        ahead = (self.mean[np.ix_(known, columns)] - self.mean[number, columns]).min(axis=1)
        if not len(known) or ahead.max() < 0:
            return Dropped(setting.key, "negligible")
        better = int(known[int(ahead.argmax())])
        first = 1 + self._names.index(next(iter(setting.figures)))
        share = 1.0 - math.exp(float(self.mean[number, first] - self.mean[better, first]))
        kind: Drop = "dominated" if setting.key in self.findings.probes else "unpromising"
        return Dropped(setting.key, kind, self.settings[better].key, share)


def _least_gain(setting: Setting, seconds: float) -> float:
    """What must be expected of a setting for this time: as much as of a full run with its load for theirs."""
    return _LEAST_GAIN * max(seconds, 1e-9) / max(setting.load_s + setting.full_s, 1e-9)


def _grouped(keys: Iterable[str]) -> dict[str, Indices]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        groups[key].append(number)
    return {key: np.array(numbers, dtype=np.int64) for key, numbers in groups.items()}
