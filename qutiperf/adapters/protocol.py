"""Messages of the Open Inference Protocol (KServe v2) over HTTP, with the binary tensor data extension.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.
Standard library and numpy only, in Python 3.9 syntax: this module also runs on devices.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]
    Header = dict[str, object]
    Buffer = Union[bytes, memoryview]

HEADER_LENGTH = "Inference-Header-Content-Length"
BINARY_EXTENSION = "binary_tensor_data"
LINK_EXTENSION = "qutiperf_link"  # POST LINK_PATH: takes the body, answers with `X-Answer-Bytes` zeros
LINK_PATH = "/v2/qutiperf/link"
ANSWER_BYTES = "X-Answer-Bytes"
COMPUTE_NS = "compute_ns"  # in a response's parameters: the batch's time by the device's own clock
_NUMPY = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
_DATATYPE = {numpy: datatype for datatype, numpy in _NUMPY.items()}


class ProtocolError(ValueError):
    """A message that is not what the protocol says."""


class Message(NamedTuple):
    """A request's or a response's JSON header and its tensors by name."""

    header: Header
    tensors: dict[str, Array]


def datatype_of(dtype: str) -> str:
    """The protocol's name of a numpy type; raises ProtocolError if it has none."""
    if dtype not in _DATATYPE:
        raise ProtocolError(f"the protocol has no datatype for {dtype}, only for {', '.join(_DATATYPE)}")
    return _DATATYPE[dtype]


def dtype_of(datatype: object) -> str:
    """The numpy type of a datatype; raises ProtocolError if it is not one that numpy has."""
    if not isinstance(datatype, str) or datatype not in _NUMPY:
        raise ProtocolError(f"datatype {datatype!r} is none of {', '.join(_NUMPY)}")
    return _NUMPY[datatype]


def encode(
    header: Header,
    side: str,
    tensors: list[tuple[str, Array]],
    binary: bool = True,
) -> tuple[int, list[Buffer]]:
    """Length of the JSON header and the body's parts; `side` is inputs or outputs.

    Without `binary` the numbers are in the JSON itself. Raises ProtocolError for a type without a name.
    """
    parts: list[Buffer] = []
    listed = []
    for name, array in tensors:
        entry: Header = {
            "name": name,
            "shape": list(array.shape),
            "datatype": datatype_of(array.dtype.name),
        }
        if binary:
            entry["parameters"] = {"binary_data_size": array.nbytes}
            parts.append(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
        else:
            entry["data"] = array.ravel().tolist()
        listed.append(entry)
    text = json.dumps({**header, side: listed}, separators=(",", ":")).encode()
    return len(text), [text, *parts]


def decode(body: Buffer, header_length: Optional[int], side: str) -> Message:
    """Reads a body; raises ProtocolError for whatever is missing, of the wrong size, or left over."""
    whole = memoryview(body)
    length = len(whole) if header_length is None else header_length
    if not 0 <= length <= len(whole):
        raise ProtocolError(f"its JSON is {length} bytes long, the body {len(whole)}")
    header = read_json(whole[:length])
    listed = header.get(side)
    if not isinstance(listed, list) or not listed:
        raise ProtocolError(f"it has no {side}")
    rest, tensors = whole[length:], {}
    for entry in listed:
        name, array, rest = _tensor(entry, rest)
        if name in tensors:
            raise ProtocolError(f"it has the tensor '{name}' twice")
        tensors[name] = array
    if len(rest):
        raise ProtocolError(f"{len(rest)} bytes follow its last tensor")
    return Message(header, tensors)


def read_json(text: Buffer) -> Header:
    """A JSON object; raises ProtocolError for anything else."""
    try:
        found = json.loads(bytes(text))
    except ValueError:
        start = bytes(text[:40]).decode("ascii", "replace")
        raise ProtocolError(f"it is no JSON: {start!r}") from None
    if not isinstance(found, dict):
        raise ProtocolError("its JSON is no object")
    return found


def _tensor(entry: object, rest: memoryview) -> tuple[str, Array, memoryview]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ProtocolError("a tensor has no name")
    name, shape = entry["name"], entry.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ProtocolError(f"tensor '{name}': shape {shape!r}")
    dtype = np.dtype(dtype_of(entry.get("datatype")))
    parameters = entry.get("parameters") or {}
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return name, _from_json(name, entry.get("data"), dtype, shape), rest
    if size != prod(shape) * dtype.itemsize or size > len(rest):
        problem = f"tensor '{name}': {size!r} bytes for {shape} of {dtype.name}, {len(rest)} are there"
        raise ProtocolError(problem)
    return name, np.frombuffer(rest[:size], dtype).reshape(shape), rest[size:]


def _from_json(name: str, data: object, dtype: np.dtype[np.generic], shape: list[int]) -> Array:
    try:
        array = np.array(data, dtype)
    except (ValueError, TypeError, OverflowError):
        raise ProtocolError(f"tensor '{name}': its data are no {dtype.name}") from None
    if data is None or array.size != prod(shape):
        raise ProtocolError(f"tensor '{name}': {array.size} numbers for the shape {shape}")
    kinds = {"b": "b", "f": "iuf"}.get(dtype.kind, "iu")
    if array.size and np.asarray(data).dtype.kind not in kinds:
        raise ProtocolError(f"tensor '{name}': its data are no {dtype.name}")
    return array.reshape(shape)
