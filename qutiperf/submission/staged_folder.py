"""Writes a folder completely or not at all: beside its place first, then renamed into it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from qutiperf.errors import SetupError

Content = Path | str | bytes
_PREFIX = ".qutiperf-tree-"


def write_folder(files: Mapping[str, Content], out: Path, accept: Callable[[Path], bool]) -> bool:
    """True if `accept` liked the finished folder and it stands at `out`; raises SetupError.

    `out` must not exist, or be an empty folder. Nothing of it is left if anything goes wrong.
    """
    try:
        with staging(out.parent) as staged:
            _fill(staged, files)
            if not accept(staged):
                return False
            staged.chmod(0o755)
            if out.is_dir():
                out.rmdir()
            staged.rename(out)
    except OSError as error:
        raise _not_written(out, error) from None
    return True


@contextlib.contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, removed at the end; what killed processes left goes first. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    _remove_left(parent)
    staged = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _remove_left(parent: Path) -> None:
    """What killed processes left there."""
    for folder in parent.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _fill(folder: Path, files: Mapping[str, Content]) -> None:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, target)
        else:
            target.write_bytes(content.encode() if isinstance(content, str) else content)


def _not_written(out: Path, error: OSError) -> SetupError:
    reason = error.strerror or os.strerror(error.errno or 0)
    return SetupError(f"cannot be written: {reason}", where=str(out), cure="name another folder with --out")
