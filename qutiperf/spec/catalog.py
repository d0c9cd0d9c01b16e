"""Finds, lists and reads the files of the four folders; an existing path precedes a shipped name."""

import fnmatch
import glob
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from qutiperf.errors import InputError, SetupError
from qutiperf.regular_file import MISSING, unreadable
from qutiperf.spec.config import Yaml, nearest, read_yaml, sha256_of_file, shortened

Kind = Literal["scenario", "workload", "sweep", "sut", "round", "audit", "microbench"]
SCHEMA_VERSION = 1
CONTENT_FOLDERS = ("scenarios", "sut", "audit", "reports")
_SUFFIXES = {".yaml", ".yml"}
_FOLDER_OF: Mapping[Kind, str] = {
    "scenario": "scenarios",
    "workload": "scenarios/workloads",
    "sweep": "scenarios/sweeps",
    "sut": "sut",
    "round": "audit/rounds",
    "audit": "audit",
    "microbench": "scenarios/microbench",
}


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """One file as read: `data` without kind, schema_version and extends, merged with the file it extends."""

    kind: Kind
    path: Path
    data: Yaml
    sha256: str


@cache
def root() -> Path:
    """The folder that contains the four folders: in the installed package, else the checkout."""
    package = Path(str(resources.files("qutiperf")))
    installed = package / "_catalog"
    return installed if installed.is_dir() else package.parent


def names(kind: Kind) -> list[str]:
    """Names of the shipped files of a kind in natural order; names of example SUTs include their folder."""
    folder = root() / _FOLDER_OF[kind]
    paths = _yaml_files(folder, "**/*.yaml" if kind == "sut" else "*.yaml")
    return sorted((path.relative_to(folder).as_posix().removesuffix(".yaml") for path in paths), key=_natural)


def _natural(name: str) -> list[tuple[float, str]]:
    """A sort key that puts 12.5 before 100."""
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    return [(float(part), "") if part[:1].isdigit() else (-1.0, part) for part in parts]


def _yaml_files(folder: Path, pattern: str) -> list[Path]:
    return [path for path in folder.glob(pattern) if path.is_file()]


def matching(kind: Kind, pattern: str, beside: Path | None = None) -> list[str]:
    """Sorted paths that match a glob (also relative to `beside`), else the shipped names that match.

    A pattern without `*?[`, or the path of an existing file, is returned as it is. Raises InputError if
    nothing matches.
    """
    if not any(sign in pattern for sign in "*?[") or unreadable(pattern) is None:
        return [pattern]
    matches = _paths_matching(pattern, beside) or fnmatch.filter(names(kind), pattern)
    if not matches:
        what = f"no {kind} and no file matches '{shortened(pattern)}'"
        raise InputError(what, cure=nearest(pattern, names(kind)))
    return matches


def _paths_matching(pattern: str, beside: Path | None) -> list[str]:
    """.yaml and .yml files in the working directory, else in the folder of the sweep."""
    if Path(pattern).suffix not in _SUFFIXES or "\0" in pattern:
        return []
    for folder in (None, *([beside] if beside else [])):
        names_there = glob.glob(pattern, root_dir=folder)  # noqa: PTH207 (Path.glob refuses absolute ones)
        paths = [str(folder / name) if folder else name for name in names_there]
        files = sorted(path for path in paths if unreadable(path) is None)
        if files:
            return files
    return []


def find(kind: Kind, name: str, beside: Path | None = None) -> Path:
    """The file of a name: a path, which may be relative to `beside`, or a shipped name."""
    problems = []
    for path in (Path(name), *([beside / name] if beside else [])):
        if path.suffix in _SUFFIXES:
            if (problem := unreadable(path)) is None:
                return path.resolve()
            problems.append(problem)
    stem = name.lower() if kind == "scenario" else name
    if stem in names(kind):
        return root() / _FOLDER_OF[kind] / f"{stem}.yaml"
    for problem in problems:
        if problem != MISSING:
            raise InputError(problem, where=shortened(name))
    what = f"no {kind} named '{shortened(name)}', and no file with that path"
    raise InputError(what, cure=nearest(name, names(kind)))


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
    if type(version) is not int or version != SCHEMA_VERSION:  # True == 1 == 1.0
        cure = f"this qutiperf reads schema_version: {SCHEMA_VERSION}"
        raise InputError(
            f"schema_version: {shortened(str(version))} is not known", where=str(path), cure=cure
        )
    return data


def merge(base: Yaml, over: Yaml) -> Yaml:
    """`base` with the keys of `over`; mappings are merged, other values are replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def export(target: Path) -> list[Path]:
    """Copies the four folders into `target` for editing; raises InputError if one exists, else SetupError."""
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
