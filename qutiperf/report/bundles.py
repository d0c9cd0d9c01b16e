"""The chart libraries that the pages load: files of a package registry, unchanged, pinned by their hash."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import SetupError
from qutiperf.spec import catalog


@dataclass(frozen=True, slots=True)
class Bundle:
    """`sha256` is that of the file, `licence_file` the licence text beside it."""

    name: str
    licence_file: str
    sha256: str


def folder() -> Path:
    return catalog.root() / "reports/templates/bundles"


def bundles() -> list[Bundle]:
    pinned = json.loads((folder() / "bundles.json").read_text(encoding="utf-8"))
    return [Bundle(name, facts["licence_file"], facts["sha256"]) for name, facts in pinned.items()]


def copy_bundles(assets: Path) -> None:
    """Copies libraries and licences; raises SetupError for a file that is not the pinned one."""
    for bundle in bundles():
        content = (folder() / bundle.name).read_bytes()
        if hashlib.sha256(content).hexdigest() != bundle.sha256:
            cure = "install qutiperf again"
            raise SetupError("is not the pinned file", where=str(folder() / bundle.name), cure=cure)
        (assets / bundle.name).write_bytes(content)
        licence = (folder() / bundle.licence_file).read_bytes()
        (assets / bundle.licence_file).write_bytes(licence)
