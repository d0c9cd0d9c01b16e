"""Messages of the Open Inference Protocol (KServe v2) over HTTP, with the binary tensor data extension.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.
Standard library and numpy only, in Python 3.9 syntax: this module also runs on devices.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

import numpy as np

from qutiperf.element_type import BFLOAT16, STRING, array_type, type_of

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
    "UINT16": "uint16",
    "INT16": "int16",
    "UINT32": "uint32",
    "INT32": "int32",
    "UINT64": "uint64",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BF16": BFLOAT16,  # of Triton's extension
    "BYTES": STRING,
}
_DATATYPE = {numpy: datatype for datatype, numpy in _NUMPY.items()}
_SENT = {
    numpy: array_type(numpy).newbyteorder("<") for numpy in _DATATYPE
}  # native where that is little-endian
_MOST_DIMENSIONS = 32  # of numpy before 2.0
_MOST_BYTES = 1 << 62  # of an array, which numpy counts in 64 bits
_LENGTH = struct.Struct("<I")  # before each text
_MOST_QUOTED = 100  # characters of what a message says


class ProtocolError(ValueError):
    """A message that is not what the protocol says."""


class Message(NamedTuple):
    """A request's or a response's JSON header, its tensors by name, and the types of their elements."""

    header: Header
    tensors: dict[str, Array]
    types: dict[str, str]


def datatype_of(dtype: str) -> str:
    """The protocol's name of a numpy type; raises ProtocolError if it has none."""
    if dtype not in _DATATYPE:
        raise ProtocolError(f"the protocol has no datatype for {dtype}, only for {', '.join(_DATATYPE)}")
    return _DATATYPE[dtype]


def dtype_of(datatype: object) -> str:
    """The numpy type of a datatype; raises ProtocolError if it is not one that numpy has."""
    if not isinstance(datatype, str) or datatype not in _NUMPY:
        raise ProtocolError(f"datatype {quoted(datatype)} is none of {', '.join(_NUMPY)}")
    return _NUMPY[datatype]


def encode(
    header: Header,
    side: str,
    tensors: list[tuple[str, Array]],
    binary: bool = True,
    types: Optional[Mapping[str, str]] = None,
) -> tuple[int, list[Buffer]]:
    """Length of the JSON header and the body's parts; `side` is inputs or outputs.

    Without `binary` the numbers are in the JSON itself. `types` are those of elements that numpy lacks, by
    the tensor's name. Raises ProtocolError for a type without a name and for a number that JSON cannot hold.
    """
    parts: list[Buffer] = []
    listed = []
    for name, array in tensors:
        dtype = (types or {}).get(name) or type_of(array)
        entry: Header = {"name": name, "shape": list(array.shape), "datatype": datatype_of(dtype)}
        if binary:
            part = _bytes_of(array, dtype)
            entry["parameters"] = {"binary_data_size": len(part)}
            parts.append(part)
        else:
            if dtype == BFLOAT16:
                raise ProtocolError(f"tensor '{name}': JSON cannot hold bfloat16; use binary tensors")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ProtocolError(f"tensor '{name}': JSON cannot hold NaN or Infinity; use binary tensors")
            entry["data"] = array.ravel().tolist()
        listed.append(entry)
    text = json.dumps({**header, side: listed}, separators=(",", ":")).encode()
    return len(text), [text, *parts]


def _bytes_of(array: Array, dtype: str) -> Buffer:
    if dtype == STRING:
        encoded = [str(each).encode() for each in array.ravel().tolist()]
        return b"".join(part for each in encoded for part in (_LENGTH.pack(len(each)), each))
    return np.ascontiguousarray(array, _SENT[dtype]).data.cast("B") if array.size else b""


def decode(body: Buffer, header_length: Optional[int], side: str) -> Message:
    """Reads a body; raises ProtocolError for anything that is missing, of the wrong size, or left over."""
    whole = memoryview(body)
    length = len(whole) if header_length is None else header_length
    if not 0 <= length <= len(whole):
        raise ProtocolError(f"its JSON is {length} bytes long, the body {len(whole)}")
    header = read_json(whole[:length])
    listed = header.get(side)
    if not isinstance(listed, list) or not listed:
        raise ProtocolError(f"it has no {side}")
    rest, message = whole[length:], Message(header, {}, {})
    for entry in listed:
        name, array, rest = _tensor(entry, rest)
        if name in message.tensors:
            raise ProtocolError(f"it has the tensor {quoted(name)} twice")
        message.tensors[name], message.types[name] = array, dtype_of(entry["datatype"])
    if len(rest):
        raise ProtocolError(f"{len(rest)} bytes follow its last tensor")
    return message


def read_json(text: Buffer) -> Header:
    """A JSON object; raises ProtocolError for anything else."""
    try:
        found = json.loads(bytes(text), parse_constant=_refuse_constant)
    except ProtocolError:
        raise
    except RecursionError:
        raise ProtocolError("its JSON is nested too deeply") from None
    except ValueError:
        start = bytes(text[:40]).decode("ascii", "replace")
        raise ProtocolError(f"it is not JSON: {start!r}") from None
    if not isinstance(found, dict):
        raise ProtocolError("its JSON is not an object")
    return found


