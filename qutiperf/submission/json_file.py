"""JSON files of a tree: read within bounds, so that a hostile one is a finding and never a crash."""

import json
from collections.abc import Mapping

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree, read_bounded

_MOST_BYTES = 5_000_000


def read_object(
    tree: FileTree, path: str, make: FindingMaker
) -> tuple[Mapping[str, object] | None, list[AuditFinding]]:
    """The object in the file, or None and why not."""
    try:
        raw = read_bounded(tree.path(path), _MOST_BYTES + 1)
    except OSError as error:
        return None, [make.error("file-unreadable", f"cannot be read: {error.strerror}")]
    value, problem, line = _parsed(raw)
    if problem is None and isinstance(value, dict):
        return value, []
    cure = "it must be a flat JSON object in UTF-8"
    return None, [make.error("json", problem or "is not a JSON object", cure, line=line)]


def _parsed(raw: bytes) -> tuple[object, str | None, int | None]:
    """The value, or what is wrong and in which line."""
    if len(raw) > _MOST_BYTES:
        return None, f"holds more than {_MOST_BYTES:,} bytes", None
    try:
        return json.loads(raw.decode("utf-8-sig")), None, None
    except UnicodeDecodeError:
        return None, "is not UTF-8 text", None
    except RecursionError:
        return None, "is nested too deep", None
    except ValueError as error:
        return None, f"is not JSON: {getattr(error, 'msg', error)}", getattr(error, "lineno", None)


def shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return f"'{text}'" if len(text) <= 80 else f"'{text[:80]}...'"
