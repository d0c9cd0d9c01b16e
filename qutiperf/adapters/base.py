"""What every accelerator looks like to the harness.

Standard library and numpy only, in Python 3.9 syntax: this module also runs on devices.
"""

from __future__ import annotations

import abc
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, Optional, TypeVar

import numpy as np
import numpy.typing as npt

from qutiperf.errors import InputError

Array = npt.NDArray[np.generic]
Arrays = tuple[Array, ...]


class Completion(NamedTuple):
    """Outputs of one batch [batch, ...], and its compute time by the device's own clock if it has one."""

    outputs: Array
    compute_ns: Optional[int] = None


class Quantization(NamedTuple):
    """`real = scale * (integer - zero_point)`, for a whole tensor."""

    scale: float
    zero_point: int


class ProfiledNode(NamedTuple):
    """A node of the graph that a runtime runs, by its profiler.

    `datatype` is what it computes in, else that of its first input (fp32, fp16, bf16, int8, or the runtime's
    own name). `weights` is that of constant weights of few bits (int8, int4, int2, or packed), None where the
    runtime does not report them. `time_ns` is its median time for a batch.
    """

    name: str
    operator: str
    datatype: str
    weights: Optional[str]
    time_ns: float


@dataclass(frozen=True)
class InputTensor:
    """An input: shape of one sample, and the axis of the batch, None for a tensor that has none."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    batch_axis: Optional[int] = 0

    def batched(self, count: int) -> tuple[int, ...]:
        """The shape for `count` samples."""
        axis = self.batch_axis
        return self.shape if axis is None else (*self.shape[:axis], count, *self.shape[axis:])


@dataclass(frozen=True)
class Model:
    """The model to load; `input_shape` is of one sample, `fixed_batch` set where the file fixes the batch.

    Quantizations are those that the workload declares: batches come in the input's own integers, outputs
    are given back in theirs. Both are None where the tensors are real numbers. `many` models have other
    inputs or outputs too, or a batch that is not the first axis: they go through `Adapter.infer_many`.
    """

    path: str
    input_name: str
    input_dtype: str
    input_shape: tuple[int, ...]
    output_name: str
    fixed_batch: Optional[int] = None
    input_quantization: Optional[Quantization] = None
    output_quantization: Optional[Quantization] = None
    batch_axis: Optional[int] = 0
    more_inputs: tuple[InputTensor, ...] = ()
    more_outputs: tuple[str, ...] = ()
    many: bool = False

    @property
    def inputs(self) -> tuple[InputTensor, ...]:
        """All inputs, in the order of `infer`."""
        first = InputTensor(self.input_name, self.input_dtype, self.input_shape, self.batch_axis)
        return (first, *self.more_inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all outputs, in the order of `infer`."""
        return (self.output_name, *self.more_outputs)


def check_names(inputs: Collection[str], outputs: Collection[str], model: Model) -> None:
    """Raises InputError if a file's inputs are not those of the workload, or it lacks an output."""
    names = [tensor.name for tensor in model.inputs]
    if sorted(inputs) != sorted(names):
        raise InputError(f"its inputs are {sorted(inputs)}, not {names}", where=model.path)
    for name in model.outputs:
        if name not in outputs:
            raise InputError(f"it has no output '{name}', but {sorted(outputs)}", where=model.path)


OptionsT = TypeVar("OptionsT")


class Adapter(abc.ABC, Generic[OptionsT]):
    """One loaded instance of a model on a device; each instance is called by one thread at a time.

    `options_type` is a dataclass of every option with its default; the host validates values against
    it before any run. `threads` among its fields makes the adapter's thread count a deployment
    parameter. `runtime_module` is what must be importable, `extra` what pip installs it.
    `model_suffixes` are the model files it loads, the one it prefers first; with none it takes whatever
    the workload has, a workload without a model too. `over_network` says that the device is reached
    through a network, so that its records say so as well. `many_tensors` says that it takes models with
    several inputs or outputs, `open_sizes` that sizes other than the batch may differ between calls.
    `element_types` are those that it takes beyond numpy's, of bfloat16, whose
    batches are uint16 bits, and string, whose batches are Python's str in arrays of objects. Outputs of
    bfloat16 are given back as float32, text as such arrays.
    """

    options_type: ClassVar[type[object]]
    runtime_module: ClassVar[Optional[str]] = None
    extra: ClassVar[Optional[str]] = None
    model_suffixes: ClassVar[tuple[str, ...]] = ()
    over_network: ClassVar[bool] = False
    many_tensors: ClassVar[bool] = False
    element_types: ClassVar[tuple[str, ...]] = ()
    open_sizes: ClassVar[bool] = False

    @classmethod
    def runtime_for(cls, options: OptionsT) -> Optional[str]:
        """What must be importable with these options; overridden where an option chooses the runtime."""
        return cls.runtime_module

    @abc.abstractmethod
    def load(self, model: Model, options: OptionsT) -> None:
        """Imports the runtime and makes the model ready; raises on anything that is not as asked."""

    def tune(self, batch_size: int) -> None:
        """Prepares for batches of up to this size, without loading again; called before each run."""

    @abc.abstractmethod
    def infer(self, batch: Array) -> tuple[Array, Optional[int]]:
        """Answers [n, *input_shape] (n up to the tuned batch size); blocks until the outputs are there.

        A Completion, or the plain pair where half a microsecond counts. `batch` is valid during the call.
        """

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        """As `infer` for a model that is `many`: an array for each input, answered by one for each output.

        Only adapters with `many_tensors` have this. Inputs without a batch axis are given as they are.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Frees the device; does nothing before `load` and when called again."""

    def describe(self) -> dict[str, str]:
        """Versions and devices really in use, for the record; called after load."""
        return {}

    def profile(self, batch: Arrays, repeats: int) -> Optional[list[ProfiledNode]]:
        """The nodes that the runtime runs for such a batch, with their median times over `repeats` calls.

        `batch` has an array for each input. A copy of the loaded model is profiled, because a profiler takes
        time itself. None where the runtime has no profiler.
        """
        return None

    def figures(self) -> dict[str, float]:
        """Numbers of the run that just ended, unit in the name (`retries`, `link_round_trip_us`).

        Called after each run; `tune` starts the next one. The harness adds them up over instances if
        they are counts (no unit), and takes their mean if they are not.
        """
        return {}
