"""JSON files of a tree: read within bounds, so that a hostile one is a finding and never a crash."""

import json
from collections.abc import Mapping

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree, read_bounded

_MOST_BYTES = 5_000_000
_MOST_DEPTH = 50


def read_object(
    tree: FileTree, path: str, make: FindingMaker
) -> tuple[Mapping[str, object] | None, list[AuditFinding]]:
    """The object in the file, or None and why not."""
    try:
        raw = read_bounded(tree.path(path), _MOST_BYTES + 1)
    except OSError as error:
        return None, [make.error("file-unreadable", f"cannot be read: {error.strerror}")]
    if len(raw) > _MOST_BYTES:
        return None, [make.error("json", f"holds more than {_MOST_BYTES:,} bytes", "it must be a short JSON object")]
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None, [make.error("json", "is not UTF-8 text", "write it as JSON in UTF-8")]
    except RecursionError:
        return None, [make.error("json", "is nested too deep", "it must be a flat JSON object")]
    except ValueError as error:
        line = getattr(error, "lineno", None)
        return None, [make.error("json", f"is not JSON: {getattr(error, 'msg', error)}", line=line)]
    if not isinstance(value, dict):
        return None, [make.error("json", "is not a JSON object", "it must map keys to values")]
    return value, []


def shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return f"'{text}'" if len(text) <= 80 else f"'{text[:80]}...'"
