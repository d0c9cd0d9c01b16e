"""The listening side of the device server: address, TLS, token and number of connections."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Optional

from qutiperf.device.configuration import Configuration
from qutiperf.errors import InputError, SetupError

_LOG = logging.getLogger("qutiperf.device")
_MOST_REFUSED = 16  # connections above the limit that get an answer; those above are closed at once


class ConnectionThreads(ThreadingHTTPServer):
    """Serves each connection in a thread until `shutdown`; raises SetupError, or InputError for its files.

    `refused` contains the connections above `max_connections`, whose only request is answered with 503.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, configuration: Configuration, connection: type[BaseHTTPRequestHandler]) -> None:
        self.configuration = configuration
        self.token = _read_token(configuration.token_file)
        self.refused: set[object] = set()
        self.open_connections, self._lock = 0, threading.Lock()
        self._tls = _tls_of(configuration)
        try:
            super().__init__((configuration.host, configuration.port), connection)
        except (OSError, OverflowError, ValueError) as error:
            where = f"{configuration.host}:{configuration.port}"
            raise SetupError(f"cannot listen: {error}", where=where, cure="give another port") from None

    def server_bind(self) -> None:
        TCPServer.server_bind(
            self
        )  # http.server's method also resolves the host's name, which can take seconds
        self.server_name, self.server_port = self.configuration.host, self.server_address[1]

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{self.configuration.host}:{self.server_port}"

    def warning(self) -> Optional[str]:
        """A warning if other machines can use the server without a token."""
        if self.token or ipaddress.ip_address(str(self.server_address[0])).is_loopback:
            return None
        return f"every machine that reaches {self.url} can use it; give --token-file to require a token"

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:  # the handshake happens in the connection's own thread
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def verify_request(self, request: object, client_address: object) -> bool:
        return self.open_connections < self.configuration.max_connections + _MOST_REFUSED

    def process_request(self, request: object, client_address: object) -> None:
        with self._lock:
            self.open_connections += 1
            if self.open_connections > self.configuration.max_connections:
                self.refused.add(request)
        try:
            super().process_request(request, client_address)  # type: ignore[arg-type]  # a socket
        except BaseException:  # the thread could not be started
            self._left(request)
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]  # a socket
        finally:
            self._left(request)

    def _left(self, request: object) -> None:
        with self._lock:
            self.open_connections -= 1
            self.refused.discard(request)

    def handle_error(self, request: object, client_address: object) -> None:
        _LOG.info("connection of %s ended", client_address, exc_info=True)


def _read_token(path: str) -> bytes:
    if not path:
        return b""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            token = stream.read().strip()
    except OSError as error:
        raise InputError(f"token_file: {error.strerror}", where=path) from None
    if not token or not all(0x20 < byte < 0x7F for byte in token):
        raise InputError("token_file: must contain one word of printable ASCII", where=path)
    return token


def _tls_of(configuration: Configuration) -> Optional[ssl.SSLContext]:
    if not configuration.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:  # with a password, OpenSSL does not prompt for one on the terminal
        context.load_cert_chain(configuration.certificate, configuration.key, password="")
    except (OSError, ssl.SSLError) as error:
        problem = f"certificate or key: {error}"
        cure = "give PEM files and a key without a password"
        raise InputError(problem, where=configuration.certificate, cure=cure) from None
    return context
