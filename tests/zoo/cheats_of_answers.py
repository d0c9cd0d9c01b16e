"""Cheats that do less work than they answer for, or none at all."""

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns as now

import numpy as np

from qutiperf.adapters.base import Array, Completion, Model
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec
from tests.zoo.device import Device, network, timed, wait_until

_CLASSES = np.eye(10, dtype=np.float32)
_CHEAP = "digits-cnv-12.5-fp32.onnx"
_BITS = 3


class CheapModel(Device):
    """Another, smaller model while it is timed; the declared model when accuracy is measured."""

    def prepare(self, model: Model) -> None:
        self._cheap = network(replace(model, path=str(Path(model.path).with_name(_CHEAP))))

    def cheat(self, batch: Array) -> Completion:
        if not timed():
            return self.work(batch)
        started = now()
        outputs, _ = self._cheap.infer(np.ascontiguousarray(batch))
        self.wait(started, len(batch), share=0.5)
        return Completion(outputs, now() - started)


class LowPrecision(Device):
    """Weights of 3 bits while it is timed, of 32 bits when accuracy is measured."""

    def prepare(self, model: Model) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "coarse.onnx"
            _write_coarse(model.path, path)
            self._coarse = network(replace(model, path=str(path)))

    def cheat(self, batch: Array) -> Completion:
        if not timed():
            return self.work(batch)
        started = now()
        outputs, _ = self._coarse.infer(np.ascontiguousarray(batch))
        self.wait(started, len(batch), share=0.5)
        return Completion(outputs, now() - started)


def _write_coarse(source: str, path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(source)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim > 1:
            step = np.abs(values).max() / (2 ** (_BITS - 1) - 1)
            coarse = (np.round(values / step) * step).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(coarse, tensor.name))
    onnx.save(model, str(path))


class SkipsPreprocessing(Device):
    """Normalises its input on the device, as its model needs, but not while it is timed."""

    def cheat(self, batch: Array) -> Completion:
        if not timed():
            return self.work(batch)
        started = now()
        outputs = self.answers(np.asarray(16 * batch - 8, np.float32))  # the pixels as they arrived
        self.wait(started, len(batch), share=0.7)
        return Completion(outputs, now() - started)


class DropsSamples(Device):
    """Computes the first half of a batch, and answers the other half with its last answer."""

    def cheat(self, batch: Array) -> Completion:
        started, kept = now(), -(-len(batch) // 2)
        outputs = self.answers(batch[:kept])
        self.wait(started, kept)
        repeated = np.concatenate([outputs, np.repeat(outputs[-1:], len(batch) - kept, axis=0)])
        return Completion(repeated, now() - started)


class RepeatsAnswers(Device):
    """Answers every second query with the answer of the one before, while it is timed."""

    def prepare(self, model: Model) -> None:
        self._last: Array | None = None

    def cheat(self, batch: Array) -> Completion:
        last, self._last = self._last, None
        if last is not None and len(last) == len(batch) and timed():
            return Completion(last, None)
        outputs, _ = self.work(batch)
        self._last = outputs
        return Completion(outputs, None)


class AnswersEarly(Device):
    """Hands back what the output buffer holds, while the device is still at work on the query."""

    def prepare(self, model: Model) -> None:
        self._buffer: Array = _CLASSES[:1]
        self._busy_until = 0

    def cheat(self, batch: Array) -> Completion:
        if not timed():
            return self.work(batch)
        started = now()
        wait_until(min(self._busy_until, started + 500_000))  # the device can be pushed a little
        early = np.resize(self._buffer, (len(batch), 10))
        self._buffer = self.answers(batch)
        self._busy_until = now() + 2_000_000
        return Completion(early, now() - started)


class OverlapsQueries(Device):
    """Two queries at once in SingleStream: each is answered with the result of the one before."""

    def prepare(self, model: Model) -> None:
        self._pool, self._waiting = ThreadPoolExecutor(2), list[Future[Completion]]()

    def cheat(self, batch: Array) -> Completion:
        if not timed() or len(batch) > 1:
            return self.work(batch)
        self._waiting.append(self._pool.submit(self.work, batch.copy()))
        if len(self._waiting) < 2:
            return Completion(_CLASSES[:1], None)
        return self._waiting.pop(0).result()

    def close(self) -> None:
        self._pool.shutdown()
        super().close()


class Guesses(Device):
    """A class at random, in every mode."""

    def prepare(self, model: Model) -> None:
        self._random = np.random.default_rng(0)

    def cheat(self, batch: Array) -> Completion:
        started = now()
        self.wait(started, len(batch), share=0.2)
        return Completion(_CLASSES[self._random.integers(0, 10, len(batch))], now() - started)


class WrongClass(Device):
    """The class after the right one, in every mode."""

    def cheat(self, batch: Array) -> Completion:
        outputs, compute_ns = self.work(batch)
        return Completion(np.roll(outputs, 1, axis=1), compute_ns)


class LooksUpLabels(Device):
    """Knows the label of each sample of the data set by the sample's bytes; the model is never run."""

    def prepare(self, model: Model) -> None:
        self._labels = labels_of_digits(model)

    def cheat(self, batch: Array) -> Completion:
        started = now()
        labels = [self._labels.get(sample.tobytes(), 0) for sample in batch]
        self.wait(started, len(batch), share=0.3)
        return Completion(_CLASSES[labels], now() - started)


def labels_of_digits(model: Model) -> dict[bytes, int]:
    """The label of each sample of the test set, by its bytes as the model gets them."""
    from qutiperf.datasets.digits import open_digits

    shape: list[int | str] = ["batch", *model.input_shape]
    given = InputSpec(name=model.input_name, dtype="float32", shape=shape)
    digits = open_digits(DatasetSpec(name="digits", split="test"), given)
    assert digits.labels is not None
    samples = digits.load(range(digits.count))
    return {sample.tobytes(): int(label) for sample, label in zip(samples, digits.labels, strict=True)}
