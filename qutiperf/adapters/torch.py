"""PyTorch: exported programs, TorchScript, and the ONNX files that qutiperf builds; any torch device."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Optional

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Arrays, Model
from qutiperf.adapters.torch_tensors import argument_order, listed, tensor_of
from qutiperf.element_type import BFLOAT16, zeros
from qutiperf.errors import InputError, RunError, SetupError

if TYPE_CHECKING:
    import torch

_COMPILED_BATCH_SIZES = 1000  # torch's default gives up compiling at the ninth
_REAL = ("float16", "float32", "float64", BFLOAT16)


@dataclass(frozen=True)
class Options:
    """`device` is cpu, cuda, cuda:1, or a kind that `backend_module` registers (torch_mlu: mlu).

    Weights and real inputs are converted to `dtype`; outputs are float32. `threads` and
    `inter_op_threads` are torch's settings, shared by all streams of a process.
    """

    device: str = "cpu"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    compile: bool = False
    threads: int = 1
    inter_op_threads: int = 1
    backend_module: str = ""

    def __post_init__(self) -> None:
        if self.threads < 1 or self.inter_op_threads < 1:
            raise ValueError("threads and inter_op_threads must be at least 1")


class Torch(Adapter[Options]):
    """One module. Devices with events use pinned memory, their own stream, and separately timed copies.

    A compiled module of one input is given whole batches; with several, other sizes are compiled when they
    come. Several inputs are the file's arguments by name; several outputs are in the file's order, or by name
    where it answers with a dictionary.
    """

    options_type = Options
    runtime_module = "torch"
    extra = "torch"
    model_suffixes = (".pt2", ".pt", ".onnx")
    many_tensors = True
    element_types = (BFLOAT16,)

    def load(self, model: Model, options: Options) -> None:
        if options.backend_module:
            _import_backend(options.backend_module)
        import torch

        self._torch, self._model, self._options = torch, model, options
        self._device = _device(torch, options.device)
        _set_threads(torch, options)
        self._module, self._kind = _module(torch, model, self._device)
        self._order = argument_order(self._module, model) if len(model.inputs) > 1 else [0]
        real = any(tensor.dtype in _REAL for tensor in model.inputs)
        dtype: torch.dtype = getattr(torch, options.dtype)
        self._dtypes = [dtype if tensor.dtype in _REAL else None for tensor in model.inputs]
        self._dtype = self._dtypes[0]
        if real:
            self._module = self._module.to(dtype=dtype)
        elif options.dtype != "float32":
            raise InputError(f"dtype {options.dtype}: the input is {model.input_dtype}", where=model.path)
        if options.compile:
            self._module = _compiled(torch, self._module, self._kind, model)
        self._whole = 0  # the batch size of the compiled module
        backend = getattr(torch, self._device.type, None)
        self._timed = None
        if self._device.type != "cpu" and hasattr(backend, "Stream") and hasattr(backend, "Event"):
            self._timed = _Timed(torch, backend, self._device)
        self._try(model.fixed_batch or 1)

    def _try(self, batch_size: int) -> None:
        """Runs one batch of zeros, so that load() detects what does not fit; raises InputError."""
        batch = tuple(zeros(tensor.batched(batch_size), tensor.dtype) for tensor in self._model.inputs)
        try:
            outputs = self.infer_many(batch)[0][0] if self._model.many else self.infer(batch[0])[0]
        except self._torch.OutOfMemoryError as error:
            problem = f"{self._device} has no memory left for batches of {batch_size}: {_first_line(error)}"
            raise RunError(problem, cure="use a smaller batch_size, fewer streams or float16") from error
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise InputError(f"torch cannot run it: {_first_line(error)}", where=self._model.path) from error
        if not self._model.many and len(outputs) != batch_size:
            raise InputError(
                f"its output is {list(outputs.shape)} for {batch_size} samples", where=self._model.path
            )

    def tune(self, batch_size: int) -> None:
        """Compiles for the batch size and allocates pinned memory."""
        self._whole = batch_size if self._options.compile else 0
        self._try(self._model.fixed_batch or batch_size)
        if self._timed is not None:
            self._timed.forget()

    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        torch, count = self._torch, len(batch)
        if count < self._whole:  # another size would be compiled during the run
            batch = np.concatenate([batch, np.repeat(batch[-1:], self._whole - count, axis=0)])
        given = tensor_of(torch, batch, self._model.input_dtype)
        with torch.inference_mode():
            if self._timed is not None:
                (answer,), compute_ns = self._timed.infer([given], [self._dtype], self._single)
                return answer[:count], compute_ns
            inputs = given.to(self._device, self._dtype)
            outputs = _single(self._module(inputs))
            answers = outputs.to("cpu", torch.float32 if outputs.is_floating_point() else None).numpy()
            return answers[:count], None

    def _single(self, given: torch.Tensor) -> list[torch.Tensor]:
        return [_single(self._module(given))]

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        torch, model = self._torch, self._model
        given = [tensor_of(torch, array, spec.dtype) for array, spec in zip(batch, model.inputs)]  # noqa: B905
        with torch.inference_mode():
            if self._timed is not None:
                answers, compute_ns = self._timed.infer(given, self._dtypes, self._several)
            else:
                inputs = [each.to(self._device, kind) for each, kind in zip(given, self._dtypes)]  # noqa: B905
                outputs, compute_ns = self._several(*inputs), None
                kinds = [torch.float32 if each.is_floating_point() else None for each in outputs]
                answers = [each.to("cpu", kind).numpy() for each, kind in zip(outputs, kinds)]  # noqa: B905
        return tuple(answers), compute_ns

    def _several(self, *given: torch.Tensor) -> list[torch.Tensor]:
        outputs = self._module(*[given[number] for number in self._order])
        return listed(outputs, self._model.outputs)

    def close(self) -> None:
        self._module = self._timed = None

    def describe(self) -> dict[str, str]:
        torch = self._torch
        described = {"torch": str(torch.__version__), "device": str(self._device), "model": self._kind}
        if self._device.type == "cuda":
            described["device_name"] = torch.cuda.get_device_name(self._device)
            described["cuda"] = str(torch.version.cuda)
            described["tf32_convolutions"] = str(torch.backends.cudnn.allow_tf32)
            described["tf32_matmul"] = str(torch.backends.cuda.matmul.allow_tf32)
        return described

    def figures(self) -> dict[str, float]:
        return self._timed.figures() if self._timed is not None else {}


class _Timed:
    """Copies and computes on its own stream, timed by the device's events."""

    def __init__(self, torch: Any, backend: Any, device: torch.device) -> None:
        self._torch, self._backend, self._device = torch, backend, device
        self._stream = backend.Stream(device)
        self._events = [backend.Event(enable_timing=True) for _ in range(4)]
        self._pin = device.type == "cuda"
        self._sent: dict[int, torch.Tensor] = {}
        self._received: dict[int, torch.Tensor] = {}
        self.forget()

    def forget(self) -> None:
        self._to_ms = self._from_ms = 0.0
        self._count = 0

    def infer(
        self,
        given: Sequence[torch.Tensor],
        dtypes: Sequence[Optional[torch.dtype]],
        module: Callable[..., list[torch.Tensor]],
    ) -> tuple[list[Array], int]:
        """Blocks until the outputs are in host memory; the compute time is that of the forward pass."""
        started, copied, computed, ended = self._events
        hosts = [self._pinned(self._sent, number, each, each.dtype) for number, each in enumerate(given)]
        for host, each in zip(hosts, given):  # noqa: B905
            host.copy_(each)
        with self._backend.stream(self._stream):
            started.record()
            inputs = [
                host.to(self._device, non_blocking=True).to(dtype or host.dtype)
                for host, dtype in zip(hosts, dtypes)  # noqa: B905
            ]
            copied.record()
            outputs = module(*inputs)
            computed.record()
            answers = [self._answer_like(number, each) for number, each in enumerate(outputs)]
            for answer, each in zip(answers, outputs):  # noqa: B905
                answer.copy_(each, non_blocking=True)
            ended.record()
        ended.synchronize()
        self._to_ms += started.elapsed_time(copied)
        self._from_ms += computed.elapsed_time(ended)
        self._count += 1
        return [answer.numpy() for answer in answers], round(1e6 * copied.elapsed_time(computed))

    def _answer_like(self, number: int, outputs: torch.Tensor) -> torch.Tensor:
        dtype = self._torch.float32 if outputs.is_floating_point() else outputs.dtype
        return self._pinned(self._received, number, outputs, dtype)

    def _pinned(
        self, held: dict[int, torch.Tensor], number: int, like: torch.Tensor, dtype: torch.dtype
    ) -> torch.Tensor:
        """Host memory of this shape, its first rows where it has more of them."""
        known = held.get(number)
        fits = known is not None and known.shape[1:] == like.shape[1:] and known.dim() == like.dim()
        if known is None or not fits or (like.dim() and len(known) < len(like)):
            known = held[number] = self._torch.empty(like.shape, dtype=dtype, pin_memory=self._pin)
        return known[: len(like)] if like.dim() else known

    def figures(self) -> dict[str, float]:
        """Means over the run's batches."""
        if not self._count:
            return {}
        return {
            "copy_to_device_us": 1000 * self._to_ms / self._count,
            "copy_from_device_us": 1000 * self._from_ms / self._count,
        }


