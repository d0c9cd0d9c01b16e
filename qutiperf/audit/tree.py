"""The files of a tree, listed without following a link, and read within bounds."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qutiperf.errors import InputError

_MOST_ENTRIES = 2_000_000
_MOST_DEPTH = 60


@dataclass(frozen=True, slots=True)
class FileTree:
    """Paths relative to `root`, with `/`; a name that is not UTF-8 is written with escapes.

    `links` are never followed, `closed` could not be listed, `special` are devices, pipes and sockets.
    `unavailable` are paths that exist somewhere but not in this copy of the tree.
    """

    root: Path
    files: dict[str, int] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    unavailable: frozenset[str] = frozenset()

    def path(self, relative: str) -> Path:
        return self.root / relative if relative else self.root

    def has_folder(self, relative: str) -> bool:
        return relative in self.folders

    def subfolders(self, relative: str) -> list[str]:
        """Names of the folders directly inside, sorted."""
        return [
            name
            for name in self.folders.get(relative, [])
            if self.folders.get(_below(relative, name)) is not None
        ]

    def files_in(self, relative: str) -> list[str]:
        """Names of the files directly inside, sorted."""
        return [name for name in self.folders.get(relative, []) if _below(relative, name) in self.files]

    def lacks(self, relative: str) -> bool:
        """Whether the file is neither here nor known to be elsewhere."""
        return relative not in self.files and relative not in self.unavailable

    def files_below(self, relative: str) -> Iterator[str]:
        prefix = f"{relative}/" if relative else ""
        return (path for path in self.files if path.startswith(prefix))


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def list_tree(root: Path, unavailable: frozenset[str] = frozenset()) -> FileTree:
    """Raises InputError if `root` is not a folder that can be listed."""
    if root.is_symlink() or not root.is_dir():
        cure = "name the folder that holds closed/, open/ or network/"
        raise InputError("is not a folder", where=str(root), cure=cure)
    tree = FileTree(root, unavailable=unavailable)
    _list(tree, os.fsencode(root), "", 0)
    if tree.closed == [""]:
        raise InputError("cannot be listed: Permission denied", where=str(root))
    return tree


def _list(tree: FileTree, folder: bytes, relative: str, depth: int) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        tree.closed.append(relative)
        return
    names = tree.folders[relative] = []
    for entry in entries:
        name = entry.name.decode("utf-8", errors="surrogateescape")
        path = _below(relative, name)
        names.append(name)
        if len(tree.files) + len(tree.folders) > _MOST_ENTRIES:
            raise InputError(f"holds more than {_MOST_ENTRIES:,} files and folders", where=str(tree.root))
        if entry.is_symlink():
            tree.links.append(path)
        elif entry.is_dir(follow_symlinks=False):
            if depth >= _MOST_DEPTH:
                tree.closed.append(path)
            else:
                _list(tree, entry.path, path, depth + 1)
        else:
            _list_file(tree, entry, path)


def _list_file(tree: FileTree, entry: "os.DirEntry[bytes]", path: str) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        tree.special.append(path)
        return
    if stat.S_ISREG(status.st_mode):
        tree.files[path] = status.st_size
    else:
        tree.special.append(path)


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """The first `most_bytes`; raises OSError."""
    with path.open("rb") as stream:
        return stream.read(most_bytes)
