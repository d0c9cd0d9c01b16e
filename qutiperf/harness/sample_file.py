"""A file of prepared samples: written once, with digests, and mapped into memory by any number of processes.

A header of JSON in the first pages, then the arrays, each from a page boundary on.
"""

import hashlib
import math
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import numpy as np
from pydantic import Field, ValidationError

from qutiperf.adapters.base import Array
from qutiperf.spec.config import SchemaVersion, StrictModel
from qutiperf.spec.workload import DTYPES

_MAGIC = b"qutiperf"
_LENGTH = struct.Struct("<8sQ")
_PAGE = 4096
_HEADER_BYTES = 4 * _PAGE  # about 100 arrays
_CHUNK = 1 << 22
_NO_DIGEST = "0" * 64

Sizes = Sequence[int]


class _StoredArray(StrictModel):
    dtype: str
    shape: list[Annotated[int, Field(ge=0)]]
    offset: Annotated[int, Field(ge=_HEADER_BYTES)]
    sha256: str = _NO_DIGEST

    @property
    def byte_count(self) -> int:
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)

    @property
    def end(self) -> int:
        return self.offset + self.byte_count


class _SampleHeader(StrictModel):
    schema_version: SchemaVersion = 1
    name: str
    arrays: list[_StoredArray]


def write_samples(stream: BinaryIO, name: str, count: int, parts: Iterable[Sequence[Array]]) -> None:
    """Writes `count` samples, given in parts of an array for each input, and waits until they are stored.

    The space is reserved before the second part is prepared. Raises OSError if there is not enough.
    """
    arrays: list[_StoredArray] = []
    done = 0
    digests = []
    for part in parts:
        if not arrays:
            arrays = _layout(part, count)
            digests = [hashlib.sha256() for _ in arrays]
            _reserve(stream, arrays[-1].end)
        for place, rows, digest in zip(arrays, part, digests, strict=True):
            data = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
            stream.seek(place.offset + done * (place.byte_count // count))
            stream.write(data)
            digest.update(data)
        done += len(part[0])
    closed = [
        place.model_copy(update={"sha256": digest.hexdigest()})
        for place, digest in zip(arrays, digests, strict=True)
    ]
    _write_header(stream, _SampleHeader(name=name, arrays=closed))
    stream.flush()
    os.fsync(stream.fileno())


def _layout(part: Sequence[Array], count: int) -> list[_StoredArray]:
    arrays: list[_StoredArray] = []
    offset = _HEADER_BYTES
    for rows in part:
        one = _StoredArray(dtype=rows.dtype.name, shape=[count, *rows.shape[1:]], offset=offset)
        arrays.append(one)
        offset = -(-one.end // _PAGE) * _PAGE
    return arrays


def _reserve(stream: BinaryIO, size: int) -> None:
    """Raises OSError now if the disk is too full, not after an hour of decoding."""
    os.ftruncate(stream.fileno(), 0)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(stream.fileno(), 0, size)
    os.ftruncate(stream.fileno(), size)


def _write_header(stream: BinaryIO, header: _SampleHeader) -> None:
    text = header.model_dump_json().encode()
    stream.seek(0)
    stream.write(_LENGTH.pack(_MAGIC, len(text)) + text)


def is_sound(path: Path, name: str) -> bool:
    """Whether the file has these samples, complete and undamaged: reads all of it."""
    try:
        with path.open("rb") as stream:
            header = _header(stream, name)
            return header is not None and all(_digest(stream, one) == one.sha256 for one in header.arrays)
    except OSError:
        return False


def _digest(stream: BinaryIO, array: _StoredArray) -> str:
    digest, left = hashlib.sha256(), array.byte_count
    stream.seek(array.offset)
    while left and (data := stream.read(min(left, _CHUNK))):
        digest.update(data)
        left -= len(data)
    return digest.hexdigest()


def map_samples(path: Path, name: str) -> list[Array] | None:
    """An array for each input, in memory that all processes share; None without a complete file.

    Pages are copied when written to, so that no adapter can change the file.
    """
    try:
        with path.open("rb") as stream:
            header = _header(stream, name)
            if header is None:
                return None
            arrays = [_mapped(stream, one) for one in header.arrays]
    except (OSError, ValueError):
        return None
    for array in arrays:
        _read_in(array)
    return arrays


def _mapped(stream: BinaryIO, array: _StoredArray) -> Array:
    mapped = np.memmap(stream, array.dtype, "c", array.offset, tuple(array.shape))
    return mapped.view(np.ndarray)


def _read_in(array: Array) -> None:
    """Touches every page: none is to be read from the disk, or mapped, within a query."""
    array.reshape(-1).view(np.uint8)[::_PAGE].max(initial=0)


def _header(stream: BinaryIO, name: str) -> _SampleHeader | None:
    """None for anything but a complete file of these samples."""
    start = stream.read(_HEADER_BYTES)
    if len(start) < _HEADER_BYTES:
        return None
    magic, length = _LENGTH.unpack_from(start)
    if magic != _MAGIC or length > _HEADER_BYTES - _LENGTH.size:
        return None
    try:
        header = _SampleHeader.model_validate_json(start[_LENGTH.size : _LENGTH.size + length])
    except ValidationError:
        return None
    size = os.fstat(stream.fileno()).st_size
    known = header.name == name and all(one.dtype in DTYPES for one in header.arrays)
    return header if known and header.arrays and all(one.end <= size for one in header.arrays) else None
