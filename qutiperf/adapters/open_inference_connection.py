"""The connection to a server of the Open Inference Protocol: kept alive, opened again, and never trusted.

An answer has a time and a size that it must keep to, and each way to miss them is one RunError.
"""

from __future__ import annotations

import http.client
import io
import json
import select
import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional
from urllib.parse import urlsplit

from qutiperf.adapters import protocol
from qutiperf.adapters.deadline import DeadlineReader, TooLongError
from qutiperf.errors import RunError, SetupError

if TYPE_CHECKING:
    from qutiperf.adapters.protocol import Buffer

_ONE_SEND = 1 << 16  # smaller requests leave in one piece
_MOST_ANSWERED = 1 << 30  # bytes of an answer
_MOST_REASON = 300
_LOST = (ConnectionError, http.client.IncompleteRead)


class HttpAnswer:
    """An HTTP answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        try:
            if (response.length or 0) > _MOST_ANSWERED:
                raise TooLongError
            self.status, self.body = response.status, response.read()
        except BaseException:
            response.close()  # read in part, it would hold the socket open
            raise
        self.kind = response.headers.get_content_type()
        self.header_length = response.headers.get(protocol.HEADER_LENGTH)

    def reason(self) -> str:
        """The server's own words, on one line."""
        try:
            told = json.loads(self.body)
            text = protocol.shown(told.get("error", told) if isinstance(told, dict) else told, _MOST_REASON)
        except (ValueError, RecursionError):
            text = self.body[:100].decode("ascii", "replace")
        return " ".join(text.split()) or "no reason given"


class _TimedResponse(http.client.HTTPResponse):
    """Arrives as a whole within the connection's timeout, which moves on with each byte."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: Optional[str] = None,
        url: Optional[str] = None,
    ) -> None:
        super().__init__(_TimedSocket(sock), debuglevel, method, url)  # type: ignore[arg-type]  # only reads


class _TimedSocket:
    """What a response takes of a socket: its file."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:
        reader = DeadlineReader(self._connection)
        reader.allow(self._connection.gettimeout() or 0.0, _MOST_ANSWERED)
        return io.BufferedReader(reader)


class ServerConnection:
    """One connection; counts `retries` and `reconnections` of inference, once `sent` says that it began."""

    def __init__(self, url: str, timeout_s: float, ca_file: str, retries: int, model_name: str) -> None:
        self._url, self._timeout_s, self._ca_file = url, timeout_s, ca_file
        self._most_retries, self._where = retries, f"{url} {model_name}"
        self._open: Optional[http.client.HTTPConnection] = None
        self.sent = self.retries = self.reconnections = 0

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def request(self, method: str, path: str, parts: list[Buffer], headers: Mapping[str, str]) -> HttpAnswer:
        """Sends again as often as `retries` allows where the connection is lost, never for another reason."""
        left = self._most_retries
        while True:
            try:
                return self._once(method, path, parts, headers)
            except _LOST as error:
                self.close()
                if left == 0 or self.sent == 0:
                    raise RunError(f"connection lost: {first_line(error)}", where=self._where) from None
                left -= 1
                self.retries += 1
            except (TimeoutError, socket.timeout):  # noqa: UP041 - they differ before Python 3.10
                self.close()  # so that a late answer is never taken for the next one
                problem = f"no answer within {self._timeout_s:g} s (timeout_s)"
                raise RunError(problem, where=self._where) from None
            except (TooLongError, MemoryError, OverflowError):
                self.close()
                problem = f"its answer is longer than {_MOST_ANSWERED} bytes"
                raise RunError(problem, where=self._where) from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                problem = f"its answer is not HTTP: {first_line(error)}"
                raise RunError(problem, where=self._where) from None

    def _once(self, method: str, path: str, parts: list[Buffer], headers: Mapping[str, str]) -> HttpAnswer:
        if self._open is not None and (self._open.sock is None or _is_closed(self._open.sock)):
            self.close()
        if self._open is None:
            self._open = self._connected()
            if self.sent > 1:
                self.reconnections += 1
        connection = self._open
        if connection.sock.gettimeout() != self._timeout_s:  # reading the last answer has shortened it
            connection.sock.settimeout(self._timeout_s)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        try:
            if sum(len(part) for part in parts) < _ONE_SEND:
                connection.endheaders(b"".join(parts))
            else:
                connection.endheaders(parts[0])
                for part in parts[1:]:
                    connection.send(part)
        except ConnectionError as error:
            return self._early_answer(connection, error)
        return HttpAnswer(connection.getresponse())

    def _early_answer(self, connection: http.client.HTTPConnection, error: ConnectionError) -> HttpAnswer:
        """The refusal of a server that stopped reading; raises the error again if it sent none."""
        try:
            answer = HttpAnswer(connection.getresponse())
        except (OSError, http.client.HTTPException):
            raise error from None
        self.close()
        if answer.status < 400:
            raise error
        return answer

    def _connected(self) -> http.client.HTTPConnection:
        """A new connection; raises SetupError with what is wrong."""
        parts = urlsplit(self._url)
        host, port = str(parts.hostname), parts.port
        timeout, where = self._timeout_s, self._url
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=self._ca_file or None)
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    host, port, timeout=timeout, context=context
                )
            else:
                connection = http.client.HTTPConnection(host, port, timeout=timeout)
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            cure = "set options.ca_file to the certificate that signed it"
            problem = f"its certificate is not trusted: {error.verify_message}"
            raise SetupError(problem, where=where, cure=cure) from None
        except ssl.SSLError as error:
            problem = f"no TLS: {error.reason or first_line(error)}"
            raise SetupError(problem, where=where, cure="does it speak plain http://?") from None
        except (OSError, ValueError) as error:
            cure = "is the server started there, and its port open?"
            raise SetupError(f"unreachable: {first_line(error)}", where=where, cure=cure) from None
        connection.response_class = _TimedResponse
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _is_closed(connection: socket.socket) -> bool:
    """Whether the server has ended the connection; raises HTTPException if unasked bytes lie in it."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if not poll.poll(0):
        return False
    if connection.recv(1):
        raise http.client.HTTPException("bytes follow its last answer")
    return True


def first_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:200]
