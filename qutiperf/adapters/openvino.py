"""OpenVINO, one device by name: CPU, GPU, NPU, MYRIAD and what else it has plugins for.

Standard library and numpy only, in Python 3.9 syntax; works with OpenVINO 2022.3 as well.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Optional

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Arrays, Model, ProfiledNode
from qutiperf.adapters.openvino_checks import (
    check_device,
    check_taken,
    check_tensors,
    needed_properties,
    reason,
    type_of,
)
from qutiperf.adapters.openvino_options import Options
from qutiperf.adapters.openvino_profile import PERF_COUNT, run_profiled
from qutiperf.element_type import (
    BEYOND_NUMPY,
    BFLOAT16,
    STRING,
    array_type,
    reals_of_bfloat16,
    texts,
)
from qutiperf.errors import InputError, SetupError

if TYPE_CHECKING:
    import openvino

DYNAMIC_DEVICES = ("CPU", "GPU")
SHARED_FROM_BYTES = 65_536


class OpenVino(Adapter[Options]):
    """One compiled model of the tuned batch, and on CPU and GPU a dynamic one for smaller batches."""

    options_type = Options
    runtime_module = "openvino"
    extra = "openvino"
    model_suffixes = (".onnx", ".xml", ".tflite")
    many_tensors = True
    element_types = BEYOND_NUMPY

    def load(self, model: Model, options: Options) -> None:
        if not model.path:
            raise InputError("the workload has no model file", cure="give model.file")
        runtime = _runtime()
        self._core, self._tensor = runtime.Core(), runtime.Tensor
        self._bfloat16, self._string = runtime.Type.bf16, getattr(runtime.Type, STRING, None)
        self._version = str(runtime.get_version())
        self._model, self._device = model, options.device
        check_device(self._core, options.device)
        self._properties = needed_properties(self._core, options)
        read = self._read()
        self._inputs, self._outputs = check_tensors(read, model)
        self._output = self._outputs[0]
        self._plain = all(tensor.dtype not in BEYOND_NUMPY for tensor in model.inputs)
        kinds = [type_of(read.outputs[number].get_element_type()) for number in self._outputs]
        self._plain_outputs = not set(kinds) & set(BEYOND_NUMPY)
        self._batch = 0
        self._dynamic: Optional[openvino.InferRequest] = None
        self.tune(model.fixed_batch or 1)

    def tune(self, batch_size: int) -> None:
        if batch_size == self._batch:
            return
        self._request = self._compiled(self._model.fixed_batch or batch_size)
        self._batch = batch_size
        of_one = int(np.prod(self._model.input_shape)) * array_type(self._model.input_dtype).itemsize
        if self._model.many:
            return
        self._shares = of_one * batch_size >= SHARED_FROM_BYTES or not self._plain
        if self._plain:
            self._input = self._request.get_input_tensor().data
        if batch_size > 1 and self._dynamic is None and self._takes_dynamic():
            self._dynamic = self._compiled(None)

    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        count, request = len(batch), self._request
        if count == self._batch and not self._shares:
            self._input[:] = batch
        elif count == self._batch:
            request.set_input_tensor(self._bound(batch, self._model.input_dtype))
        elif self._dynamic is None:
            return self._infer_filled_up(batch)
        else:
            request = self._dynamic
            request.set_input_tensor(self._bound(batch, self._model.input_dtype))
        request.infer()
        outputs = request.get_output_tensor(self._output)
        return outputs.data if self._plain_outputs else self._array(outputs), int(request.latency * 1e6)

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        request, axis = self._request, self._model.batch_axis
        count = 1 if axis is None else batch[0].shape[axis]
        if count != self._batch:
            request = self._for_smaller()
        for number, array, tensor in zip(self._inputs, batch, self._model.inputs):  # noqa: B905
            request.set_input_tensor(number, self._bound(array, tensor.dtype))
        request.infer()
        tensors = [request.get_output_tensor(number) for number in self._outputs]
        outputs = tuple(each.data if self._plain_outputs else self._array(each) for each in tensors)
        return outputs, int(request.latency * 1e6)

    def profile(self, batch: Arrays, repeats: int) -> Optional[list[ProfiledNode]]:
        """Of a model that is compiled once more, with counters."""
        axis = self._model.batch_axis
        count = 1 if axis is None else batch[0].shape[axis]
        request = self._compiled(count, PERF_COUNT)
        for number, array, tensor in zip(self._inputs, batch, self._model.inputs):  # noqa: B905
            request.set_input_tensor(number, self._bound(array, tensor.dtype))
        return run_profiled(request, repeats)

    def _for_smaller(self) -> openvino.InferRequest:
        """A request for batches of any size, compiled when the first smaller one comes."""
        if self._dynamic is None:
            self._dynamic = self._compiled(None)
        return self._dynamic

    def close(self) -> None:
        for name in ("_request", "_dynamic", "_input", "_core"):
            self.__dict__.pop(name, None)

    def describe(self) -> dict[str, str]:
        full_name = str(self._core.get_property(self._device, "FULL_DEVICE_NAME"))
        found = {"openvino": self._version, "device": self._device, "device_name": full_name.strip()}
        if self._model.fixed_batch is None:
            found["smaller_batches"] = "dynamic" if self._takes_dynamic() else "filled up"
        return {**found, **self._taken}

    def _takes_dynamic(self) -> bool:
        return self._model.fixed_batch is None and self._device.partition(".")[0] in DYNAMIC_DEVICES

    def _bound(self, batch: Array, dtype: str) -> openvino.Tensor:
        """The batch in place, a copy where it is read-only, as openvino takes no such memory."""
        if dtype == STRING:
            return self._tensor(np.asarray(batch, np.str_))
        # ascontiguousarray would give a number one dimension
        whole = batch if batch.flags.c_contiguous else np.ascontiguousarray(batch)
        if dtype == BFLOAT16:
            return self._tensor(whole, list(whole.shape), self._bfloat16)
        return self._tensor(whole, shared_memory=batch.flags.writeable)

    def _array(self, tensor: openvino.Tensor) -> Array:
        """An output in place; a copy of bfloat16 as float32, and of text."""
        kind = tensor.element_type
        if kind == self._bfloat16:
            return reals_of_bfloat16(tensor.data.view(np.uint16))
        if kind == self._string:
            return texts(tensor.str_data)
        return tensor.data  # type: ignore[no-any-return]  # an array

    def _infer_filled_up(self, batch: Array) -> tuple[Array, Optional[int]]:
        count = len(batch)
        whole = np.concatenate([batch, np.repeat(batch[-1:], self._batch - count, axis=0)])
        outputs, compute_ns = self.infer(whole)
        return outputs[:count], compute_ns

    def _read(self) -> openvino.Model:
        try:
            return self._core.read_model(self._model.path)
        except RuntimeError as error:
            raise InputError(f"openvino cannot read it: {reason(error)}", where=self._model.path) from error

    def _compiled(self, batch: Optional[int], more: Optional[dict[str, str]] = None) -> openvino.InferRequest:
        """A request to the model compiled for the batch, for any where it is None, with `more` properties."""
        read = self._read()
        try:
            sizes = {
                number: list(tensor.batched(-1 if batch is None else batch))
                for number, tensor in zip(self._inputs, self._model.inputs)  # noqa: B905
            }
            read.reshape({read.inputs[number]: shape for number, shape in sizes.items()})
            compiled = self._core.compile_model(read, self._device, {**self._properties, **(more or {})})
        except RuntimeError as error:
            problem = f"openvino cannot compile it for {self._device}: {reason(error)}"
            raise SetupError(problem, where=self._model.path) from error
        self._taken: dict[str, str] = check_taken(compiled, self._properties)
        return compiled.create_infer_request()


def _runtime() -> ModuleType:
    """The module with Core; before 2023.1 that was openvino.runtime."""
    found = importlib.import_module("openvino")
    return found if hasattr(found, "Core") else importlib.import_module("openvino.runtime")
