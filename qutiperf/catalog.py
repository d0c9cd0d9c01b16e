"""Finds, lists and reads the files of the four folders: an existing path wins, else a shipped name."""

import fnmatch
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from qutiperf.config import Yaml, nearest, read_yaml, sha256_of_file
from qutiperf.errors import InputError, SetupError

Kind = Literal["scenario", "workload", "sweep", "sut", "round"]
SCHEMA_VERSION = 1
CONTENT_FOLDERS = ("scenarios", "sut", "audit", "reports")
_FOLDER_OF: Mapping[Kind, str] = {
    "scenario": "scenarios",
    "workload": "scenarios/workloads",
    "sweep": "scenarios/sweeps",
    "sut": "sut",
    "round": "audit/rounds",
}


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """One file as read: `data` without kind, schema_version and extends, after merging what it extends."""

    kind: Kind
    path: Path
    data: Yaml
    sha256: str


@cache
def root() -> Path:
    """The folder that holds the four folders: inside the installed package, else the checkout."""
    package = Path(str(resources.files("qutiperf")))
    installed = package / "_catalog"
    return installed if installed.is_dir() else package.parent


def names(kind: Kind) -> list[str]:
    """Names of the shipped files of a kind, numbers in them by size; examples of SUTs carry their folder."""
    folder = root() / _FOLDER_OF[kind]
    paths = _yaml_files(folder, "**/*.yaml" if kind == "sut" else "*.yaml")
    return sorted((path.relative_to(folder).as_posix().removesuffix(".yaml") for path in paths), key=_natural)


def _natural(name: str) -> list[tuple[float, str]]:
    """Sorts 12.5 before 100."""
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    return [(float(part), "") if part[:1].isdigit() else (-1.0, part) for part in parts]


def _yaml_files(folder: Path, pattern: str) -> list[Path]:
    return [path for path in folder.glob(pattern) if path.is_file()]


def matching(kind: Kind, pattern: str) -> list[str]:
    """Shipped names that match a glob, or the one path or name given; raises InputError if none does."""
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    found = fnmatch.filter(names(kind), pattern)
    if not found:
        raise InputError(f"no {kind} matches '{pattern}'", cure=nearest(pattern, names(kind)))
    return found


def find(kind: Kind, name: str, beside: Path | None = None) -> Path:
    """Path of the file meant by `name` (a path, relative to `beside` too, or a shipped name)."""
    for path in (Path(name), *([beside / name] if beside else [])):
        if path.suffix in {".yaml", ".yml"} and path.is_file():
            return path.resolve()
    stem = name.lower() if kind == "scenario" else name
    path = root() / _FOLDER_OF[kind] / f"{stem}.yaml"
    if stem in names(kind):
        return path
    raise InputError(f"no {kind} named '{name}', and no file of that path", cure=nearest(name, names(kind)))


def read(kind: Kind, name: str, beside: Path | None = None) -> CatalogFile:
    """Reads, checks `kind` and `schema_version`, merges the one file it may extend; raises InputError."""
    path = find(kind, name, beside)
    data = _checked(kind, path)
    extended = data.pop("extends", None)
    if extended is not None:
        base = _checked(kind, find(kind, str(extended), path.parent))
        if "extends" in base:
            raise InputError(
                f"extends: '{extended}' extends another file", where=str(path), cure="extend its base"
            )
        data = merge(base, data)
    return CatalogFile(kind, path, data, sha256_of_file(path))


def _checked(kind: Kind, path: Path) -> Yaml:
    data = read_yaml(path)
    if data.pop("kind", None) != kind:
        raise InputError(
            f"kind: is not '{kind}'", where=str(path), cure=f"a {kind} file starts with kind: {kind}"
        )
    version = data.pop("schema_version", None)
    if type(version) is not int or version != SCHEMA_VERSION:  # True == 1
        cure = f"this qutiperf reads schema_version: {SCHEMA_VERSION}"
        raise InputError(f"schema_version: {json.dumps(version)} is not known", where=str(path), cure=cure)
    return data


def merge(base: Yaml, over: Yaml) -> Yaml:
    """`base` with the keys of `over`; mappings are merged, anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def export(target: Path) -> list[Path]:
    """Copies the four folders into `target` for editing; raises InputError if one is there, SetupError."""
    for folder in CONTENT_FOLDERS:
        if (target / folder).exists():
            raise InputError("exists already", where=str(target / folder), cure="name another folder")
    try:
        for folder in CONTENT_FOLDERS:
            shutil.copytree(root() / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        reason = error.strerror or "not all files could be copied"
        raise SetupError(f"cannot be written to: {reason}", where=str(target), cure="name another") from None
    return [target / folder for folder in CONTENT_FOLDERS]
