"""accuracy.txt and the accuracy log as published: cut, with the hash of the whole.

As accuracy-imagenet.py and truncate_accuracy_log.py of mlcommons/inference write them.
"""

import hashlib
from pathlib import Path

from qutiperf.results.record import RunRecord

_KEPT_BYTES = 4096
_CUT = b"\n\n...\n\n"


def cut_log(path: Path) -> tuple[bytes, str]:
    """The log's ends and the sha256 of the whole; a short log stays whole. Raises OSError."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = stream.seek(0, 2)
        if size < _KEPT_BYTES:
            stream.seek(0)
            return stream.read(), digest
        stream.seek(0)
        start = stream.read(_KEPT_BYTES)
        stream.seek(size - _KEPT_BYTES)
        return start + _CUT + stream.read(), digest


def accuracy_text(record: RunRecord, digest: str) -> str | None:
    """None if the record has no accuracy, or does not know how many samples it had."""
    percent = record.figures.top1_percent
    total = (
        record.loadgen.accuracy_sample_count or record.loadgen.dataset_sample_count
        if record.loadgen
        else None
    )
    if percent is None or not total:
        return None
    good = round(percent * total / 100)
    return f"accuracy={100 * good / total:.3f}%, good={good}, total={total}\n{hash_line(digest)}"


def hash_line(digest: str) -> str:
    return f"\nhash={digest}\n"