def _refuse_constant(name: str) -> None:
    raise ProtocolError(f"it is not JSON: {name} is not a number there")


def quoted(value: object) -> str:
    """How a message quotes what came from the other side: on one line, cut where it is long."""
    return shown(repr(value) if isinstance(value, str) else value, _MOST_QUOTED)


def shown(value: object, most: int) -> str:
    """A text as it is, anything else as Python writes it, cut after `most` characters."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except RecursionError:
        text = f"{type(value).__name__}, nested too deeply"
    return text if len(text) <= most else f"{text[:most]}..."


def _tensor(entry: object, rest: memoryview) -> tuple[str, Array, memoryview]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ProtocolError("a tensor has no name")
    name = entry["name"]
    where = f"tensor {quoted(name)}"
    kind = dtype_of(entry.get("datatype"))
    dtype = _SENT[kind]
    shape = _shape(entry.get("shape"), dtype.itemsize, where)
    parameters = entry.get("parameters") or {}
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if kind == STRING:
        return (name, *_texts(entry.get("data"), size, shape, rest, where))
    if size is None and kind == BFLOAT16:
        raise ProtocolError(f"{where}: JSON cannot hold bfloat16")
    if size is None:
        return name, _from_json(entry.get("data"), dtype, shape, where), rest
    if type(size) is not int or size != prod(shape) * dtype.itemsize or size > len(rest):
        problem = f"{quoted(size)} bytes for {quoted(shape)} of {dtype.name}, {len(rest)} are there"
        raise ProtocolError(f"{where}: {problem}")
    if dtype.kind == "b" and size and np.frombuffer(rest[:size], np.uint8).max() > 1:
        raise ProtocolError(f"{where}: a byte of its bool is neither 0 nor 1")
    array = np.frombuffer(rest[:size], dtype).reshape(shape)
    return name, array if dtype.isnative else array.astype(dtype.newbyteorder("=")), rest[size:]


def _texts(
    data: object, size: object, shape: list[int], rest: memoryview, where: str
) -> tuple[Array, memoryview]:
    """Texts in the JSON, or each after its length; raises ProtocolError for what is not UTF-8."""
    count = prod(shape)
    if size is None:
        if not isinstance(data, list) or not all(isinstance(each, str) for each in data):
            raise ProtocolError(f"{where}: its data are not a list of texts")
        found: list[str] = data
    elif type(size) is not int or not count * _LENGTH.size <= size <= len(rest):
        problem = f"{quoted(size)} bytes for {quoted(shape)} texts, {len(rest)} are there"
        raise ProtocolError(f"{where}: {problem}")
    else:
        found, rest = _read_texts(bytes(rest[:size]), where), rest[size:]
    if len(found) != count:
        raise ProtocolError(f"{where}: {len(found)} texts for the shape {quoted(shape)}")
    array = np.empty(count, object)
    array[:] = found
    return array.reshape(shape), rest


def _read_texts(whole: bytes, where: str) -> list[str]:
    found, start = [], 0
    try:
        while start < len(whole):
            (length,) = _LENGTH.unpack_from(whole, start)
            start += _LENGTH.size + length
            if start > len(whole):
                raise ProtocolError(f"{where}: its last text has {length} bytes, fewer are there")
            found.append(whole[start - length : start].decode("utf-8"))
    except (struct.error, UnicodeDecodeError):
        raise ProtocolError(f"{where}: its texts are damaged, or not UTF-8") from None
    return found


def _shape(shape: object, item_bytes: int, where: str) -> list[int]:
    """Raises ProtocolError for sizes that numpy cannot reshape to."""
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ProtocolError(f"{where}: shape {quoted(shape)} is not a list of whole numbers from 0")
    if len(shape) > _MOST_DIMENSIONS:
        raise ProtocolError(f"{where}: {len(shape)} dimensions, more than {_MOST_DIMENSIONS}")
    if item_bytes * prod(size for size in shape if size) > _MOST_BYTES:
        raise ProtocolError(f"{where}: shape {quoted(shape)} is too large")
    return shape


def _from_json(data: object, dtype: np.dtype[np.generic], shape: list[int], where: str) -> Array:
    """Numbers as they are written; raises ProtocolError for those that `dtype` cannot hold."""
    refused = ProtocolError(f"{where}: its data are not {dtype.name}")
    if not isinstance(data, list):
        raise ProtocolError(f"{where}: it has no data")
    try:
        plain = np.asarray(data)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise refused from None
    if plain.size != prod(shape):
        raise ProtocolError(f"{where}: {plain.size} numbers for the shape {quoted(shape)}")
    if plain.size == 0:
        return np.zeros(shape, dtype.name)
    if plain.dtype.kind not in {"b": "b", "f": "iuf"}.get(dtype.kind, "iu"):
        raise refused
    if dtype.kind in "iu" and (
        int(plain.min()) < np.iinfo(dtype.name).min or int(plain.max()) > np.iinfo(dtype.name).max
    ):
        raise refused
    with np.errstate(over="ignore"):
        array = plain.astype(dtype.name)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise refused
    return array.reshape(shape)
