"""ONNX Runtime, any execution provider by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Model
from qutiperf.errors import InputError, SetupError

if TYPE_CHECKING:
    import onnxruntime

CPU_PROVIDER = "CPUExecutionProvider"
_NUMPY_OF_ONNX = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


@dataclass(frozen=True)
class Options:
    """`provider_options` as `key=value;key=value`, passed to the provider unchanged.

    `allow_spinning` lets idle intra-op threads burn their core while they wait. It is off by default:
    on by ONNX Runtime's own default it takes time from LoadGen and from other streams
    (docs/adapters.md has the command and what it measured). IO binding is not used on the CPU: `run`
    already reads the batch in place, see the same page.
    """

    provider: str = CPU_PROVIDER
    provider_options: str = ""
    threads: int = 1
    inter_op_threads: int = 1
    graph_optimization_level: Literal["disabled", "basic", "extended", "all"] = "all"
    allow_spinning: bool = False
    allow_cpu_fallback: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1 or self.inter_op_threads < 1:
            raise ValueError("threads and inter_op_threads must be at least 1")
        _provider_options(self.provider_options)


class OnnxRuntime(Adapter[Options]):
    """One session; streams are independent sessions."""

    options_type = Options
    runtime_module = "onnxruntime"
    model_suffixes = (".onnx", ".ort")

    def load(self, model: Model, options: Options) -> None:
        import onnxruntime

        if not model.path:
            raise InputError("the workload has no model file", cure="give model.file")
        if options.provider not in onnxruntime.get_available_providers():
            offered = ", ".join(onnxruntime.get_available_providers())
            raise SetupError(
                f"this onnxruntime has no provider {options.provider}", cure=f"it offers: {offered}"
            )
        try:
            self._session = onnxruntime.InferenceSession(
                model.path,
                _session_options(options),
                providers=[(options.provider, _provider_options(options.provider_options))],
            )
        except Exception as error:
            # onnxruntime raises a class of its own for each status code, all derived from Exception
            raise InputError(f"onnxruntime cannot load it: {_first_line(error)}", where=model.path) from error
        if self._session.get_providers()[0] != options.provider:
            raise SetupError(f"onnxruntime fell back from {options.provider} to the CPU", where=model.path)
        _check_tensors(self._session, model)
        self._run = self._session.run
        self._input, self._outputs = model.input_name, [model.output_name]

    def infer(self, batch: Array) -> tuple[Array, int | None]:
        return self._run(self._outputs, {self._input: batch})[0], None  # type: ignore[return-value]  # a tensor

    def close(self) -> None:
        del self._run, self._session

    def describe(self) -> dict[str, str]:
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "providers": ",".join(self._session.get_providers())}


def _session_options(options: Options) -> onnxruntime.SessionOptions:
    import onnxruntime

    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options.threads
    session.inter_op_num_threads = options.inter_op_threads
    session.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    session.graph_optimization_level = {
        "disabled": levels.ORT_DISABLE_ALL,
        "basic": levels.ORT_ENABLE_BASIC,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "all": levels.ORT_ENABLE_ALL,
    }[options.graph_optimization_level]
    session.add_session_config_entry("session.intra_op.allow_spinning", str(int(options.allow_spinning)))
    if options.provider != CPU_PROVIDER and not options.allow_cpu_fallback:
        session.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return session


def _provider_options(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(";") if pair.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError(f"provider_options '{text}' is not key=value;key=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _check_tensors(session: onnxruntime.InferenceSession, model: Model) -> None:
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    outputs = [tensor.name for tensor in session.get_outputs()]
    if list(inputs) != [model.input_name]:
        raise InputError(f"its inputs are {sorted(inputs)}, not ['{model.input_name}']", where=model.path)
    if model.output_name not in outputs:
        raise InputError(f"it has no output '{model.output_name}', but {sorted(outputs)}", where=model.path)
    dtype = _NUMPY_OF_ONNX.get(inputs[model.input_name].type)
    if dtype != np.dtype(model.input_dtype).name:
        raise InputError(f"its input is {dtype}, not {model.input_dtype}", where=model.path)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
