"""The detail log line by line: its lines, their order and values, so that an edited log can be recognised.

`read_result` says what LoadGen concluded; a trace says whether the log can be LoadGen's own. It streams:
memory is bounded by the number of distinct keys, for files of any size.
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from qutiperf.spec.sut import Setting

Item = TypeVar("Item")
_MARKER = b":::MLLOG "
_NOT_FINITE = re.compile(rb'("value": )-?(?:nan|inf)(?=[,}])')
# an error before the log's clock starts gets a time below 0, which LoadGen prints as an unsigned number
_BEFORE_START_MS = 1e13
_LONGEST_LINE_BYTES = 1 << 20
_MOST_KEYS = 2000
_MOST_REMEMBERED = 5
_MOST_PROCESSES = 10
# written once a batch of samples or whenever LoadGen has something to say
_REPEATED = frozenset(
    {
        *("generic_message", "warning_generic_message", "loaded_qsl_set"),
        *("generated_query_count", "generated_samples_per_query", "generated_query_duration"),
        *("power_begin", "power_end"),
    }
)
_REPEATED_PREFIXES = ("logger_", "error_", "warning_", "generic_")
# run-once values that LoadGen writes into every run's log; the first log of a process has no earlier ones
_IDENTITY = ("test_datetime", "loadgen_version", "sut_name", "qsl_reported_total_count")


@dataclass(slots=True)
class Trace:
    """What is kept of one detail log; line numbers count from 1. At most five lines of a kind are kept."""

    values: dict[str, Setting] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    first_lines: dict[str, int] = field(default_factory=dict)
    first: dict[str, Setting] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    line_count: int = 0
    error_count: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    repeated: list[tuple[int, str]] = field(default_factory=list)
    unmarked: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    disordered: list[tuple[int, str]] = field(default_factory=list)
    generated_samples: int | None = None
    processes: set[object] = field(default_factory=set)
    last_time_ms: float | None = None
    size_bytes: int = 0
    sha256: str = ""

    def line_of(self, key: str) -> int | None:
        return self.lines.get(key)

    def number(self, key: str) -> float | None:
        value = self.values.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def whole(self, key: str) -> int | None:
        value = self.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        return value if isinstance(value, str) else None

    def flag(self, key: str) -> bool | None:
        value = self.values.get(key)
        return value if isinstance(value, bool) else None

    @property
    def scenario(self) -> str | None:
        return self.text("effective_scenario")

    @property
    def mode(self) -> str | None:
        return self.text("effective_test_mode")

    @property
    def run_identity(self) -> tuple[object, ...] | None:
        """The same for two logs of one run, one of them edited; None where the log is too poor to say."""
        if "test_datetime" not in self.values or self.last_time_ms is None:
            return None
        own = tuple(self.values.get(key) for key in _IDENTITY)
        return (*own, *sorted(map(str, self.processes)), self.first.get("power_begin"))


def read_trace(path: Path) -> Trace:
    """Raises OSError if the file cannot be read; damage inside is recorded, never raised."""
    trace = Trace()
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        _take_lines(trace, stream, digest)
    trace.sha256 = digest.hexdigest()
    return trace


def _take_lines(trace: Trace, stream: BinaryIO, digest: "hashlib._Hash") -> None:
    whole = True
    while piece := stream.readline(_LONGEST_LINE_BYTES):
        digest.update(piece)
        trace.size_bytes += len(piece)
        ended = piece.endswith(b"\n")
        if whole:
            trace.line_count += 1
            _take_line(trace, piece, complete=ended or len(piece) < _LONGEST_LINE_BYTES)
        whole = ended


def _take_line(trace: Trace, line: bytes, complete: bool) -> None:
    if not line.startswith(_MARKER):
        if line.strip():
            _remember(trace.unmarked, trace.line_count)
        return
    if b'"loaded_qsl_set"' in line[:40]:
        trace.counts["loaded_qsl_set"] += 1
        trace.first_lines.setdefault("loaded_qsl_set", trace.line_count)
        return
    try:
        text = line[len(_MARKER) :] if complete else b""
        entry = json.loads(_NOT_FINITE.sub(rb"\1null", text))
        key, value, time_ms, metadata = entry["key"], entry["value"], entry["time_ms"], entry["metadata"]
        error, process = metadata["is_error"], metadata["pid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        _remember(trace.unreadable, trace.line_count)
        return
    if len(trace.processes) < _MOST_PROCESSES:
        trace.processes.add(process if isinstance(process, int) else str(process)[:40])
    _take_value(trace, str(key)[:200], value)
    _take_time(trace, str(key)[:200], time_ms)
    if error:
        trace.error_count += 1
        _remember(trace.errors, (trace.line_count, str(value)[:300]))


def _take_value(trace: Trace, key: str, value: object) -> None:
    if key not in trace.counts and len(trace.counts) >= _MOST_KEYS:
        return
    trace.counts[key] += 1
    if trace.counts[key] > 1 and key not in _REPEATED and not key.startswith(_REPEATED_PREFIXES):
        _remember(trace.repeated, (trace.line_count, key))
    trace.lines[key] = trace.line_count
    trace.first_lines.setdefault(key, trace.line_count)
    if isinstance(value, bool | int | float | str):
        trace.values[key] = value[:2000] if isinstance(value, str) else value
        trace.first.setdefault(key, trace.values[key])
    queries = trace.values.get("generated_query_count")
    if key == "generated_samples_per_query" and type(value) is int and type(queries) is int:
        trace.generated_samples = (trace.generated_samples or 0) + queries * value


def _take_time(trace: Trace, key: str, time_ms: object) -> None:
    if not isinstance(time_ms, int | float) or isinstance(time_ms, bool):
        _remember(trace.disordered, (trace.line_count, key))
        return
    if time_ms > _BEFORE_START_MS:
        return
    if trace.last_time_ms is not None and time_ms < trace.last_time_ms:
        _remember(trace.disordered, (trace.line_count, key))
        return
    trace.last_time_ms = float(time_ms)


def _remember(kept: list[Item], item: Item) -> None:
    if len(kept) < _MOST_REMEMBERED:
        kept.append(item)
