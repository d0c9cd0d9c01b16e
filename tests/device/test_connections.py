"""Connections to the device server: slow ones, unused ones, and too many."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.adapters.open_inference import OpenInference, Options
from qutiperf.device import connection as connections
from qutiperf.errors import SetupError
from tests.device.test_server import (
    MODEL,
    answered,
    answers,
    asked,
    connected,
    post,
    serving,
)


def trickled(connection: socket.socket, request: bytes) -> tuple[int, str]:
    """The answer to a request that comes byte by byte, for as long as its sender is listened to."""
    connection.settimeout(0.02)
    for byte in request:
        try:
            connection.sendall(bytes([byte]))
            if connection.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    connection.settimeout(5)
    return answered(connection)


@pytest.mark.parametrize(
    ("limit", "request_bytes"),
    [
        ("_HEAD_S", b"GET /v2 HTTP/1.1\r\na: " + b"b" * 500),
        ("_BODY_S", post(b"{" * 500)[:-400]),
    ],
)
def test_a_request_that_trickles_in_is_ended(
    limit: str, request_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, limit, 0.2)
    with serving() as server, connected(server) as connection:
        head = len(request_bytes) - 100
        connection.sendall(request_bytes[:head])
        assert trickled(connection, request_bytes[head:]) == (408, "the request did not arrive in time")


@pytest.mark.slow
def test_a_connection_that_was_never_used_is_ended_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_FIRST_REQUEST_S", 0.2)
    with serving() as server, connected(server) as idle, connected(server) as used:
        used.sendall(b"GET /v2 HTTP/1.1\r\n\r\n")
        assert answered(used) == (200, "")
        assert idle.recv(1) == b""
        time.sleep(0.25)  # longer than the first request's time
        used.sendall(b"GET /v2 HTTP/1.1\r\n\r\n")
        assert answered(used) == (200, "")


def test_a_refused_request_does_not_make_a_connection_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret")
    monkeypatch.setattr(connections, "_LINGER_S", 0.2)
    with serving(token_file=str(tmp_path / "token")) as server, connected(server) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\n\r\n")
        assert answered(connection)[0] == 401
        assert connection.recv(1) == b""
        assert eventually(lambda: server.open_connections == 0)


def eventually(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 5
    while not condition() and time.monotonic() < ends:
        time.sleep(0.005)
    return condition()


def test_connections_have_a_limit() -> None:
    with serving(max_connections=2) as server:
        kept = [connected(server) for _ in range(2)]
        for each in kept:
            each.sendall(b"GET /v2 HTTP/1.1\r\n\r\n")
            assert answered(each) == (200, "")
        reason = "2 connections are open, which is the limit (max_connections)"
        assert asked(server, b"GET /v2 HTTP/1.1\r\n\r\n") == (503, reason)
        with pytest.raises(SetupError, match=r"/v2 answered 503: 2 connections are open"):
            OpenInference().load(MODEL, Options(url=server.url))
        kept.pop().close()
        assert eventually(lambda: server.open_connections == 1)
        assert answers(server)
        kept.pop().close()


@pytest.mark.slow
def test_far_more_connections_than_the_limit_make_no_more_threads() -> None:
    with serving(max_connections=2) as server:
        before = threading.active_count()
        idle = [connected(server) for _ in range(60)]
        ended = [each for each in idle if eventually_closed(each)]
        assert len(ended) == 60 - 2 - 16
        assert threading.active_count() - before == 2 + 16
        for each in idle:
            each.close()
        assert eventually(lambda: server.open_connections == 0)
        assert answers(server)


def eventually_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
