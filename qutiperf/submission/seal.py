"""A seal: a manifest with the sha256 of every file, the tool and the machine, so that later edits show."""

import hashlib
import json
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from qutiperf.audit.finding import AuditFinding, FindingMaker
from qutiperf.audit.tree import FileTree, list_tree
from qutiperf.errors import InputError, SetupError

MANIFEST = "qutiperf-seal.json"
_MOST_BYTES = 500_000_000
_CURE = "restore the sealed file, or seal the tree again and say why"


def seal_tree(root: Path, round_name: str) -> Path:
    """Writes the manifest into the tree and returns its path; raises InputError if there is one."""
    tree = list_tree(root)
    target = root / MANIFEST
    if MANIFEST in tree.files or MANIFEST in tree.links:
        raise InputError(
            "is sealed already", where=str(target), cure="remove the seal first if the tree has changed"
        )
    manifest = {
        "kind": "seal",
        "schema_version": 1,
        "round": round_name,
        "sealed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tool": {"name": "qutiperf", "version": metadata.version("qutiperf")},
        "environment": {"python": platform.python_version(), "system": platform.platform()},
        "links": sorted(tree.links),
        "files": {path: _sha256(tree, path) for path in sorted(tree.files)},
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=True) + "\n"
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=str(target)) from None
    return target


def _sha256(tree: FileTree, path: str) -> str:
    try:
        with tree.path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=path, cure="a seal covers every file"
        ) from None


def verify_seal(tree: FileTree) -> Iterator[AuditFinding]:
    """Files that changed, went or came since the tree was sealed."""
    sealed = _read(tree)
    if sealed is None:
        yield FindingMaker(MANIFEST, {}).error("seal", "is not a seal that this version reads")
        return
    for path in sorted(sealed.keys() | tree.files.keys() - {MANIFEST}):
        make = FindingMaker(path, {})
        if path not in tree.files:
            if path not in tree.unavailable:
                yield make.error("seal", "was sealed and is gone", _CURE)
        elif path not in sealed:
            yield make.error("seal", "came after the tree was sealed", _CURE)
        else:
            yield from _changed(tree, path, sealed[path], make)


def _changed(tree: FileTree, path: str, expected: str, make: FindingMaker) -> Iterator[AuditFinding]:
    try:
        digest = _sha256(tree, path)
    except InputError as error:
        yield make.error("file-unreadable", error.what)
        return
    if digest != expected:
        yield make.error("seal", "has changed since the tree was sealed", _CURE)


def _read(tree: FileTree) -> dict[str, str] | None:
    if tree.files[MANIFEST] > _MOST_BYTES:
        return None
    try:
        data = json.loads(tree.path(MANIFEST).read_text(encoding="utf-8"))
        if data["kind"] != "seal" or data["schema_version"] != 1:
            return None
        return {str(path): str(digest) for path, digest in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
