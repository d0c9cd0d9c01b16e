"""Adapters with one fault each, over a real runtime; the kit must find the fault and no other."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Completion, Model
from qutiperf.adapters.onnxruntime import OnnxRuntime
from qutiperf.adapters.onnxruntime import Options as OnnxRuntimeOptions

LAST: list[Array] = []
SHARED = np.zeros((64, 10), np.float32)
CLOSED: list[bool] = []
LEAKED: list[bytearray] = []


@dataclass(frozen=True)
class Options:
    """None."""


class Honest(Adapter[Options]):
    """No fault."""

    options_type = Options
    model_suffixes = (".onnx",)

    def load(self, model: Model, options: Options) -> None:
        self._runtime, self._tuned = OnnxRuntime(), 0
        self._runtime.load(model, OnnxRuntimeOptions())

    def tune(self, batch_size: int) -> None:
        self._tuned = batch_size

    def run(self, batch: Array) -> Array:
        return self._runtime.infer(np.ascontiguousarray(batch))[0]

    def infer(self, batch: Array) -> Completion:
        return Completion(self.run(batch))

    def close(self) -> None:
        self._runtime.close()


class ThroughAGlobal(Honest):
    """The batch waits in a variable that all instances share: the last writer wins."""

    def infer(self, batch: Array) -> Completion:
        LAST[:] = [batch]
        time.sleep(0.001)
        return Completion(self.run(LAST[0]))


class BatchDependent(Honest):
    def infer(self, batch: Array) -> Completion:
        outputs = self.run(batch)
        return Completion(outputs - outputs.mean(axis=0) if len(batch) > 1 else outputs)


class RaisesOnPartial(Honest):
    def infer(self, batch: Array) -> Completion:
        if len(batch) != self._tuned:
            raise ValueError(f"{len(batch)} samples, built for {self._tuned}")
        return Completion(self.run(batch))


class LabelShifted(Honest):
    """A background class in front that the workload knows nothing of."""

    def infer(self, batch: Array) -> Completion:
        outputs = self.run(batch)
        return Completion(np.roll(outputs, 1, axis=-1) if outputs.shape[1] == 10 else outputs)


class SwapsChannels(Honest):
    def infer(self, batch: Array) -> Completion:
        axis = 1 if batch.shape[1] == 3 else 3
        return Completion(self.run(np.flip(batch, axis) if batch.shape[axis] == 3 else batch))


class MisreadsLayout(Honest):
    """Takes the bytes of an NHWC image for NCHW."""

    def infer(self, batch: Array) -> Completion:
        if batch.shape[-1] == 3:
            batch = batch.reshape(len(batch), 3, *batch.shape[1:3]).transpose(0, 2, 3, 1)
        return Completion(self.run(batch))


class LosesFraction(Honest):
    """Casts to bytes: sixteenths survive, as the digits' pixels are, what is finer or negative does not."""

    def infer(self, batch: Array) -> Completion:
        if batch.dtype == np.float32 and batch.max() < 1.5:
            batch = (batch * 16).astype(np.int64).astype(np.uint8).astype(np.float32) / 16
        return Completion(self.run(batch))


class ChangesInput(Honest):
    def infer(self, batch: Array) -> Completion:
        outputs = self.run(batch)
        batch[:] = 0
        return Completion(outputs)


class SharesOutputs(Honest):
    def infer(self, batch: Array) -> Completion:
        outputs = self.run(batch)
        if outputs.shape[1] != SHARED.shape[1]:
            return Completion(outputs)
        SHARED[: len(batch)] = outputs
        return Completion(SHARED[: len(batch)])


class SlowClock(Honest):
    """Says more time than the call took."""

    def infer(self, batch: Array) -> Completion:
        return Completion(self.run(batch), 10**12)


class ConstantClock(Honest):
    def infer(self, batch: Array) -> Completion:
        return Completion(self.run(batch), 1)


class FlatClock(Honest):
    """Times the first sample of a batch only, not always alike."""

    ticks: ClassVar[list[int]] = [0]

    def infer(self, batch: Array) -> Completion:
        time.sleep(0.0005 * len(batch))
        self.ticks[0] += 1
        return Completion(self.run(batch), 1000 + self.ticks[0] % 2)


class Caches(Honest):
    def load(self, model: Model, options: Options) -> None:
        super().load(model, options)
        self._known: dict[bytes, Array] = {}

    def infer(self, batch: Array) -> Completion:
        key = batch.tobytes()
        if key not in self._known:
            time.sleep(0.0005)
            self._known[key] = self.run(batch)
        return Completion(self._known[key].copy())


class Leaks(Honest):
    def infer(self, batch: Array) -> Completion:
        LEAKED.append(bytearray(b"x" * 4096))
        return Completion(self.run(batch))


class LoadsOnce(Honest):
    def load(self, model: Model, options: Options) -> None:
        if CLOSED:
            raise RuntimeError("the device is busy")
        super().load(model, options)

    def close(self) -> None:
        CLOSED.append(True)


class LeavesFilesOpen(Honest):
    def load(self, model: Model, options: Options) -> None:
        super().load(model, options)
        LEFT_OPEN.append(os.dup(0))


LEFT_OPEN: list[int] = []


class NoNumbers(Honest):
    def infer(self, batch: Array) -> Completion:
        return Completion(np.full((len(batch), 10), np.nan, np.float32))


class Hangs(Honest):
    """In close(), the second time."""

    def close(self) -> None:
        if CLOSED:
            time.sleep(3600)
        CLOSED.append(True)


class Exits(Honest):
    def infer(self, batch: Array) -> Completion:
        os._exit(5)


class OtherFormat(Honest):
    """Stands in for a TFLite runtime: runs the ONNX file of the same name."""

    model_suffixes = (".tflite",)

    def load(self, model: Model, options: Options) -> None:
        path = model.path.replace(".tflite", ".onnx")
        super().load(Model(path, "image", "float32", (1, 8, 8), "scores"), options)

    def run(self, batch: Array) -> Array:
        return super().run(batch.reshape(len(batch), 1, 8, 8))


class Mirrors(OtherFormat):
    """Only dim images, so that the digits keep their labels."""

    def run(self, batch: Array) -> Array:
        return super().run(np.flip(batch, 2) if batch.sum() < 2 else batch)


PLANTED: dict[type[Honest], str] = {
    ThroughAGlobal: "threads",
    BatchDependent: "batch",
    RaisesOnPartial: "batch",
    LabelShifted: "labels",
    SwapsChannels: "layout",
    MisreadsLayout: "layout",
    Mirrors: "layout",
    LosesFraction: "values",
    ChangesInput: "tensors",
    SharesOutputs: "tensors",
    SlowClock: "timers",
    ConstantClock: "timers",
    FlatClock: "timers",
    Caches: "caching",
    Leaks: "memory",
    LoadsOnce: "reload",
    LeavesFilesOpen: "reload",
}
