"""Adapters whose answers for some layers are wrong; real ones, run through the whole path."""

import os

import numpy as np

from qutiperf.adapters.base import Array, Arrays, Model, ProfiledNode
from qutiperf.adapters.onnxruntime import OnnxRuntime, Options


class TransposedWeights(OnnxRuntime):
    """Loads dense layers of 8 inputs with the input reversed, as transposed weights would answer."""

    def load(self, model: Model, options: Options) -> None:
        super().load(model, options)
        self._wrong = model.input_shape == (8,)

    def infer(self, batch: Array) -> tuple[Array, int | None]:
        return super().infer(np.ascontiguousarray(batch[:, ::-1]) if self._wrong else batch)


class DroppedBias(OnnxRuntime):
    """Subtracts what a batch of zeros answers: without an activation function, that is the bias."""

    def load(self, model: Model, options: Options) -> None:
        super().load(model, options)
        self._wrong = model.input_shape == (8,)
        answer = super().infer(np.zeros((1, *model.input_shape), np.float32))[0]
        self._bias = np.asarray(answer, np.float32) * (1 if self._wrong else 0)

    def infer(self, batch: Array) -> tuple[Array, int | None]:
        outputs, compute_ns = super().infer(batch)
        return np.asarray(outputs, np.float32) - self._bias, compute_ns


class Crash(OnnxRuntime):
    """Ends its process while it loads dense layers of 8 inputs."""

    def load(self, model: Model, options: Options) -> None:
        if model.input_shape == (8,):
            os._exit(5)
        super().load(model, options)


class ProfileCrash(OnnxRuntime):
    """Ends its process when a whole network is profiled, and fails for single layers."""

    def profile(self, batch: Arrays, repeats: int) -> list[ProfiledNode] | None:
        if repeats > 1:
            os._exit(5)
        raise RuntimeError("no profile today")
