"""Streams the detail log and the accuracy log, in bounded memory for logs of any length."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from qutiperf.errors import InputError
from qutiperf.mlperf_logs.model import LogValue

_MARKER = b":::MLLOG "
_LONGEST_LINE_BYTES = 1 << 20  # longer ones are loaded_qsl_set, which nothing here needs
_BLOCK_BYTES = 1 << 20
_MESSAGES_KEPT = 20
_LARGEST_NUMBER = 1 << 64  # seeds have 64 bits; a larger number, infinity or NaN is damage
# LoadGen prints a rate of no time as C++ does, which is not JSON
_NOT_FINITE = re.compile(rb'("value": )-?(?:nan|inf)(?=[,}])')


@dataclass(slots=True)
class Detail:
    """The parts of the detail log that are kept while streaming."""

    values: dict[str, LogValue] = field(default_factory=dict)
    errors: dict[tuple[str, str], int] = field(default_factory=dict)
    warnings: dict[tuple[str, str], int] = field(default_factory=dict)
    error_count: int = 0
    warning_count: int = 0
    marked_count: int = 0
    unreadable_count: int = 0
    generated_sample_count: int | None = None
    first_begin: str | None = None
    last_end: str | None = None


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        cure = "name the folder that LoadGen wrote its logs to"
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from None


def read_detail(path: Path) -> Detail:
    detail = Detail()
    with _open(path) as stream:
        for line in _lines(stream):
            position = line.find(_MARKER)
            if position >= 0:
                _take_line(detail, line[position + len(_MARKER) :])
    if detail.marked_count == detail.unreadable_count:
        cure = "it must be the untouched detail log of LoadGen 1.0 or newer; run again if it was cut"
        raise InputError("has no readable ':::MLLOG' line", where=str(path), cure=cure)
    return detail


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of at most _LONGEST_LINE_BYTES; longer ones are skipped piece by piece."""
    whole = True
    while piece := stream.readline(_LONGEST_LINE_BYTES):
        ended = piece.endswith(b"\n")
        if whole and (ended or len(piece) < _LONGEST_LINE_BYTES):
            yield piece
        whole = ended


def _take_line(detail: Detail, text: bytes) -> None:
    detail.marked_count += 1
    if b'"loaded_qsl_set"' in text[:40]:
        return
    try:
        entry = json.loads(_NOT_FINITE.sub(rb"\1null", text))
        key, value, metadata = entry["key"], entry["value"], entry.get("metadata")
    except (ValueError, KeyError, TypeError, RecursionError):
        detail.unreadable_count += 1
        return
    _take_value(detail, str(key), value)
    _take_message(detail, str(key), str(value), metadata if isinstance(metadata, dict) else {})


def _take_value(detail: Detail, key: str, value: object) -> None:
    if key == "power_begin":
        detail.first_begin = detail.first_begin or str(value)
    elif key == "power_end":
        detail.last_end = str(value)
    elif isinstance(value, str) or (isinstance(value, int | float) and abs(value) < _LARGEST_NUMBER):
        detail.values[key] = value
    queries = detail.values.get("generated_query_count")
    if key == "generated_samples_per_query" and isinstance(value, int) and isinstance(queries, int):
        detail.generated_sample_count = (detail.generated_sample_count or 0) + queries * value


def _take_message(detail: Detail, key: str, text: str, metadata: Mapping[str, object]) -> None:
    if metadata.get("is_error"):
        detail.error_count += 1
        _count_message(detail.errors, key, text)
    elif metadata.get("is_warning"):
        detail.warning_count += 1
        _count_message(detail.warnings, key, text)


def _count_message(messages: dict[tuple[str, str], int], key: str, text: str) -> None:
    if (key, text) in messages or len(messages) < _MESSAGES_KEPT:
        messages[key, text] = messages.get((key, text), 0) + 1


def accuracy_entries(path: Path) -> int | None:
    """Number of samples in the accuracy log; None if there is no log or it was truncated for publication."""
    try:
        stream = path.open("rb")
    except OSError:
        return None
    count, tail = 0, b""
    with stream:
        while block := stream.read(_BLOCK_BYTES):
            text = tail + block
            if b"\n\n...\n\n" in text:
                return None
            count += text.count(b'"seq_id"') - tail.count(b'"seq_id"')
            tail = text[-8:]
    return count
