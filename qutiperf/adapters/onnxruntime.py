"""ONNX Runtime, any execution provider by name."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Optional, Union

from qutiperf.adapters.base import Adapter, Array, Arrays, Model, ProfiledNode, check_names
from qutiperf.adapters.onnxruntime_device import MEMORY, DeviceTensors, placement
from qutiperf.adapters.onnxruntime_profile import profiled_nodes
from qutiperf.adapters.onnxruntime_values import HostTensors, has_bfloat16
from qutiperf.element_type import BEYOND_NUMPY, BFLOAT16, STRING, canonical
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
    "tensor(uint16)": "uint16",
    "tensor(int16)": "int16",
    "tensor(uint32)": "uint32",
    "tensor(int32)": "int32",
    "tensor(uint64)": "uint64",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(bfloat16)": BFLOAT16,
    "tensor(string)": STRING,
}


@dataclass(frozen=True)
class Options:
    """`provider_options` as `key=value;key=value`, passed to the provider unchanged.

    `allow_spinning` lets idle intra-op threads burn their core while they wait. It is off by default:
    on by ONNX Runtime's own default it takes time from LoadGen and from other streams
    (docs/runtimes/onnxruntime.md has the command and what it measured). IO binding is not used on the
    CPU: `run` already reads the batch in place, see the same page.
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
    many_tensors = True
    element_types = BEYOND_NUMPY
    open_sizes = True

    def load(self, model: Model, options: Options) -> None:
        import onnxruntime

        if not model.path:
            raise InputError("the workload has no model file", cure="give model.file")
        if options.provider not in onnxruntime.get_available_providers():
            offered = ", ".join(onnxruntime.get_available_providers())
            raise SetupError(
                f"this onnxruntime has no provider {options.provider}", cure=f"it offers: {offered}"
            )
        self._model, self._options = model, options
        self._session, self._nodes = _session(model, options)
        self._bound = _bound(self._session, model, options)
        self._run = self._session.run
        self._input, self._outputs = model.input_name, list(model.outputs)
        self._inputs = [tensor.name for tensor in model.inputs]

    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        if self._bound is not None:
            return self._bound.infer(batch)
        return self._run(self._outputs, {self._input: batch})[0], None  # type: ignore[return-value]  # a tensor

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        if self._bound is not None:
            return self._bound.infer_many(batch)
        return tuple(self._run(self._outputs, dict(zip(self._inputs, batch)))), None  # type: ignore[arg-type]  # noqa: B905

    def profile(self, batch: Arrays, repeats: int) -> Optional[list[ProfiledNode]]:
        """Of a second session with the same settings."""
        with tempfile.TemporaryDirectory() as folder:
            settings = _session_options(self._options)
            settings.enable_profiling, settings.profile_file_prefix = True, f"{folder}/profile"
            session = _created(self._model, self._options, settings)
            bound = _bound(session, self._model, self._options)
            for _ in range(repeats + 1):
                if bound is not None:
                    bound.infer_many(batch)
                else:
                    session.run(self._outputs, dict(zip(self._inputs, batch)))  # noqa: B905
            return profiled_nodes(session.end_profiling(), repeats)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        for name in ("_run", "_session", "_bound"):
            self.__dict__.pop(name, None)

    def describe(self) -> dict[str, str]:
        import onnxruntime

        providers = ",".join(self._session.get_providers())
        nodes = ", ".join(f"{count} {provider}" for provider, count in self._nodes.items())
        told = {"onnxruntime": onnxruntime.__version__, "providers": providers}
        return {**told, "nodes": nodes} if nodes else told


def _session(model: Model, options: Options) -> tuple[onnxruntime.InferenceSession, dict[str, int]]:
    """The session and where its nodes run (not asked of the CPU); raises if that is not as asked."""
    if options.provider == CPU_PROVIDER:
        session = _created(model, options, _session_options(options))
        _check_tensors(session, model)
        return session, {}
    with tempfile.TemporaryDirectory() as folder:
        settings = _session_options(options)
        settings.enable_profiling, settings.profile_file_prefix = True, f"{folder}/profile"
        session = _created(model, options, settings)
        _check_tensors(session, model)
        if session.get_providers()[0] != options.provider:
            problem = f"onnxruntime could not start {options.provider} and fell back to the CPU"
            raise SetupError(problem, where=model.path, cure="its own lines above say what is missing")
        try:
            nodes = placement(session, model)
        except Exception as error:
            # of a class of its own for each status code, all derived from Exception
            raise SetupError(
                f"{options.provider} cannot run it: {_first_line(error)}", where=model.path
            ) from error
    _check_placement(nodes, model, options)
    return session, nodes


def _created(
    model: Model, options: Options, settings: onnxruntime.SessionOptions
) -> onnxruntime.InferenceSession:
    import onnxruntime

    provider = (options.provider, _provider_options(options.provider_options))
    try:
        # without enable_fallback=0 onnxruntime prints, and tries again on the CPU
        return onnxruntime.InferenceSession(model.path, settings, providers=[provider], enable_fallback=0)
    except (RuntimeError, ValueError) as error:
        # raised by the provider's own start; what is wrong with a model comes as a class of onnxruntime's
        problem = f"onnxruntime cannot start {options.provider}: {_first_line(error)}"
        raise SetupError(problem, where=model.path) from error
    except Exception as error:
        # onnxruntime raises a class of its own for each status code, all derived from Exception
        raise InputError(f"onnxruntime cannot load it: {_first_line(error)}", where=model.path) from error


def _check_placement(nodes: dict[str, int], model: Model, options: Options) -> None:
    """Raises SetupError if the provider runs nothing, or less than everything without leave."""
    others = {provider: count for provider, count in nodes.items() if provider != options.provider}
    told = ", ".join(f"{count} by {provider}" for provider, count in others.items())
    if options.provider not in nodes:
        raise SetupError(f"{options.provider} runs no node of it, but {told or 'nothing'}", where=model.path)
    if others and not options.allow_cpu_fallback:
        problem = f"{options.provider} does not run all of it: {told}"
        raise SetupError(problem, where=model.path, cure="allow_cpu_fallback: true measures it so")


def _bound(
    session: onnxruntime.InferenceSession, model: Model, options: Options
) -> Optional[Union[DeviceTensors, HostTensors]]:
    """What runs the session on values in its provider's memory, or on values that numpy lacks."""
    memory = MEMORY.get(options.provider)
    if memory is not None:
        number = _provider_options(options.provider_options).get("device_id", "0")
        return DeviceTensors(session, model, memory, int(number))
    return HostTensors(session, model) if has_bfloat16(session, model) else None


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
    return session


def _provider_options(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(";") if pair.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError(f"provider_options '{text}' is not key=value;key=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _check_tensors(session: onnxruntime.InferenceSession, model: Model) -> None:
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    check_names(inputs, [tensor.name for tensor in session.get_outputs()], model)
    for tensor in model.inputs:
        dtype = _NUMPY_OF_ONNX.get(inputs[tensor.name].type)
        if dtype != canonical(tensor.dtype):
            which = f"input '{tensor.name}'" if model.many else "input"
            kind = dtype or inputs[tensor.name].type
            raise InputError(f"its {which} is {kind}, not {tensor.dtype}", where=model.path)


def _first_line(error: Exception) -> str:
    """Without the place in onnxruntime's source and the signature there."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"/\S+\.(cc|h):\d+ .*?\) (?=[A-Z])", "", line)[:300]
