"""What was asked of OpenVINO and what it took: devices, tensors, properties.

Standard library and numpy only, in Python 3.9 syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import numpy as np

from qutiperf.adapters.base import InputTensor, Model
from qutiperf.adapters.openvino_options import Options, pairs
from qutiperf.element_type import BFLOAT16, STRING, canonical
from qutiperf.errors import InputError, SetupError

if TYPE_CHECKING:
    import openvino

THREADS, STREAMS, PRECISION, HINT = (
    "INFERENCE_NUM_THREADS",
    "NUM_STREAMS",
    "INFERENCE_PRECISION_HINT",
    "PERFORMANCE_HINT",
)
# Pinned, two instances of one thread each share the first core. AFFINITY is the name in 2022.3.
UNPINNED = {"ENABLE_CPU_PINNING": "NO", "AFFINITY": "NONE"}
RECORDED = (THREADS, STREAMS, PRECISION, HINT, "ENABLE_CPU_PINNING", "EXECUTION_DEVICES")


def check_device(core: openvino.Core, device: str) -> None:
    available = list(core.available_devices)
    if device.partition(".")[0] not in [name.partition(".")[0] for name in available]:
        offered = ", ".join(available) or "none"
        raise SetupError(f"openvino has no device {device}", cure=f"it has: {offered}")


def needed_properties(core: openvino.Core, options: Options) -> dict[str, str]:
    """What is sent to the plugin; raises SetupError for an option that the device does not have."""
    supported = [str(name) for name in core.get_property(options.device, "SUPPORTED_PROPERTIES")]
    asked = {
        THREADS: ("threads", str(options.threads), "1"),
        STREAMS: ("num_streams", str(options.num_streams), "1"),
        PRECISION: ("inference_precision", options.inference_precision, "default"),
        HINT: ("performance_hint", options.performance_hint.upper(), "NONE"),
    }
    found = {}
    for key, (option, value, untold) in asked.items():
        if key in supported and value not in ("default", "NONE"):
            found[key] = value
        elif key not in supported and value != untold:
            problem = f"{option}: device {options.device} has no {key}"
            raise SetupError(problem, cure=f"write {option}: {untold.lower()}")
    found.update({key: value for key, value in UNPINNED.items() if key in supported})
    return {**found, **pairs(options.properties)}


def check_taken(compiled: openvino.CompiledModel, asked: dict[str, str]) -> dict[str, str]:
    """The properties in force, for the record; raises SetupError if one is not as asked."""
    supported = [str(name) for name in compiled.get_property("SUPPORTED_PROPERTIES")]
    for key, value in asked.items():
        taken = _text(compiled.get_property(key)) if key in supported else None
        if taken is not None and taken != _text(value):
            raise SetupError(
                f"openvino was asked for {key}={value} and took {taken}", cure=f"ask for {taken}"
            )
    return {key.lower(): str(_text(compiled.get_property(key))) for key in RECORDED if key in supported}


def _text(value: object) -> Optional[str]:
    """A property as one spelling, whatever type the version gives; None where it has several."""
    if hasattr(value, "get_type_name"):
        value = value.get_type_name()
    elif hasattr(value, "name"):
        value = value.name
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    text = str(value).upper()
    return {"TRUE": "YES", "FALSE": "NO"}.get(text, text)


def check_tensors(read: openvino.Model, model: Model) -> tuple[list[int], list[int]]:
    """The numbers of the model's inputs and outputs; raises InputError if they are not the workload's."""
    inputs = _numbers([tensor.get_names() for tensor in read.inputs])
    outputs = _numbers([tensor.get_names() for tensor in read.outputs])
    names = [tensor.name for tensor in model.inputs]
    if len(read.inputs) != len(names) or any(name not in inputs for name in names):
        raise InputError(f"its inputs are {sorted(inputs)}, not {names}", where=model.path)
    for tensor in model.inputs:
        _check_input(read.inputs[inputs[tensor.name]], tensor, model)
    for name in model.outputs:
        if name not in outputs:
            raise InputError(f"it has no output '{name}', but {sorted(outputs)}", where=model.path)
    return [inputs[name] for name in names], [outputs[name] for name in model.outputs]


def _numbers(names: list[set[str]]) -> dict[str, int]:
    """The position of each name: a tensor may have several."""
    return {name: number for number, each in enumerate(names) for name in each}


def _check_input(found: openvino.ConstOutput, tensor: InputTensor, model: Model) -> None:
    """Its type and its sizes: a reshape would make another network of a file with other sizes."""
    element = found.get_element_type()
    if type_of(element) != canonical(tensor.dtype):
        problem = f"its input is {element.get_type_name()}, not {tensor.dtype}"
        raise InputError(problem, where=model.path)
    partial = found.get_partial_shape()
    if partial.rank.is_dynamic:
        return
    sizes = [None if size.is_dynamic else size.get_length() for size in partial]
    axis, given = tensor.batch_axis, list(tensor.batched(-1))
    expected = [model.fixed_batch if position == axis else size for position, size in enumerate(given)]
    # a size that the file leaves open is the workload's
    same = len(sizes) == len(expected) and all(
        size is None or size == wanted
        for size, wanted in zip(sizes, expected)  # noqa: B905
    )
    if not same:
        shown = [["?" if size is None else size for size in shape] for shape in (sizes, expected)]
        raise InputError(f"its input is {shown[0]}, not {shown[1]}", where=model.path)


def type_of(element: openvino.Type) -> str:
    """numpy's name where it has one; openvino gives float16 for bfloat16, and int8 for parts of a byte."""
    name = str(element.get_type_name())
    if name in ("bf16", STRING):
        return BFLOAT16 if name == "bf16" else STRING
    kind = np.dtype(element.to_dtype())
    return kind.name if element.bitwidth == 8 * kind.itemsize else name


def reason(error: Exception) -> str:
    """What a message of OpenVINO says, without the places in its source."""
    noise = ("Exception from", "FrontEnd API failed", "Summary:", "Check '")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(noise)] or lines or [type(error).__name__]
    return " ".join(told)[:300]
