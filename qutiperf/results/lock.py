"""One process at a time in a folder: a locked file that names its holder."""

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from qutiperf.errors import SetupError
from qutiperf.printable import bounded, one_line

LOCK = ".qutiperf-lock"
_HELD = {errno.EAGAIN, errno.EACCES}
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_MOST_BYTES = 4096
_START_TOLERANCE_S = 2.0  # the boot time that start times are counted from may be adjusted by NTP


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that a lock file names; `started` is its start in seconds since 1970."""

    pid: int
    started: float
    host: str

    @classmethod
    def this_process(cls) -> "Holder":
        process = psutil.Process()
        return cls(process.pid, process.create_time(), socket.gethostname())

    @property
    def is_elsewhere(self) -> bool:
        return self.host != socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether this process is running; a later process with the same id does not count."""
        try:
            started = psutil.Process(self.pid).create_time()
        except psutil.Error:
            return False
        return abs(started - self.started) <= _START_TOLERANCE_S

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.started, UTC).isoformat(sep=" ", timespec="seconds")
        where = f" on {one_line(bounded(self.host, 80))}" if self.is_elsewhere else ""
        return f"process {self.pid}{where}, which started at {since}"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; raises SetupError at once if another process does.

    On a file system without locks (some NFS mounts) the lock file alone decides: the process that it names
    keeps the folder while it runs.
    """
    path = folder / LOCK
    try:
        descriptor = _acquired(path)
    except OSError as error:
        what = f"cannot be locked: {error.strerror}"
        raise SetupError(what, where=str(folder), cure="name another folder with --out") from None
    try:
        yield
    finally:
        # still locked: no other process can hold the file that is deleted
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _acquired(path: Path) -> int:
    """A descriptor of the locked file, which names this process."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            supported = _flock(descriptor, path)
            holder = None if supported else _holder(descriptor)
            if holder is not None and (holder.is_elsewhere or holder.is_alive):
                raise _in_use(path, holder)
            if _is_at(descriptor, path):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(
            descriptor
        )  # the former holder removed the file after it was opened and before it was locked


def _flock(descriptor: int, path: Path) -> bool:
    """Whether the file is locked now; False if its file system has no locks. Raises SetupError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise _in_use(path, _holder(descriptor)) from None
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def _in_use(path: Path, holder: Holder | None) -> SetupError:
    cure = "wait for it to end, or name another folder with --out"
    if holder is not None and holder.is_elsewhere:
        cure = f"{cure}; if it no longer runs, delete {path}"
    return SetupError(f"is in use by {holder or 'another process'}", where=str(path.parent), cure=cure)


def _holder(descriptor: int) -> Holder | None:
    """The process that the file names; None if it is empty or damaged."""
    try:
        content = json.loads(os.pread(descriptor, _MOST_BYTES, 0))
        holder = Holder(int(content["pid"]), float(content["started"]), str(content["host"]))
        str(holder)  # the time can be written
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    return holder if 0 < holder.pid < 1 << 31 else None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    me = Holder.this_process()
    text = json.dumps({"pid": me.pid, "started": me.started, "host": me.host})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
