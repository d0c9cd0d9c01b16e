"""LiteRT (TensorFlow Lite): TFLite files on the CPU, with XNNPACK or without, and on delegates."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Optional

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Arrays, Model
from qutiperf.adapters.litert_delegate import load_delegate
from qutiperf.adapters.litert_file import as_output, check_tensors, delegated, forms_of, refusal
from qutiperf.element_type import BEYOND_NUMPY
from qutiperf.errors import InputError, SetupError

if TYPE_CHECKING:
    from types import ModuleType

LITERT = "ai_edge_litert"
FREE_BATCH = "convert it again, for batches of any size"


@dataclass(frozen=True)
class Options:
    """`delegate` is a delegate's library, "" for none, and `delegate_options` its own as `key=value;...`.

    XNNPACK is the set of CPU kernels that LiteRT uses by default; without it its built-in ones run.
    `tflite_runtime` is the package of boards whose delegate needs an old TensorFlow Lite.
    """

    threads: int = 1
    xnnpack: bool = True
    delegate: str = ""
    delegate_options: str = ""
    runtime: Literal["ai_edge_litert", "tflite_runtime"] = "ai_edge_litert"

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError("threads must be at least 1")
        if _pairs(self.delegate_options) and not self.delegate:
            raise ValueError("delegate_options are given, but no delegate")


class LiteRt(Adapter[Options]):
    """One interpreter; streams are independent interpreters.

    A batch of another size than the last one resizes the tensors. With a delegate, which may compile for
    a size, a smaller batch is filled up to the tuned size instead. No compute time is given: LiteRT has
    no clock of the device, and `invoke` includes what a delegate moves to its device and back.
    """

    options_type = Options
    runtime_module = LITERT
    extra = "litert"
    model_suffixes = (".tflite",)
    many_tensors = True
    element_types = BEYOND_NUMPY

    @classmethod
    def runtime_for(cls, options: Options) -> str:
        return options.runtime

    def load(self, model: Model, options: Options) -> None:
        if not model.path:
            raise InputError("the workload has no model file", cure="give model.file")
        package, runtime = _imported(options.runtime)
        self._model, self._options = model, options
        self._version = str(getattr(package, "__version__", "not known"))
        self._interpreter = _opened(runtime, model, options)
        self._on_delegate = delegated(self._interpreter)
        if options.delegate and self._on_delegate is not None and self._on_delegate[0] == 0:
            raise SetupError(f"the delegate {options.delegate} took no operator of it", where=model.path)
        inputs, outputs, self._output_shape = check_tensors(self._interpreter, model)
        self._inputs, self._outputs = inputs, outputs
        self._input, self._output = inputs[0], outputs[0]
        self._forms = forms_of(self._interpreter, inputs)
        self._plain = not self._forms and not forms_of(self._interpreter, outputs)
        self._resize(model.fixed_batch or 1)
        self._off_plain = delegated(self._interpreter)
        if not options.xnnpack and self._off_plain != self._on_delegate:
            raise SetupError(f"this {options.runtime} uses XNNPACK all the same", cure="say xnnpack: true")

    def tune(self, batch_size: int) -> None:
        self._resize(batch_size)

    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        count, interpreter = len(batch), self._interpreter
        if count != self._size:
            if self._options.delegate and count < self._size:
                return self.infer(_filled_up(batch, self._size))[0][:count], None
            self._resize(count)
        if not self._plain:
            return self._infer_beyond_numpy((batch,))[0], None
        interpreter.set_tensor(self._input, batch)
        interpreter.invoke()
        return interpreter.get_tensor(self._output), None

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        interpreter, axis = self._interpreter, self._model.batch_axis
        count = 1 if axis is None else batch[0].shape[axis]
        if count != self._size:
            self._resize(count)
        if not self._plain:
            return self._infer_beyond_numpy(batch), None
        for index, array in zip(self._inputs, batch):  # noqa: B905
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return tuple(interpreter.get_tensor(index) for index in self._outputs), None

    def _infer_beyond_numpy(self, batch: Arrays) -> Arrays:
        """Of resized tensors, some of them text or bfloat16, which is the type of ml_dtypes here."""
        for index, array in zip(self._inputs, batch):  # noqa: B905
            form = self._forms.get(index)
            self._interpreter.set_tensor(index, array if form is None else array.view(form))
        self._interpreter.invoke()
        return tuple(as_output(self._interpreter.get_tensor(index)) for index in self._outputs)

    def close(self) -> None:
        self.__dict__.pop("_interpreter", None)

    def describe(self) -> dict[str, str]:
        known = {self._options.runtime: self._version, "xnnpack": self._xnnpack()}
        if self._options.delegate:
            known["delegate"], known["delegated"] = self._options.delegate, _share(self._on_delegate)
        return known

    def _xnnpack(self) -> str:
        if not self._options.xnnpack:
            return "off"
        if self._off_plain is None or self._on_delegate is None:
            return _share(None)
        return _share((self._off_plain[0] - self._on_delegate[0], self._off_plain[1]))

    def _resize(self, count: int) -> None:
        """Raises InputError where the graph does not work for so many samples."""
        model, interpreter = self._model, self._interpreter
        try:
            for index, tensor in zip(self._inputs, model.inputs):  # noqa: B905
                interpreter.resize_tensor_input(index, list(tensor.batched(count)))
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise refusal(error, model.path, f"a batch of {count} cannot be run", FREE_BATCH) from None
        self._size = count
        if model.many or not self._plain:  # a text's own shape is known after a run
            return
        tensors = {tensor["index"]: tensor for tensor in interpreter.get_output_details()}
        shape = [int(size) for size in tensors[self._output]["shape"]]
        if shape != [count, *self._output_shape]:
            problem = f"a batch of {count} makes its output '{model.output_name}' {shape}"
            raise InputError(problem, where=model.path, cure=FREE_BATCH)


def _share(counts: Optional[tuple[int, int]]) -> str:
    return "not known" if counts is None else f"{counts[0]} of {counts[1]} operators"


def _filled_up(batch: Array, size: int) -> Array:
    """With copies of the last sample, whose answers are dropped."""
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])


def _imported(name: str) -> tuple[ModuleType, ModuleType]:
    with contextlib.suppress(ImportError):  # the runtime has no bfloat16 unless this is imported before
        importlib.import_module("ml_dtypes")
    try:
        return importlib.import_module(name), importlib.import_module(f"{name}.interpreter")
    except ImportError as error:
        cure = "pip install 'qutiperf[litert]'" if name == LITERT else "pip install tflite-runtime"
        raise SetupError(f"{name} cannot be imported: {error}", cure=cure) from None


def _opened(runtime: ModuleType, model: Model, options: Options) -> Any:  # noqa: ANN401  # no types published
    """The interpreter, without memory for tensors yet, so that its default delegate is not there yet."""
    arguments: dict[str, Any] = {"model_path": model.path, "num_threads": options.threads}
    resolver = getattr(runtime, "OpResolverType", None)
    if not options.xnnpack and resolver is not None:  # releases without the choice are checked after loading
        arguments["experimental_op_resolver_type"] = resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    problem = f"{options.runtime} cannot load it"
    if options.delegate:
        loaded = load_delegate(runtime, options.delegate, _pairs(options.delegate_options))
        arguments["experimental_delegates"] = [loaded]
        problem = f"{options.runtime} cannot load it with delegate {options.delegate}"
    try:
        return runtime.Interpreter(**arguments)
    except (ValueError, RuntimeError) as error:
        raise refusal(error, model.path, problem) from None


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(";") if pair.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError(f"delegate_options '{text}' is not key=value;key=value")
    return {key.strip(): value.strip() for key, _, value in pairs}
