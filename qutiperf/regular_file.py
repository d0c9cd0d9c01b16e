"""Checks that a path names a regular file that is readable and not too large."""

import errno
import os
import stat
from pathlib import Path

MISSING = "there is no such file"


def unreadable(path: str | Path, most_bytes: int | None = None) -> str | None:
    """The reason not to read the file, or None; does not open it, because opening a FIFO blocks."""
    if not _is_text(str(path)):
        return "its name is not text: it contains a NUL or bytes that are not UTF-8"
    try:
        status = Path(path).stat()
    except OSError as error:
        return MISSING if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        folder = stat.S_ISDIR(status.st_mode)
        return "is a folder, not a file" if folder else "is a device, pipe or socket, not a file"
    if not os.access(path, os.R_OK):
        return "cannot be read: Permission denied"
    too_large = most_bytes is not None and status.st_size > most_bytes
    return f"holds {status.st_size:,} bytes, more than {most_bytes:,}" if too_large else None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name
