"""Whether another label offset, order of channels or normalisation fits the model clearly better.

Tried after an accuracy run and apart from it, on a few samples. Answers are compared with an exact McNemar
test; the probability of any false alarm is at most FALSE_ALARM, over everything that is tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np

from qutiperf.datasets.alternatives import Alternative, Alternatives, has_alternatives, most_alternatives
from qutiperf.datasets.base import Array, Labels
from qutiperf.datasets.classification import Classification, classes_of
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.significance import (
    FALSE_ALARM,
    Answers,
    above_chance,
    better_by_luck,
    chance,
    most_significant,
    near_chance,
)
from qutiperf.results.record import AccuracyCheck
from qutiperf.spec.workload import Workload

MOST_SAMPLES = 128
_LEAST_SAMPLES = 20  # of a slow model: 20 gains are significant among 1,000 alternatives
_BUDGET_S = 4.0
_OFFSET = "model.output.label_offset"
_SEED = 1


@dataclass(slots=True)
class _Best:
    """The alternative that fits clearly better, so far."""

    right: int = 0
    samples: int = 0
    settings: dict[str, str] = field(default_factory=dict)


class Trials:
    """Answers of a loaded model to samples in other forms; stops when the time is over."""

    def __init__(self, workload: Workload, model: LoadedModel, labels: Labels, batch_size: int) -> None:
        self._workload, self._model, self._batch_size = workload, model, batch_size
        self._infer = model.infers()[0]
        chosen = np.random.default_rng(_SEED).permutation(len(labels))[:MOST_SAMPLES]
        self._indices: list[int] = sorted(chosen.tolist())
        self._labels, self._best = labels[self._indices], _Best()
        self._offset = workload.model.output.label_offset
        self._end = monotonic() + _BUDGET_S

    def check(self, log: Path, labels: Labels) -> AccuracyCheck:
        """`log` has the answers of the whole run; raises what the adapter raises."""
        answers = classes_of(log, len(labels))
        right, by_chance = int((answers == labels).sum()), chance(answers, labels)
        declared = answers[self._indices]
        offsets = sorted({0, 1, self._offset - 1, self._offset + 1, self._offset})
        forms = most_alternatives(self._workload.model) + 1 if has_alternatives(self._workload) else 1
        tried = forms * len(offsets) - 1
        limit, hits = FALSE_ALARM / tried, declared == self._labels
        note = None
        if most_significant(int((~hits).sum())) <= limit:
            self._compare(declared, declared, offsets, {}, limit)
            note = self._try_forms(declared, offsets, limit) if forms > 1 else None
        return AccuracyCheck(
            samples=len(hits),
            right=int(hits.sum()),
            total=len(labels),
            total_right=right,
            chance_percent=None if by_chance is None else 100 * by_chance,
            near_chance=by_chance is not None and near_chance(right, len(labels), by_chance),
            settings=self._best.settings,
            settings_right=self._best.right if self._best.settings else None,
            settings_samples=self._best.samples if self._best.settings else None,
            note=note,
        )

    def _try_forms(self, declared: Answers, offsets: Sequence[int], limit: float) -> str | None:
        """A note if the time was not enough for all."""
        alternatives, count = Alternatives(self._workload, self._indices), len(declared)
        for number, alternative in enumerate(alternatives.listed):
            started = monotonic()
            if started > self._end:
                return f"{number} of {len(alternatives.listed)} alternatives tried in {_BUDGET_S:.0f} s"
            answers = self._answers(alternatives, alternative, count)
            self._compare(declared[:count], answers, offsets, alternative.settings, limit)
            left = len(alternatives.listed) - number - 1
            count = self._affordable(count, (monotonic() - started) / count, left)
        return None

    def _affordable(self, count: int, sample_s: float, left: int) -> int:
        """Samples for each of the other alternatives; the choice depends on nothing but the time."""
        if not left:
            return count
        possible = int((self._end - monotonic()) / max(sample_s * left, 1e-9))
        return min(count, max(possible, _LEAST_SAMPLES))

    def _answers(self, alternatives: Alternatives, alternative: Alternative, count: int) -> Answers:
        return np.concatenate(
            [
                self._classes(alternatives.samples(alternative, first, min(first + self._batch_size, count)))
                for first in range(0, count, self._batch_size)
            ]
        )

    def _classes(self, batch: Array) -> Answers:
        """The model's answers less the declared offset; a form that makes them NaN answers nothing."""
        outputs, _ = self._infer(batch)
        if outputs.dtype.kind == "f" and not np.isfinite(outputs).all():
            return np.full(len(batch), np.iinfo(np.int64).min, np.int64)
        responses = np.asarray(self._model.task.responses(outputs, len(batch)))
        return responses[:, 0].astype(np.int64)

    def _compare(
        self,
        declared: Answers,
        answers: Answers,
        offsets: Sequence[int],
        settings: dict[str, str],
        limit: float,
    ) -> None:
        """Keeps what is clearly better than declared, and than guessing."""
        labels = self._labels[: len(answers)]
        for offset in sorted(offsets, key=lambda each: each != self._offset):
            moved = answers + (self._offset - offset)
            right = int((moved == labels).sum())
            if right <= self._best.right or better_by_luck(declared == labels, moved == labels) > limit:
                continue
            if above_chance(moved, labels):
                also = {} if offset == self._offset else {_OFFSET: str(offset)}
                self._best = _Best(right, len(moved), {**settings, **also})


def check_accuracy(
    workload: Workload, model: LoadedModel, batch_size: int, log: Path
) -> AccuracyCheck | None:
    """None where there is nothing to compare; raises what the adapter raises."""
    labels = model.dataset.labels
    if labels is None or not isinstance(model.task, Classification):
        return None
    return Trials(workload, model, labels, batch_size).check(log, labels)