def _import_backend(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise SetupError(f"backend_module {name}: {_first_line(error)}", cure=f"pip install {name}") from None


def _device(torch: Any, name: str) -> torch.device:
    """Raises InputError for an unknown kind of device, SetupError for a missing device."""
    try:
        device: torch.device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device '{name}': {_first_line(error)}", cure="cpu, cuda, cuda:1...") from None
    if device.type == "cpu":
        return device
    if device.type == "cuda" and torch.version.cuda is None and torch.version.hip is None:
        problem = f"this torch {torch.__version__} is built without CUDA"
        raise SetupError(problem, where=f"device {name}", cure="install a CUDA build of torch")
    backend = getattr(torch, device.type, None)
    if backend is None or not backend.is_available():
        problem = f"torch {torch.__version__} does not find a {device.type} device"
        cure = "check its driver; torch's own check is torch." + f"{device.type}.is_available()"
        raise SetupError(problem, where=f"device {name}", cure=cure)
    if device.index is not None and device.index >= backend.device_count():
        count = backend.device_count()
        raise SetupError(f"there are {count} devices, numbered from 0", where=f"device {name}")
    return device


def _set_threads(torch: Any, options: Options) -> None:
    torch.set_num_threads(options.threads)
    if torch.get_num_interop_threads() != options.inter_op_threads:
        try:
            torch.set_num_interop_threads(options.inter_op_threads)
        except RuntimeError as error:
            raise SetupError(f"inter_op_threads cannot be set any more: {_first_line(error)}") from None


def _module(torch: Any, model: Model, device: torch.device) -> tuple[Any, str]:
    """The module on its device, and the kind of its file; raises InputError for another kind."""
    if not model.path:
        raise InputError("the workload has no model file", cure="give model.file")
    suffix = os.path.splitext(model.path)[1]  # noqa: PTH122
    try:
        if suffix == ".pt2":
            return _exported(torch, model.path, device), "torch.export program"
        if suffix == ".onnx":
            from qutiperf.adapters.torch_onnx import module_of_onnx

            return module_of_onnx(model.path).to(device), "ONNX file, translated by qutiperf"
        with warnings.catch_warnings():  # TorchScript's deprecation concerns the owner of the model
            warnings.simplefilter("ignore")
            return torch.jit.load(model.path, map_location=device).eval(), "TorchScript"
    except InputError:
        raise
    except Exception as error:
        # torch's readers raise many types: zip, pickle, schema and version errors
        problem = f"torch {torch.__version__} cannot load it: {_first_line(error)}"
        raise InputError(problem, where=model.path) from error


def _compiled(torch: Any, module: Any, kind: str, model: Model) -> Any:
    """Compiles the whole network for one batch size; raises InputError for TorchScript."""
    import torch._dynamo as dynamo

    if kind == "TorchScript":  # torch.compile would silently not compile it
        cure = "save it with torch.export, or set compile: false"
        raise InputError("compile: TorchScript cannot be compiled", where=model.path, cure=cure)
    dynamo.config.recompile_limit = _COMPILED_BATCH_SIZES
    return torch.compile(module, dynamic=False, fullgraph=True)


def _exported(torch: Any, path: str, device: torch.device) -> Any:
    program = torch.export.load(path)
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, device)
    return program.module()


def _single(outputs: Any) -> Any:
    """The one output; raises ValueError if there are several."""
    if isinstance(outputs, (tuple, list)) and len(outputs) == 1:
        outputs = outputs[0]
    if not hasattr(outputs, "is_floating_point"):
        raise ValueError(f"its output is a {type(outputs).__name__}, not one tensor")
    return outputs


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:200]
