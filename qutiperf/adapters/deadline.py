"""A connection's bytes, for as long and as many as they are allowed.

A socket's own timeout starts again with every byte that trickles in. This one does not.
Standard library only, in Python 3.9 syntax: this module also runs on devices.
"""

from __future__ import annotations

import io
import socket
import time

SLOWEST_BYTES_PER_S = 100_000.0  # what is sent at this pace or faster is waited for
_SLACK = 1.25  # a timeout may be so much longer than asked for: changing it costs a call of the system


def limit_time(connection: socket.socket, seconds: float) -> None:
    """Sets the socket's timeout to `seconds` or a little more, if it is not so already."""
    current = connection.gettimeout()
    if current is None or not seconds <= current <= _SLACK * seconds:
        connection.settimeout(1.1 * seconds)


class TooLongError(Exception):
    """More bytes came than are allowed."""


class DeadlineReader(io.RawIOBase):
    """The reading side of a socket; `allow` starts a deadline that moves on with each byte received.

    Reading past it raises TimeoutError (socket.timeout before Python 3.10), past the bytes TooLongError.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._raw = connection.makefile("rb", buffering=0)
        self._deadline, self._bytes = 0.0, 0

    def allow(self, seconds: float, most_bytes: int) -> None:
        """From now on, before any byte has come."""
        self._deadline, self._bytes = time.monotonic() + seconds, most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # it is called with nothing else
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")  # noqa: UP041 - they differ before Python 3.10
        if self._bytes <= 0:
            raise TooLongError
        limit_time(self._connection, left)
        count = self._raw.readinto(buffer) or 0  # never None: the socket has a timeout
        self._bytes -= count
        self._deadline += count / SLOWEST_BYTES_PER_S
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()
