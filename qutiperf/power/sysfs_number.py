"""Numbers and names in the files of Linux's sysfs."""

import os
from pathlib import Path

_MOST_BYTES = 256


def read_text(path: Path) -> str | None:
    """The stripped contents of a small file; None if it is missing or unreadable."""
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode(errors="replace").strip()
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """The whole number in a file; None if there is none."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


class NumberFile:
    """A file that is kept open and read again and again: cheaper than opening it each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> int:
        """Raises OSError if the device is gone or the file has no number."""
        text = os.pread(self._descriptor, _MOST_BYTES, 0)
        try:
            return int(text)
        except ValueError:
            raise OSError(f"{self._path} has no number") from None

    def close(self) -> None:
        os.close(self._descriptor)
