"""The accuracy log and accuracy.txt: what they say, streamed, so that they can be held against each other."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

_CUT = re.compile(rb"\r?\n\r?\n\.\.\.\r?\n\r?\n")
_BLOCK_BYTES = 1 << 20
_MOST_TEXT_BYTES = 4 << 20
_ENTRY = re.compile(rb'\{ *"seq_id" *: *(\d{1,20}) *, *"qsl_idx" *: *(\d{1,20}) *,')
_HASH = re.compile(r"^hash=([\w\d]+)\s*$", re.MULTILINE)
_GOOD = re.compile(r"good=(\d{1,18}), *total=(\d{1,18})")
_PERCENT = re.compile(r"^accuracy=([\d.]+)%", re.MULTILINE)


@dataclass(slots=True)
class AccuracyLog:
    """`entry_count` is None of a log that was cut for publication, `sha256` that of the file as it is."""

    size_bytes: int
    sha256: str
    cut: bool
    entry_count: int | None
    largest_index: int | None
    sequence_ids: set[int] = field(default_factory=set)
    repeated_sequence: bool = False
    starts_as_list: bool = True
    ends_as_list: bool = True


def read_accuracy_log(path: Path) -> AccuracyLog:
    """Of a whole log only the first 10,000 sequence ids are held; raises OSError."""
    digest = hashlib.sha256()
    log = AccuracyLog(0, "", False, 0, None)
    tail, first, count = b"", b"", 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
            log.size_bytes += len(block)
            first = first or block[:64]
            text = tail + block
            keep = _last_entry_start(text)
            count += _take_entries(log, text[:keep])
            log.cut = log.cut or _has_cut(text)
            tail = text[keep:]
    count += _take_entries(log, tail)
    log.cut = log.cut or _has_cut(tail)
    log.sha256 = digest.hexdigest()
    log.entry_count = None if log.cut else count
    log.starts_as_list = first.lstrip().startswith(b"[")
    log.ends_as_list = tail.rstrip().endswith(b"]")
    return log


def _has_cut(text: bytes) -> bool:
    """The plain search first, which is a hundred times faster over a gigabyte."""
    return b"\n..." in text and _CUT.search(text) is not None


def _last_entry_start(text: bytes) -> int:
    """Where the last, perhaps unfinished entry begins; far back in a long answer nothing is kept."""
    start = text.rfind(b'{ "seq_id"')
    if start < 0 or len(text) - start > _BLOCK_BYTES:
        return max(0, len(text) - 200)
    return start


_MOST_SEQUENCE_IDS = 10_000


def _take_entries(log: AccuracyLog, text: bytes) -> int:
    count = 0
    for match in _ENTRY.finditer(text):
        count += 1
        log.largest_index = max(log.largest_index or 0, int(match.group(2)))
        if len(log.sequence_ids) < _MOST_SEQUENCE_IDS:
            identity = int(match.group(1))
            log.repeated_sequence = log.repeated_sequence or identity in log.sequence_ids
            log.sequence_ids.add(identity)
    return count


@dataclass(frozen=True, slots=True)
class AccuracyText:
    """accuracy.txt: the hash of the log it was made from, and the counts that some scripts print."""

    text: str
    hash: str | None
    hash_line: int | None
    good: int | None = None
    total: int | None = None
    percent: float | None = None


def read_accuracy_text(path: Path) -> AccuracyText:
    """Raises OSError."""
    with path.open("rb") as stream:
        text = stream.read(_MOST_TEXT_BYTES).decode("utf-8", errors="replace")
    hashes = list(_HASH.finditer(text))
    counts = _GOOD.search(text)
    percent = _PERCENT.search(text)
    return AccuracyText(
        text,
        hashes[-1].group(1) if hashes else None,
        text.count("\n", 0, hashes[-1].start()) + 1 if hashes else None,
        int(counts.group(1)) if counts else None,
        int(counts.group(2)) if counts else None,
        _number(percent.group(1)) if percent else None,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def scores(text: str, pattern: str) -> list[tuple[float, int]]:
    """Numbers that `pattern` finds at the start of a line, with their lines; long lines are left out."""
    compiled = re.compile(pattern)
    numbers = []
    for number, line in enumerate(text.splitlines(), 1):
        match = compiled.match(line) if len(line) < 20_000 else None
        value = _number(match.group(1)) if match else None
        if value is not None:
            numbers.append((value, number))
    return numbers
