"""One connection of the device server, with limits on reading; every refusal reaches the client.

If a request is refused before its body was read, the server answers it, discards its remaining bytes for a
limited time, then closes the connection. Closing it at once would reset it and lose the answer.
"""

from __future__ import annotations

import hmac
import io
import json
import logging
import socket
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Optional

from qutiperf import __version__
from qutiperf.adapters.deadline import SLOWEST_BYTES_PER_S, DeadlineReader, TooLongError, limit_time
from qutiperf.adapters.protocol import ProtocolError, quoted
from qutiperf.device.configuration import MEGA
from qutiperf.device.connection_threads import ConnectionThreads

if TYPE_CHECKING:
    from collections.abc import Callable

    from qutiperf.adapters.protocol import Buffer

_LOG = logging.getLogger("qutiperf.device")
JSON = {"Content-Type": "application/json"}
_FIRST_REQUEST_S = 30.0  # how long a connection may be silent before its first accepted request
_HEAD_S = 30.0  # from a request's first byte to the end of its head
_BODY_S = 60.0  # for a body or an answer, plus a time proportional to its size
_LINGER_S = 10.0
_MOST_HEAD_BYTES = 1 << 16
_MOST_DRAINED = 1 << 30
_MOST_DIGITS = 18
_MOST_REASON = 300
_STATUS = {
    501: 405,
    505: 400,
}  # http.server reports these as errors of the server, but they are the request's


class RefusedError(Exception):
    """Refuses a request with an HTTP status and a reason; `closes` if its body was not read."""

    def __init__(self, status: int, reason: str, closes: bool = False) -> None:
        super().__init__(reason)
        self.status, self.closes = status, closes


