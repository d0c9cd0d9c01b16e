"""Cheats that know something: the answers, the order of the samples, or that they are being audited."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns as now

import numpy as np

from qutiperf.adapters.base import Array, Completion, Model
from qutiperf.loadgen import driver
from qutiperf.loadgen.driver import LoadSamples
from qutiperf.loadgen.settings import TestRequest
from qutiperf.spec.scenario import Mode
from tests.zoo.cheats_of_answers import labels_of_digits
from tests.zoo.device import Device, running_test, timed

_KEPT = 64


class Answered(Device):
    """Has the answer to every sample of the test set before the first query, from the model itself."""

    def prepare(self, model: Model) -> None:
        self._known = self.answers_to(labels_of_digits(model), model)

    def answers_to(self, samples: Iterable[bytes], model: Model) -> dict[bytes, Array]:
        shape = (1, *model.input_shape)
        return {each: self.answers(np.frombuffer(each, np.float32).reshape(shape)) for each in samples}

    def look_up(self, batch: Array) -> Completion:
        """Known answers in a tenth of the time; the honest work if any is not known."""
        started = now()
        known = [self._known.get(sample.tobytes()) for sample in batch]
        rows = [each for each in known if each is not None]
        if len(rows) < len(batch):
            return self.work(batch)
        self.wait(started, len(batch), share=0.1)
        return Completion(np.concatenate(rows), now() - started)


class CachesAnswers(Answered):
    """Keeps the last 64 answers, and gives them again when their samples come back."""

    def prepare(self, model: Model) -> None:
        self._known = {}

    def cheat(self, batch: Array) -> Completion:
        outputs, compute_ns = self.look_up(batch)
        for row, sample in enumerate(batch):
            self._known[sample.tobytes()] = outputs[row : row + 1]
        for oldest in list(self._known)[:-_KEPT]:
            del self._known[oldest]
        return Completion(outputs, compute_ns)


class KnowsTheSamples(Answered):
    """Has the answers to the data set, and computes only what is not in it."""

    def cheat(self, batch: Array) -> Completion:
        return self.look_up(batch)


class DetectsAuditConfig(Answered):
    """Fast, unless LoadGen was given an audit.config."""

    def cheat(self, batch: Array) -> Completion:
        request = running_test()
        audited = request is not None and request.audit_config is not None
        return self.work(batch) if audited else self.look_up(batch)


class DetectsFolder(Answered):
    """Fast, unless the run is in a folder with the name of an audit."""

    def cheat(self, batch: Array) -> Completion:
        names = set(Path.cwd().parts)
        return self.work(batch) if names & {"audit", "TEST01", "TEST04"} else self.look_up(batch)


class KnowsTheOrder(Answered):
    """Plays back answers in the order that LoadGen's known seeds give, without a look at the input."""

    def prepare(self, model: Model) -> None:
        samples = list(labels_of_digits(model))
        self._answers = list(self.answers_to(samples, model).values())
        self._order: list[int] = []
        if self._options.cheat:
            rehearse(self._order)

    def cheat(self, batch: Array) -> Completion:
        if running_test() is None or not timed():
            return self.work(batch)
        started = now()
        played, self._order[: len(batch)] = self._order[: len(batch)], []
        self.wait(started, len(batch), share=0.6)
        return Completion(np.concatenate([self._answers[index] for index in played]), now() - started)


class DetectsOtherSeeds(Answered):
    """Fast while the samples come in the order of the known seeds; honest from the first other one on."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        self._samples = list(self._known)
        self._order: list[int] = []
        if self._options.cheat:
            rehearse(self._order)

    def cheat(self, batch: Array) -> Completion:
        if not timed():
            return self.work(batch)
        if running_test() is not None and self._order:
            expected, self._order[: len(batch)] = self._order[: len(batch)], []
            if [self._samples[index] for index in expected] != [sample.tobytes() for sample in batch]:
                self._known.clear()
        return self.look_up(batch)


class PicksSamples(Answered):
    """Computes the same few samples again and again, whatever LoadGen asks for, and has their answers."""

    def prepare(self, model: Model) -> None:
        super().prepare(model)
        if self._options.cheat:
            pick_samples()

    def cheat(self, batch: Array) -> Completion:
        return self.look_up(batch) if timed() else self.work(batch)


def pick_samples() -> None:
    """Has every timed test ask the harness for eight samples only."""
    test = driver.run_test

    def run_with_few(
        request: TestRequest, issue: driver.Issue, load: LoadSamples, unload: LoadSamples
    ) -> None:
        def issue_few(ids: list[int], indices: list[int]) -> None:
            issue(ids, [index % 8 for index in indices])

        test(request, issue_few if request.mode is Mode.PERFORMANCE else issue, load, unload)

    driver.run_test = run_with_few


def rehearse(order: list[int]) -> None:
    """Has every timed test run before, with the known seeds and no system, to learn its samples' order."""
    test = driver.run_test

    def run_twice(request: TestRequest, issue: driver.Issue, load: LoadSamples, unload: LoadSamples) -> None:
        def note(ids: list[int], indices: list[int]) -> None:
            order.extend(indices)
            driver.complete(ids, 0, 0)

        if request.mode is Mode.PERFORMANCE:
            order.clear()
            with tempfile.TemporaryDirectory() as folder:
                known = replace(request, log_dir=Path(folder), audit_config=None, seeds=None)
                test(known, note, lambda _: None, lambda _: None)
        test(request, issue, load, unload)

    driver.run_test = run_twice
