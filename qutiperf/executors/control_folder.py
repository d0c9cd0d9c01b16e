"""The folder for the sockets of ssh connections, which no killed command leaves behind for long."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qutiperf.errors import SetupError

_PREFIX = "qutiperf-ssh-"
_FRESH_S = 60.0
_LONGEST = 60  # a socket's path has at most 107 characters, and ssh adds to it while it connects


@contextmanager
def control_folder() -> Iterator[Path]:
    """A new folder that only this user can enter, locked while in use; removes those of killed commands."""
    parent = Path(tempfile.gettempdir())
    if len(str(parent)) > _LONGEST:
        parent = Path("/tmp")
    _remove_left_over(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise SetupError(f"cannot be written to: {error.strerror}", where=str(parent)) from None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _remove_left_over(parent: Path) -> None:
    """Folders that are not locked, unless they are so new that their lock may be about to be taken."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < _FRESH_S:
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
