"""Which lines at the end of a worker's log may name a cause: never informational ones."""

import re

# `INFO: text`, `[info] text`, `2026-01-01 12:00:00,000 - name - DEBUG - text`, glog's `I0101 12:00:00.0`,
# TensorFlow's `2026-01-01 12:00:00.0: I tensorflow/...`, ONNX Runtime's `[I:onnxruntime:...`
_DATE = r"[\[(]?\d{4}-\d\d-\d\d[T ][\d:.,]+"
_INFORMATIONAL = re.compile(
    r"^[\[(]?(INFO|DEBUG|VERBOSE|TRACE|NOTE)\b"
    rf"|^{_DATE}\S*(\s.*?)?[\s\[(|:-](INFO|DEBUG|VERBOSE|TRACE)[\s\])|:-]"
    r"|^[IV]\d{4} [\d:.]+"
    rf"|^{_DATE}:? [IV] "
    rf"|^({_DATE}\S* )?\[[IV]:",
    re.IGNORECASE,
)
_TROUBLE = re.compile(r"error|exception|fatal|fail|abort|denied|cannot|can't|unable|out of memory", re.IGNORECASE)
_MOST_LINES = 2


def telling_lines(log_tail: str, *, trouble_only: bool = False) -> list[str]:
    """The last two lines that are not informational; with `trouble_only`, that name a failure."""
    lines = [line.strip() for line in log_tail.splitlines()]
    kept = [line for line in lines if line and not _INFORMATIONAL.search(line)]
    if trouble_only:
        kept = [line for line in kept if _TROUBLE.search(line)]
    return kept[-_MOST_LINES:]
