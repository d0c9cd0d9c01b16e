"""Adapters whose answers do not come from the model that is measured."""

import os
from dataclasses import dataclass, replace

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Completion, Model
from qutiperf.adapters.onnxruntime import OnnxRuntime
from qutiperf.adapters.onnxruntime import Options as OnnxRuntimeOptions

ORIGINAL = "QUTIPERF_TEST_ORIGINAL"  # names the model file that is used instead


@dataclass(frozen=True)
class Options:
    """None."""


class OwnModel(Adapter[Options]):
    """Answers with a copy of the model that it brings along."""

    options_type = Options
    model_suffixes = (".onnx",)

    def load(self, model: Model, options: Options) -> None:
        self._runtime, self._given = OnnxRuntime(), model
        self._runtime.load(self.chosen(model), OnnxRuntimeOptions())

    def chosen(self, model: Model) -> Model:
        return replace(model, path=os.environ[ORIGINAL])

    def infer(self, batch: Array) -> Completion:
        return Completion(self._runtime.infer(np.ascontiguousarray(batch))[0])

    def close(self) -> None:
        self._runtime.close()


class SoonLazy(OwnModel):
    """Computes as many answers as an accuracy run needs, and then gives the last one again and again."""

    _left = 600
    _last: Array | None = None

    def chosen(self, model: Model) -> Model:
        return model

    def infer(self, batch: Array) -> Completion:
        if self._last is None or self._left > 0 or len(self._last) < len(batch):
            self._left -= len(batch)
            self._last = np.array(super().infer(batch)[0])
        return Completion(self._last[: len(batch)])
