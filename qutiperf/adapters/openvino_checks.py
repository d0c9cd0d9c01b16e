"""What was asked of OpenVINO and what it took: devices, tensors, properties.

Standard library and numpy only, in Python 3.9 syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import numpy as np

from qutiperf.adapters.base import Model
from qutiperf.adapters.openvino_options import Options, pairs
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


def check_tensors(read: openvino.Model, model: Model) -> int:
    """The number of the model's output; raises InputError if the tensors are not those of the workload."""
    inputs = [name for tensor in read.inputs for name in tensor.get_names()]
    if len(read.inputs) != 1 or model.input_name not in inputs:
        raise InputError(f"its inputs are {sorted(inputs)}, not ['{model.input_name}']", where=model.path)
    element = read.inputs[0].get_element_type()
    if np.dtype(element.to_dtype()) != np.dtype(model.input_dtype):
        problem = f"its input is {element.get_type_name()}, not {model.input_dtype}"
        raise InputError(problem, where=model.path)
    _check_shape(read.inputs[0].get_partial_shape(), model)
    outputs = [tensor.get_names() for tensor in read.outputs]
    for number, names in enumerate(outputs):
        if model.output_name in names:
            return number
    offered = sorted(name for names in outputs for name in names)
    raise InputError(f"it has no output '{model.output_name}', but {offered}", where=model.path)


def _check_shape(found: openvino.PartialShape, model: Model) -> None:
    """A reshape would make another network of a file with other sizes."""
    if found.rank.is_dynamic:
        return
    sizes = [None if size.is_dynamic else size.get_length() for size in found]
    told = [model.fixed_batch, *model.input_shape]
    same = len(sizes) == len(told) and sizes[0] == told[0]
    if not same or any(size not in (None, want) for size, want in zip(sizes[1:], told[1:])):  # noqa: B905
        shown = [["?" if size is None else size for size in shape] for shape in (sizes, told)]
        raise InputError(f"its input is {shown[0]}, not {shown[1]}", where=model.path)


def reason(error: Exception) -> str:
    """What a message of OpenVINO says, without the places in its source."""
    noise = ("Exception from", "FrontEnd API failed", "Summary:", "Check '")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(noise)] or lines or [type(error).__name__]
    return " ".join(told)[:300]
