"""Adapters of several tensors with one planted fault each, for the conformance kit."""

import numpy as np

from qutiperf.adapters.base import Arrays
from qutiperf.adapters.onnxruntime import OnnxRuntime

_SHARED: list[Arrays] = []


class ChangesInputs(OnnxRuntime):
    def infer_many(self, batch: Arrays) -> tuple[Arrays, int | None]:
        found = super().infer_many(batch)
        np.asarray(batch[1])[...] = 1
        return found


class SharesOutputs(OnnxRuntime):
    def infer_many(self, batch: Arrays) -> tuple[Arrays, int | None]:
        outputs, compute_ns = super().infer_many(batch)
        if not _SHARED or _SHARED[0][0].shape != outputs[0].shape:
            _SHARED[:] = [outputs]
        for kept, new in zip(_SHARED[0], outputs, strict=True):
            np.asarray(kept)[...] = new
        return _SHARED[0], compute_ns


class LosesAnOutput(OnnxRuntime):
    def infer_many(self, batch: Arrays) -> tuple[Arrays, int | None]:
        outputs, compute_ns = super().infer_many(batch)
        return outputs[:1], compute_ns


class MixesSamples(OnnxRuntime):
    def infer_many(self, batch: Arrays) -> tuple[Arrays, int | None]:
        first, second = batch
        return super().infer_many((first, second[::-1].copy()))
