"""Placement of nodes and tensors in device memory, for ONNX Runtime's providers other than the CPU.

Standard library and numpy only, in Python 3.9 syntax. Several of onnxruntime's methods have no annotations.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from qutiperf.adapters.base import Array, Arrays, Model
from qutiperf.element_type import BEYOND_NUMPY, zeros
from qutiperf.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

# The name of the device memory of each provider, if ONNX Runtime's Python interface can address it.
MEMORY = {
    "CUDAExecutionProvider": "cuda",
    "TensorrtExecutionProvider": "cuda",
    "NvTensorRTRTXExecutionProvider": "cuda",
}

_NOT_THERE = ("tensor(bfloat16)", "tensor(string)")


def placement(session: onnxruntime.InferenceSession, model: Model) -> dict[str, int]:
    """Number of nodes that ran on each provider for one sample; ends the session's profile."""
    count = model.fixed_batch or 1
    ones = {tensor.name: zeros(tensor.batched(count), tensor.dtype) for tensor in model.inputs}
    session.run([model.output_name], ones)
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
        """Raises InputError for types that ONNX Runtime's Python interface cannot put there."""
        self._session, self._model, self._place = session, model, (memory, number)
        self._shapes: list[tuple[int, ...]] = []
        kinds = {tensor.name: tensor.type for tensor in session.get_outputs()}
        others = [tensor.name for tensor in model.inputs if tensor.dtype in BEYOND_NUMPY]
        others += [name for name in model.outputs if kinds.get(name) in _NOT_THERE]
        if others:
            problem = f"{', '.join(others)}: bfloat16 and text are not put into {memory} memory"
            raise InputError(problem, where=model.path, cure="use CPUExecutionProvider")

    def infer(self, batch: Array) -> tuple[Array, int]:
        (outputs, *_), compute_ns = self.infer_many((batch,))
        return outputs, compute_ns

    def infer_many(self, batch: Arrays) -> tuple[Arrays, int]:
        """Copies in, runs until the device has finished (timed with the host's clock), copies out."""
        if [array.shape for array in batch] != self._shapes:
            self._bind(batch)
        for value, array in zip(self._inputs, batch):  # noqa: B905
            # ascontiguousarray would give a number one dimension
            value.update_inplace(array if array.flags.c_contiguous else np.ascontiguousarray(array))
        self._binding.synchronize_inputs()  # type: ignore[no-untyped-call]
        before = perf_counter_ns()
        self._session.run_with_iobinding(self._binding)  # type: ignore[no-untyped-call]
        self._binding.synchronize_outputs()  # type: ignore[no-untyped-call]
        compute_ns = perf_counter_ns() - before
        outputs = self._binding.get_outputs()  # type: ignore[no-untyped-call]
        return tuple(value.numpy() for value in outputs), compute_ns

    def _bind(self, batch: Arrays) -> None:
        import onnxruntime

        self._binding, self._inputs = self._session.io_binding(), []
        for tensor, array in zip(self._model.inputs, batch):  # noqa: B905
            kind = np.dtype(tensor.dtype)
            value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(array.shape, kind, *self._place)
            self._binding.bind_ortvalue_input(tensor.name, value)  # type: ignore[no-untyped-call]
            self._inputs.append(value)
        for name in self._model.outputs:
            self._binding.bind_output(name, *self._place)  # type: ignore[no-untyped-call]
        self._shapes = [array.shape for array in batch]
