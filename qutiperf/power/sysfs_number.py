"""Numbers and names in the files of Linux's sysfs."""

import os
from pathlib import Path
from time import sleep

_MOST_BYTES = 256
_ATTEMPTS = 3
_PAUSE_S = 0.001


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
    """A file with a whole number that changes; raises OSError if it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        os.close(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC))

    def read(self) -> int:
        """Raises OSError if the device is gone or the file has no number.

        It is opened anew, as a driver that is loaded again has new files. An empty one is read again,
        because outside sysfs a program may be writing it.
        """
        for _ in range(_ATTEMPTS):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                text = os.read(descriptor, _MOST_BYTES)
            finally:
                os.close(descriptor)
            if text:
                break
            sleep(_PAUSE_S)
        try:
            return int(text)
        except ValueError:
            raise OSError(f"{self._path} has no number") from None
