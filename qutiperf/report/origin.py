"""Who measured an imported results folder, under which licence: from the manifest that its pack left."""

import json
from pathlib import Path

from qutiperf.printable import bounded, one_line
from qutiperf.regular_file import unreadable

PACK_MANIFEST = "qutiperf-pack.json"
_MOST_BYTES = 64 << 20
_MOST_TEXT = 120


def origin_of(folder: Path) -> str | None:
    """`mine, by A. Author, CC-BY-4.0, imported`; None for a folder that was measured here, or is damaged."""
    path = folder / PACK_MANIFEST
    if unreadable(path, _MOST_BYTES):
        return None
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict):
        return None
    title, creator, licence = (_text(manifest.get(name)) for name in ("title", "creator", "licence"))
    parts = [title, f"by {creator}" if creator else None, licence or "no licence stated", "imported"]
    return ", ".join(part for part in parts if part)


def _text(value: object) -> str | None:
    return bounded(one_line(value), _MOST_TEXT) if isinstance(value, str) and value else None
