"""Placement of nodes and tensors in device memory, for ONNX Runtime's providers other than the CPU.

Standard library and numpy only, in Python 3.9 syntax. Several of onnxruntime's methods have no annotations.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from time import perf_counter_ns
from typing import TYPE_CHECKING, Optional

import numpy as np

from qutiperf.adapters.base import Array, Model

if TYPE_CHECKING:
    import onnxruntime

# The name of the device memory of each provider, if ONNX Runtime's Python interface can address it.
MEMORY = {
    "CUDAExecutionProvider": "cuda",
    "TensorrtExecutionProvider": "cuda",
    "NvTensorRTRTXExecutionProvider": "cuda",
}


def placement(session: onnxruntime.InferenceSession, model: Model) -> dict[str, int]:
    """Number of nodes that ran on each provider for one sample; ends the session's profile."""
    one = np.zeros((model.fixed_batch or 1, *model.input_shape), model.input_dtype)
    session.run([model.output_name], {model.input_name: one})
    path = session.end_profiling()  # type: ignore[no-untyped-call]
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        events = json.load(file)
    os.unlink(path)  # noqa: PTH108
    nodes = {(each["name"], each["args"]["provider"]) for each in events if _is_node(each)}
    return dict(Counter(provider for _, provider in sorted(nodes)))


def _is_node(event: dict[str, object]) -> bool:
    arguments = event.get("args")
    return event.get("cat") == "Node" and isinstance(arguments, dict) and "provider" in arguments


class DeviceTensors:
    """Runs a session on tensors in device memory, so that the compute time excludes copies."""

    def __init__(self, session: onnxruntime.InferenceSession, model: Model, memory: str, number: int) -> None:
        self._session, self._model, self._place = session, model, (memory, number)
        self._shape: Optional[tuple[int, ...]] = None

    def infer(self, batch: Array) -> tuple[Array, int]:
        """Copies in, runs until the device has finished (timed with the host's clock), copies out."""
        if batch.shape != self._shape:
            self._bind(batch.shape)
        self._input.update_inplace(np.ascontiguousarray(batch))
        self._binding.synchronize_inputs()  # type: ignore[no-untyped-call]
        before = perf_counter_ns()
        self._session.run_with_iobinding(self._binding)  # type: ignore[no-untyped-call]
        self._binding.synchronize_outputs()  # type: ignore[no-untyped-call]
        compute_ns = perf_counter_ns() - before
        return self._binding.get_outputs()[0].numpy(), compute_ns  # type: ignore[no-untyped-call]

    def _bind(self, shape: tuple[int, ...]) -> None:
        import onnxruntime

        dtype = np.dtype(self._model.input_dtype)
        self._input = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, *self._place)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(self._model.input_name, self._input)  # type: ignore[no-untyped-call]
        self._binding.bind_output(self._model.output_name, *self._place)  # type: ignore[no-untyped-call]
        self._shape = shape
