"""The lines at the end of a worker's log that may name a cause, without informational ones."""

import re

_DATE = r"[\[(]?\d{4}-\d\d-\d\d[T ][\d:.,]+\S*"
_INFORMATIONAL = re.compile(
    r"^[\[(]?(INFO|DEBUG|VERBOSE|TRACE|NOTE)\b"  # INFO: text, [info] text
    r"|^[IV]\d{4} [\d:.]+"  # glog: I0101 00:00:00.000000
    rf"|^({_DATE} )?(\[[IV]:|[IV] )",  # ONNX Runtime: [I:onnxruntime:, TensorFlow: I tensorflow/
    re.IGNORECASE,
)
# logging of Python: 2026-01-01 12:00:00,000 - name - INFO - text
_DATED_LEVEL = re.compile(rf"^{_DATE}.*?\b(TRACE|DEBUG|VERBOSE|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b")
_INFORMATIONAL_LEVELS = {"TRACE", "DEBUG", "VERBOSE", "INFO"}
_TROUBLE = re.compile(
    r"error|exception|fatal|fail|abort|denied|cannot|can't|unable|out of memory", re.IGNORECASE
)
_MOST_LINES = 2


def telling_lines(log_tail: str, *, trouble_only: bool = False) -> list[str]:
    """The last two lines that are not informational or, with `trouble_only`, that name a failure."""
    lines = [line.strip() for line in log_tail.splitlines()]
    kept = [line for line in lines if line and not _is_informational(line)]
    if trouble_only:
        kept = [line for line in kept if _TROUBLE.search(line)]
    return kept[-_MOST_LINES:]


def _is_informational(line: str) -> bool:
    dated = _DATED_LEVEL.match(line)
    return bool(_INFORMATIONAL.match(line)) or (dated is not None and dated[1] in _INFORMATIONAL_LEVELS)
