"""ONNX Runtime's own values, for bfloat16, of which it makes no numpy arrays.

Standard library and numpy only, in Python 3.9 syntax. Several of onnxruntime's methods have no annotations.
"""

from __future__ import annotations

import ctypes
from math import prod
from typing import TYPE_CHECKING, Optional

import numpy as np

from qutiperf.adapters.base import Array, Arrays, Model
from qutiperf.element_type import BFLOAT16, STRING, reals_of_bfloat16
from qutiperf.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

_BFLOAT16 = 16  # of onnx.TensorProto, which a device need not have
_NAME = "tensor(bfloat16)"


def has_bfloat16(session: onnxruntime.InferenceSession, model: Model) -> bool:
    """Whether an input, or an output that the workload lists, is bfloat16."""
    outputs = {tensor.name: tensor.type for tensor in session.get_outputs()}
    return any(tensor.dtype == BFLOAT16 for tensor in model.inputs) or any(
        outputs.get(name) == _NAME for name in model.outputs
    )


def value_of(array: Array, dtype: str) -> onnxruntime.OrtValue:
    """On the host; of bits if the type is bfloat16."""
    import onnxruntime

    whole = np.ascontiguousarray(array).reshape(array.shape)
    if dtype == BFLOAT16:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(whole, _BFLOAT16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(whole)


def array_of(value: onnxruntime.OrtValue) -> Array:
    """A copy of a value in host memory; bfloat16 as float32."""
    if value.data_type() != _NAME:
        return value.numpy()
    shape = tuple(value.shape())
    memory = (ctypes.c_uint16 * prod(shape)).from_address(value.data_ptr())
    return reals_of_bfloat16(np.ctypeslib.as_array(memory).reshape(shape))


class HostTensors:
    """Runs a session on values in host memory."""

    def __init__(self, session: onnxruntime.InferenceSession, model: Model) -> None:
        """Raises InputError for text beside bfloat16, of which ONNX Runtime makes no such values."""
        self._run, self._outputs = session.run_with_ort_values, list(model.outputs)
        self._inputs = [(tensor.name, tensor.dtype) for tensor in model.inputs]
        if any(dtype == STRING for _, dtype in self._inputs):
            raise InputError("onnxruntime takes no text beside bfloat16", where=model.path)

    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        (outputs, *_), compute_ns = self.infer_many((batch,))
        return outputs, compute_ns

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        given = {name: value_of(array, dtype) for (name, dtype), array in zip(self._inputs, batch)}  # noqa: B905
        return tuple(array_of(value) for value in self._run(self._outputs, given)), None