class Connection(BaseHTTPRequestHandler):
    """Reads requests, authorises them, and sends the answers of `answer_get` and `answer_post`."""

    server: ConnectionThreads
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # of a request line without a version, which also gets a status line
    server_version = f"qutiperf/{__version__}"

    def answer_get(self) -> None:
        raise NotImplementedError

    def answer_post(self) -> None:
        """Reads the body with `read_body`."""
        raise NotImplementedError

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reader = DeadlineReader(self.connection)
        self.rfile = self._buffered = io.BufferedReader(self._reader)
        self.wfile = io.BufferedWriter(self.wfile, 1 << 16)  # few packets per answer
        self._silence_s = min(_FIRST_REQUEST_S, self.server.configuration.idle_timeout_s)
        self._lingers, self._answered = False, False

    def handle_one_request(self) -> None:
        self.command, self.request_version, self._answered = "", self.default_request_version, False
        try:
            self._reader.allow(self._silence_s, io.DEFAULT_BUFFER_SIZE)
            if not self._buffered.peek(1):
                self.close_connection = True
                return
            self._guarded(self._one_request)
            self.wfile.flush()
        except (OSError, TooLongError):  # disconnected, or silent for too long
            self.close_connection = True

    def _one_request(self) -> None:
        self._reader.allow(_HEAD_S, _MOST_HEAD_BYTES)
        try:
            self.raw_requestline = self.rfile.readline(_MOST_HEAD_BYTES)
            if len(self.raw_requestline) == _MOST_HEAD_BYTES:
                raise TooLongError
            if not self.parse_request():
                raise RefusedError(
                    400, "its request line is empty", True
                )  # parse_request has answered the others
        except TooLongError:
            raise RefusedError(431, f"its head is longer than {_MOST_HEAD_BYTES} bytes", True) from None
        self._check_request()
        if self.command == "POST":
            self.answer_post()
            return
        self.read_body(required=False)
        self.answer_get()

    def _guarded(self, answer: Callable[[], None]) -> None:
        """Answers refusals and unexpected errors, which must not look like a lost connection."""
        try:
            answer()
        except RefusedError as refused:
            self._refuse(refused.status, str(refused), refused.closes)
        except ProtocolError as error:
            self._refuse(400, str(error))
        except (socket.timeout, TimeoutError):  # noqa: UP041 - they differ before Python 3.10
            self._refuse(408, "the request did not arrive in time", True)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - mostly MemoryError
            _LOG.exception("a request failed")
            self._refuse(500, f"{type(error).__name__}: {error}", True)

    def _check_request(self) -> None:
        """Checks everything except the path; raises RefusedError."""
        if self.command not in ("GET", "POST"):
            raise RefusedError(405, f"{quoted(self.command)} is neither GET nor POST", True)
        if self.connection_is_refused:
            limit = self.server.configuration.max_connections
            raise RefusedError(
                503, f"{limit} connections are open, which is the limit (max_connections)", True
            )
        token = self.server.token
        given = self.headers.get("Authorization", "").encode()
        if token and not hmac.compare_digest(given, b"Bearer " + token):
            raise RefusedError(401, "the bearer token is missing or wrong", True)
        self._silence_s = self.server.configuration.idle_timeout_s

    @property
    def connection_is_refused(self) -> bool:
        return self.request in self.server.refused

    def read_body(self, required: bool = True) -> bytes:
        """The whole body; raises RefusedError if its length is missing, malformed or above the limit."""
        if self.headers.get("Transfer-Encoding") is not None:
            raise RefusedError(411, "a request needs a Content-Length instead of a Transfer-Encoding", True)
        lengths = set(self.headers.get_all("Content-Length", []))
        if len(lengths) > 1:
            raise RefusedError(400, "it has more than one Content-Length", True)
        if not lengths:
            if required:
                raise RefusedError(411, "a request needs a Content-Length", True)
            return b""
        length = whole_number(lengths.pop(), "Content-Length", closes=True)
        limit = self.server.configuration.max_request_mb * MEGA
        if length > limit:
            problem = f"the request has {length} bytes, the limit is {limit:.0f} (max_request_mb)"
            raise RefusedError(413, problem, True)
        self._reader.allow(_BODY_S, length)
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            raise RefusedError(400, "the request ended early", True)
        return body

    def send(self, status: int, parts: list[Buffer], headers: dict[str, str]) -> None:
        size = sum(len(part) for part in parts)
        limit_time(self.connection, _BODY_S + size / SLOWEST_BYTES_PER_S)
        self._answered = True
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        for part in parts:
            self.wfile.write(part)

    def _refuse(self, status: int, reason: str, closes: bool = False) -> None:
        if self._answered:  # an answer has been started, so only closing remains
            self.close_connection = True
            return
        if closes:
            self.close_connection = self._lingers = True
        body = json.dumps({"error": " ".join(reason.split())[:_MOST_REASON]}).encode()
        allowed = {"Allow": "GET, POST"} if status == 405 else {}
        self.send(status, [b"" if self.command == "HEAD" else body], {**JSON, **allowed})

    def send_error(self, code: int, message: Optional[str] = None, explain: Optional[str] = None) -> None:
        """Refusals by http.server itself: a malformed request line or head."""
        reason = message or explain or "it is not an HTTP request"
        self._refuse(_STATUS.get(code, code), reason, closes=True)

    def handle_expect_100(self) -> bool:
        """Refuses before the client sends the body."""
        self._check_request()
        accepted = super().handle_expect_100()
        self.wfile.flush()
        return accepted

    def finish(self) -> None:
        if self._lingers:
            self._linger()
        super().finish()

    def _linger(self) -> None:
        """Closes the sending side and discards further input, so that the client reads the answer."""
        ends = time.monotonic() + _LINGER_S
        chunk, left = bytearray(1 << 16), _MOST_DRAINED
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and time.monotonic() < ends:
                self.connection.settimeout(max(ends - time.monotonic(), 0.001))
                count = self.connection.recv_into(chunk)
                if not count:
                    return
                left -= count
        except OSError:  # disconnected
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        _LOG.debug(format, *args)


def whole_number(text: str, name: str, *, closes: bool = False) -> int:
    """Raises RefusedError unless `text` is a few decimal digits; int() would also accept other texts."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise RefusedError(400, f"{name}: {quoted(text)} is not a whole number", closes)
    return int(text)
