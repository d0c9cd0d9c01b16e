"""The files that git would leave out of a tree, by every .gitignore in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qutiperf.audit.tree import FileTree, read_bounded

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_NAME = ".gitignore"
_MOST_BYTES, _MOST_LINES = 100_000, 500
# each star multiplies the time for a name that nearly matches
_MOST_STARS = 3
_STARS = re.compile(r"\*+")


@dataclass(frozen=True, slots=True)
class _Spec:
    """One .gitignore with its folder, which ends in `/` unless it is the root."""

    folder: str
    spec: "GitIgnoreSpec"

    def decides(self, path: str) -> bool | None:
        """Whether the path is left out; None if no line is about it."""
        return self.spec.check_file(path[len(self.folder) :]).include


@dataclass(slots=True)
class IgnoredFiles:
    """`unread` are .gitignore files with lines that were not used: too many, too long, or not a pattern."""

    paths: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def ignored_files(tree: FileTree) -> IgnoredFiles:
    """In git's order: the deepest file that has a matching line decides, in it the last such line.

    A file below a folder that is left out cannot be taken back in.
    """
    ignored = IgnoredFiles()
    specs = list(_specs(tree, ignored))
    if not specs:
        return ignored
    folders: dict[str, bool] = {"": False}
    for path in tree.files:
        folder = path.rpartition("/")[0]
        if _folder_is_ignored(folder, specs, folders) or _is_ignored(path, specs):
            ignored.paths.append(path)
    return ignored


def _folder_is_ignored(folder: str, specs: list[_Spec], known: dict[str, bool]) -> bool:
    if folder not in known:
        parent = folder.rpartition("/")[0]
        known[folder] = _folder_is_ignored(parent, specs, known) or _is_ignored(f"{folder}/", specs)
    return known[folder]


def _is_ignored(path: str, specs: list[_Spec]) -> bool:
    """`specs` are ordered with the deepest first."""
    for each in specs:
        if path.startswith(each.folder) and path != each.folder:
            decision = each.decides(path)
            if decision is not None:
                return decision
    return False


def _specs(tree: FileTree, ignored: IgnoredFiles) -> Iterator[_Spec]:
    paths = [path for path in tree.files if path.rpartition("/")[2] == _NAME]
    for path in sorted(paths, key=lambda each: -each.count("/")):
        lines, complete = _lines(tree, path)
        spec = _compiled(lines)
        if spec is None or not complete:
            ignored.unread.append(path)
        if spec is not None:
            yield _Spec(path[: -len(_NAME)], spec)


def _lines(tree: FileTree, path: str) -> tuple[list[str], bool]:
    """The lines that are used, and whether those are all."""
    try:
        raw = read_bounded(tree.path(path), _MOST_BYTES + 1)
    except OSError:
        return [], False
    lines = raw[:_MOST_BYTES].decode("utf-8", errors="surrogateescape").splitlines()
    used = [line for line in lines[:_MOST_LINES] if len(_STARS.findall(line)) <= _MOST_STARS]
    return used, len(raw) <= _MOST_BYTES and len(used) == len(lines)


def _compiled(lines: list[str]) -> "GitIgnoreSpec | None":
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return None
