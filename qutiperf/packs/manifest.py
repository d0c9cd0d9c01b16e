"""The manifest of a pack: what it holds, with sizes and hashes, and which names are allowed."""

import json
import re
from collections import Counter
from typing import Literal

from pydantic import Field

from qutiperf.errors import InputError
from qutiperf.printable import bounded, one_line
from qutiperf.report.origin import PACK_MANIFEST
from qutiperf.spec.config import SchemaVersion, StrictModel, parse_model

MANIFEST = PACK_MANIFEST
KIND: Literal["qutiperf_pack"] = "qutiperf_pack"
DATA = "data"  # tables for readers without qutiperf; never imported
MOST_FILES = 200_000
MOST_BYTES = 8 << 30
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,+=@-]{0,149}")
_MOST_DEPTH = 8
# names that other systems cannot store
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)


class PackedFile(StrictModel):
    """Size and sha256 of a file as it was packed."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class PackManifest(StrictModel):
    """`title` is the results folder's name; `licence` and `creator` are None where they are not stated.

    `measured` are the first and last start of a run, `hosts` the machines. `files` has every file of the
    pack but the manifest, by its path.
    """

    kind: Literal["qutiperf_pack"] = KIND
    schema_version: SchemaVersion = 1
    qutiperf: str
    title: str
    licence: str | None = None
    creator: str | None = None
    runs: int
    measured: tuple[str, str]
    hosts: list[str]
    files: dict[str, PackedFile]


def parse_manifest(content: bytes, where: str) -> PackManifest:
    """Raises InputError for anything else than a manifest of a known schema version."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(f"its {MANIFEST} is not JSON", where=where, cure=_AGAIN) from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise InputError(f"its {MANIFEST} is not that of a pack", where=where, cure=_AGAIN)
    version = data.get("schema_version")
    if type(version) is not int or version != 1:  # True == 1
        shown = one_line(bounded(json.dumps(version), 40))
        cure = "this qutiperf reads 1: use the version that wrote it"
        raise InputError(f"has schema_version {shown}", where=where, cure=cure)
    manifest = parse_model(PackManifest, data, f"{where}: {MANIFEST}")
    check_names(list(manifest.files), where)
    check_size(len(manifest.files), sum(each.size for each in manifest.files.values()), where)
    return manifest


_AGAIN = "write it with `qutiperf contribute`"


def check_names(names: list[str], where: str) -> None:
    """Raises InputError for a path that leaves the folder, is not portable, or repeats."""
    for name in names:
        parts = name.split("/")
        odd = [part for part in parts if not _PART.fullmatch(part) or part.endswith(".")]
        odd += [part for part in parts if part.partition(".")[0].lower() in _DEVICES]
        if odd or len(parts) > _MOST_DEPTH:
            shown = one_line(bounded(name, 100))
            cure = "a path has letters, digits and _ . , + = @ -, and at most 8 parts"
            raise InputError(f"has a file with an unsafe name: {shown}", where=where, cure=cure)
    folded = [name.lower() for name in names]
    [(most, count)] = Counter(folded).most_common(1) or [("", 0)]
    if count > 1:
        raise InputError(f"has a file twice: {bounded(most, 100)}", where=where)
    folders = {
        "/".join(name.split("/")[:depth]) for name in folded for depth in range(1, name.count("/") + 1)
    }
    if clash := sorted(folders & set(folded)):
        raise InputError(f"has a file and a folder of one name: {bounded(clash[0], 100)}", where=where)


def check_size(files: int, size: int, where: str) -> None:
    """Raises InputError above the limits, which hold for writing and for reading."""
    if files > MOST_FILES:
        raise InputError(f"has {files:,} files; a pack has at most {MOST_FILES:,}", where=where)
    if size > MOST_BYTES:
        raise InputError(f"has {size:,} bytes; a pack has at most {MOST_BYTES:,}", where=where)
