"""What a TFLite file has, held against what the workload says, and what its interpreter made of it."""

from __future__ import annotations

import math
from typing import Any, Optional, Protocol

import numpy as np

from qutiperf.adapters.base import Array, InputTensor, Model, Quantization, check_names
from qutiperf.element_type import BEYOND_NUMPY, BFLOAT16, STRING, canonical, reals_of_bfloat16, texts
from qutiperf.errors import InputError, QutiperfError, SetupError

EDGE_TPU_OPERATOR = "edgetpu-custom-op"
_STAND_IN = "DELEGATE"
_SCALE_TOLERANCE = 1e-6  # the file has float32, a workload may have been written with fewer digits
_LONGEST = 200

Details = dict[str, Any]  # of a tensor or an operator, as the interpreter gives them


class Interpreter(Protocol):
    """The part of the runtime's interpreter that is asked here."""

    def get_input_details(self) -> list[Details]: ...
    def get_output_details(self) -> list[Details]: ...
    def get_signature_list(self) -> dict[str, object]: ...


def check_tensors(interpreter: Interpreter, model: Model) -> tuple[list[int], list[int], list[int]]:
    """Numbers of the model's inputs and outputs, and the first output's shape for one sample.

    Raises InputError if the file's tensors are not those of the workload.
    """
    signatures = sorted(interpreter.get_signature_list())
    if len(signatures) > 1:
        problem = f"it has several signatures: {', '.join(signatures)}"
        raise InputError(problem, where=model.path, cure="convert one of them alone")
    sources, results = interpreter.get_input_details(), interpreter.get_output_details()
    inputs = {str(tensor["name"]): tensor for tensor in sources}
    outputs = {str(tensor["name"]): tensor for tensor in results}
    check_names(inputs, outputs, model)
    for tensor in model.inputs:
        _check_input(inputs[tensor.name], tensor, model)
    _check_quantization("input", inputs[model.input_name], model.input_quantization, model.path)
    first = outputs[model.output_name]
    _check_quantization("output", first, model.output_quantization, model.path)
    return (
        [int(inputs[tensor.name]["index"]) for tensor in model.inputs],
        [int(outputs[name]["index"]) for name in model.outputs],
        [int(size) for size in first["shape"][1:]],
    )


def _check_input(found: Details, tensor: InputTensor, model: Model) -> None:
    dtype = _type_of(found)
    if dtype != canonical(tensor.dtype):
        raise InputError(f"its input is {dtype}, not {tensor.dtype}", where=model.path)
    given = list(tensor.batched(-1 if model.fixed_batch is None else model.fixed_batch))
    sizes: list[int] = list(found["shape_signature"])
    shape = [int(size) for size in sizes]
    # a size that the file leaves open is the workload's
    if len(shape) != len(given) or any(own not in (-1, size) for own, size in zip(shape, given)):  # noqa: B905
        raise InputError(f"its input is {_as_yaml(shape)}, not {_as_yaml(given)}", where=model.path)


def _type_of(found: Details) -> str:
    return STRING if found["dtype"] is np.bytes_ else np.dtype(found["dtype"]).name


def forms_of(interpreter: Interpreter, indices: list[int]) -> dict[int, Any]:
    """What arrays of some tensors become: the runtime's type of bfloat16, None for text; by number."""
    details = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    types = {int(each["index"]): (_type_of(each), each["dtype"]) for each in details}
    return {
        index: dtype if name == BFLOAT16 else None
        for index, (name, dtype) in types.items()
        if index in indices and name in BEYOND_NUMPY
    }


def as_output(array: Array) -> Array:
    """bfloat16 as float32, text as Python's str, all others as they are."""
    if array.dtype.name == BFLOAT16:
        return reals_of_bfloat16(array.view(np.uint16))
    return texts(array) if array.dtype.kind in "OSU" else array


def _as_yaml(shape: list[int]) -> str:
    """As a workload's `shape`, where a batch of any size has a name."""
    return "[" + ", ".join("batch" if size == -1 else str(size) for size in shape) + "]"


def _check_quantization(side: str, tensor: Details, given: Optional[Quantization], path: str) -> None:
    scale, zero_point = tensor["quantization"]
    if scale == 0 and given is None:
        return
    same = (
        given is not None
        and math.isclose(given.scale, scale, rel_tol=_SCALE_TOLERANCE)
        and given.zero_point == zero_point
    )
    if same:
        return
    found = (
        f"{{scale: {_shortest(scale)}, zero_point: {zero_point}}}"
        if scale
        else "none, as it is not quantized"
    )
    said = "none" if given is None else f"{{scale: {given.scale}, zero_point: {given.zero_point}}}"
    problem = f"the quantization of its {side} is {found}, the workload says {said}"
    cure = (
        f"write model.{side}: {{quantization: {found}}}" if scale else f"leave out model.{side}.quantization"
    )
    raise InputError(problem, where=path, cure=cure)


def _shortest(scale: float) -> str:
    """The fewest digits that are the same float32."""
    return str(np.float32(scale))


def delegated(interpreter: object) -> Optional[tuple[int, int]]:
    """How many operators delegates have taken, of how many; None where the runtime does not tell.

    A delegate adds one stand-in for each part of the graph that it took, and the operators stay listed:
    those between the stand-in's outputs and its inputs are the ones it took.
    """
    list_operators = getattr(interpreter, "_get_ops_details", None)
    if list_operators is None:
        return None
    listed = list_operators()
    operators = [each for each in listed if each["op_name"] != _STAND_IN]
    maker = {int(tensor): number for number, each in enumerate(operators) for tensor in each["outputs"]}
    taken: set[int] = set()
    for part in listed:
        if part["op_name"] == _STAND_IN:
            taken |= _between(part, operators, maker)
    return len(taken), len(operators)


def _between(part: Details, operators: list[Details], maker: dict[int, int]) -> set[int]:
    borders = {int(tensor) for tensor in part["inputs"]}
    waiting, found = [int(tensor) for tensor in part["outputs"]], set()
    while waiting:
        tensor = waiting.pop()
        number = None if tensor in borders else maker.get(tensor)
        if number is not None and number not in found:
            found.add(number)
            waiting += [int(each) for each in operators[number]["inputs"]]
    return found


def refusal(error: Exception, path: str, problem: str, cure: str = "") -> QutiperfError:
    """One line for what the runtime says in many, with the cure where it is known."""
    text = " ".join(str(error).split())
    if EDGE_TPU_OPERATOR in text:
        return SetupError("it is compiled for the Edge TPU", where=path, cure="set delegate: libedgetpu.so.1")
    if "builtin_code out of range" in text or "schema version" in text or "for builtin opcode" in text:
        cure = (
            "the file is newer than the runtime: install a newer one, or convert it with an older converter"
        )
    return InputError(f"{problem}: {text[:_LONGEST].rstrip('.')}", where=path, cure=cure)
