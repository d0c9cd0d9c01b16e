"""Reads from a connection with limits on time and bytes.

A socket's own timeout restarts with every byte that arrives; this one does not.
Standard library only, in Python 3.9 syntax: this module also runs on devices.
"""

from __future__ import annotations

import io
import socket
import time

SLOWEST_BYTES_PER_S = 100_000.0  # slower senders run into the deadline
_SLACK = 1.25  # factor by which a timeout may be longer than requested, since changing it needs a system call


def limit_time(connection: socket.socket, seconds: float) -> None:
    """Sets the socket's timeout to `seconds` or slightly more, unless it already is."""
    current = connection.gettimeout()
    if current is None or not seconds <= current <= _SLACK * seconds:
        connection.settimeout(1.1 * seconds)


class TooLongError(Exception):
    """More bytes arrived than are allowed."""


class DeadlineReader(io.RawIOBase):
    """The reading side of a socket; `allow` starts a deadline that each received byte extends.

    Reading past it raises TimeoutError (socket.timeout before Python 3.10), past the bytes TooLongError.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._raw = connection.makefile("rb", buffering=0)
        self._deadline, self._bytes = 0.0, 0

    def allow(self, seconds: float, most_bytes: int) -> None:
        """Starts the deadline now, before any byte has arrived."""
        self._deadline, self._bytes = time.monotonic() + seconds, most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # it is called only with this type
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")  # noqa: UP041 - they differ before Python 3.10
        if self._bytes <= 0:
            raise TooLongError
        limit_time(self._connection, left)
        count = self._raw.readinto(buffer) or 0  # never None, because the socket has a timeout
        self._bytes -= count
        self._deadline += count / SLOWEST_BYTES_PER_S
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()
