"""Servers whose answers are not the protocol's, too long, too slow or cut: one clear error each."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from qutiperf.adapters import open_inference_connection as client
from qutiperf.adapters import protocol
from qutiperf.adapters.base import Model
from qutiperf.adapters.open_inference import OpenInference, Options
from qutiperf.errors import QutiperfError, RunError, SetupError

MODEL = Model("", "image", "float32", (2,), "scores")
BATCH = np.ones((1, 2), np.float32)
SERVER: dict[str, object] = {"name": "hostile", "version": "1", "extensions": []}
METADATA: dict[str, object] = {
    "name": "model",
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 1]}],
}
SCORES = {"name": "scores", "shape": [1, 1], "datatype": "FP32", "data": [0.5]}
Infer = Callable[[socket.socket], None]


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def outputs(**header: object) -> bytes:
    return http(json.dumps({"outputs": [SCORES], **header}).encode())


class HostileServer:
    """Answers to GET as a server does, to a POST by `infer`, which gets the connection."""

    def __init__(self, infer: Infer, pages: dict[str, bytes], reads_bodies: bool = True) -> None:
        self._infer, self._reads_bodies = infer, reads_bodies
        self._pages = {
            "/v2": http(json.dumps(SERVER).encode()),
            "/v2/models/model": http(json.dumps(METADATA).encode()),
            **pages,
        }
        self.posts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)
        assert not self._thread.is_alive()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):  # the client may leave
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while line := stream.readline():
                method, path, _ = line.decode().split(" ", 2)
                length = 0
                while (header := stream.readline().strip().lower()) != b"":
                    if header.startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                if method == "GET":
                    connection.sendall(self._pages.get(path, http(b'{"ready": true, "live": true}')))
                    continue
                if self._reads_bodies:
                    stream.read(length)
                self.posts += 1
                self._infer(connection)
                return


@contextmanager
def hostile(
    infer: Infer | bytes, pages: dict[str, bytes] | None = None, reads_bodies: bool = True
) -> Iterator[HostileServer]:
    """A server that answers inference with these bytes, or by this function, and then ends the connection."""
    act = infer if callable(infer) else lambda connection: connection.sendall(infer)
    server = HostileServer(act, pages or {}, reads_bodies)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def loaded(server: HostileServer, **options: object) -> Iterator[OpenInference]:
    far = OpenInference()
    settings = {"binary": False, "timeout_s": 2.0, **options}
    try:
        far.load(MODEL, Options(url=server.url, **settings))  # type: ignore[arg-type]  # options by name
        yield far
    finally:
        far.close()


def refusal(answer: Infer | bytes, **options: object) -> str:
    """What inference says of this answer, which must be one line and must not be retried."""
    with hostile(answer) as server, loaded(server, retries=3, **options) as far:
        with pytest.raises(RunError) as raised:
            far.infer(BATCH)
        assert server.posts == 1
    line = str(raised.value).removeprefix(f"{server.url} model: ")
    assert "\n" not in line
    assert len(line) < 500
    return line


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "its answer is not HTTP: SSH-2.0-OpenSSH_9.6"),
        (b"\x00" * 70_000, "its answer is not HTTP: got more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "its answer is not HTTP: got more than 100"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 14 + b"\r\n\r\n", "longer than 1073741824 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 40 + b"\r\n\r\n", "longer than 1073741824 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 15, "its answer is longer than"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40, "its answer is longer than"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n{}", "violates the protocol: it has no outputs"),
        (http(b""), "its answer violates the protocol: it is not JSON: ''"),
        (http(b"[" * 100_000), "its answer violates the protocol: its JSON is nested too deeply"),
        (http(b"null"), "its answer violates the protocol: its JSON is not an object"),
        (http(b'{"outputs": 7}'), "its answer violates the protocol: it has no outputs"),
        (http(b'{"outputs": [7]}'), "its answer violates the protocol: a tensor has no name"),
        (outputs().replace(b"0.5", b"NaN"), "its answer violates the protocol: it is not JSON: NaN is not"),
        (outputs().replace(b"[1, 1]", b"[1,-1]"), "shape [1, -1] is not a list of whole numbers from 0"),
        (outputs().replace(b"0.5", b'"a"'), "its answer violates the protocol: tensor 'scores': its data"),
        (http(b"{}", f"{protocol.HEADER_LENGTH}: \xb2"), "its answer violates the protocol: invalid literal"),
        (http(b"{}", f"{protocol.HEADER_LENGTH}: -1"), "its JSON is -1 bytes long, the body 2"),
        (outputs(id=["1"]), "it answered request ['1'], not '1'"),
        (http(b"x" * 5000, status="500 No"), "answered 500: xxxx"),
        (http(b"[" * 100_000, status="500 No"), "answered 500: [[[["),
        (http(json.dumps({"error": "a\nb" * 999}).encode(), status="503 No"), "answered 503: a ba b"),
        (http(b"", "Location: http://x/", status="302 Found"), "answered 302: no reason given"),
        (http(b"", status="204 No Content"), "answered 204: no reason given"),
    ],
)
def test_an_answer_that_is_none(answer: bytes, message: str) -> None:
    assert message in refusal(answer)


def test_an_answer_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MOST_ANSWERED", 1_000_000)

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"{" * 65536)

    assert refusal(flood) == "its answer is longer than 1000000 bytes"


def test_interim_answers_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MOST_ANSWERED", 1_000_000)

    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    assert refusal(flood) == "its answer is longer than 1000000 bytes"


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\na: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"]
)
def test_an_answer_that_trickles_in(start: bytes) -> None:
    """Each byte comes in time, the answer does not."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    started = time.monotonic()
    assert refusal(trickle, timeout_s=0.3) == "no answer within 0.3 s (timeout_s)"
    assert time.monotonic() - started < 2


@pytest.mark.slow
def test_the_time_of_one_answer_is_not_taken_from_the_next() -> None:
    """Three answers that take most of the time each."""

    def slow(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while True:
                time.sleep(0.15)
                connection.sendall(outputs())
                length = 0
                while (header := stream.readline().strip().lower()) != b"":
                    if header.startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                stream.read(length)

    with hostile(slow) as server, loaded(server, timeout_s=0.4) as far:
        assert [far.infer(BATCH)[0].tolist() for _ in range(3)] == [[[0.5]]] * 3


def test_an_answer_that_is_cut_is_a_lost_connection() -> None:
    with hostile(outputs()[:-3]) as server, loaded(server, retries=2) as far:
        with pytest.raises(RunError, match="connection lost: IncompleteRead"):
            far.infer(BATCH)
        assert server.posts == 3
        assert far.figures()["retries"] == 2


@pytest.mark.parametrize("size", [100, 4_000_000])
def test_a_refusal_before_the_body_was_read_is_seen(size: int) -> None:
    """The server closes at once: the rest of the request meets a reset connection."""
    refused = http(b'{"error": "too large for me"}', "Connection: close", status="413 Too Large")
    model = Model("", "image", "float32", (size,), "scores")
    metadata = {**METADATA, "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, size]}]}
    pages = {"/v2/models/model": http(json.dumps(metadata).encode())}
    with hostile(refused, pages, reads_bodies=False) as server:
        far = OpenInference()
        far.load(model, Options(url=server.url))
        with pytest.raises(RunError, match="answered 413: too large for me"):
            far.infer(np.ones((1, size), np.float32))
        far.close()


@pytest.mark.parametrize("compute_ns", [0, 1, 10**12, 2**63 - 1])
def test_the_servers_clock_is_handed_on_as_it_is(compute_ns: int) -> None:
    """Longer than the call, too: the harness counts what is impossible."""
    with hostile(outputs(parameters={"compute_ns": compute_ns})) as server, loaded(server) as far:
        assert far.infer(BATCH)[1] == compute_ns


@pytest.mark.parametrize("parameters", [{}, None, [1], {"compute_ns": None}, {"infer_ns": 7}])
def test_a_server_without_a_clock(parameters: object) -> None:
    with hostile(outputs(parameters=parameters)) as server, loaded(server) as far:
        assert far.infer(BATCH)[1] is None


@pytest.mark.parametrize("compute_ns", [1.5, -1, True, "7", [7], 2**63, 10**30])
def test_a_clock_that_shows_no_nanoseconds(compute_ns: object) -> None:
    expected = f"its compute_ns is {compute_ns!r}, not a whole number of nanoseconds"
    assert refusal(outputs(parameters={"compute_ns": compute_ns})) == expected


@pytest.mark.parametrize(
    ("page", "content", "error", "message"),
    [
        ("/v2", http(b"[" * 100_000), SetupError, "not the Open Inference Protocol: /v2 answered 200"),
        ("/v2", http(b'{"error": "full"}', status="503 No"), SetupError, "/v2 answered 503: full"),
        (
            "/v2",
            http(b"not found", status="404 No"),
            SetupError,
            "not the Open Inference Protocol: /v2 answered 404",
        ),
        ("/v2", b"\x15\x03\x03\r\n", RunError, "its answer is not HTTP"),
        ("/v2/models/model", http(b"{}"), SetupError, "/v2/models/model answered 200"),
        ("/v2/models/model", http(b'{"name": 1, "inputs": 7}'), QutiperfError, r"its inputs are \[\], not"),
        (
            "/v2/models/model",
            http(b'{"name": 1, "inputs": [{"name": "image"}]}'),
            QutiperfError,
            "is None, not",
        ),
    ],
)
def test_a_greeting_that_is_none(page: str, content: bytes, error: type[QutiperfError], message: str) -> None:
    pages = {page: content}

    with hostile(b"", pages) as server, pytest.raises(error, match=message) as raised:
        OpenInference().load(MODEL, Options(url=server.url, timeout_s=0.3))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("limit", [-5, 0, True, "x", 10**30])
def test_a_link_is_measured_with_a_sane_size(limit: object) -> None:
    announced = {**SERVER, "extensions": [protocol.LINK_EXTENSION], "max_request_bytes": limit}
    pages = {"/v2": http(json.dumps(announced).encode())}
    with (
        hostile(http(b"123"), pages) as server,
        pytest.raises(SetupError, match="/v2/qutiperf/link answered 3 bytes, not 0"),
    ):
        OpenInference().load(MODEL, Options(url=server.url))


def test_what_a_server_tells_of_itself_is_bounded() -> None:
    told = {f"k{number}": "v" * 5000 for number in range(500)} | {"max_batch_size": True}
    metadata = {**METADATA, "platform": "p" * 5000, "parameters": told}
    pages = {"/v2/models/model": http(json.dumps(metadata).encode())}
    with hostile(b"", pages) as server, loaded(server) as far:
        described = far.describe()
        far.tune(64)  # True is not a largest batch
    assert len(described) == 55
    assert max(len(text) for text in described.values()) == 203


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://h:99999"}, "Port out of range"),
        ({"url": "http://h:0"}, "has port 0"),
        ({"url": "http://h/prefix"}, "is not http://host:port or https://host:port"),
        ({"url": "http://user:secret@h"}, "is not http://host:port or https://host:port"),
        ({"url": "ftp://h"}, "is not http://host:port or https://host:port"),
        ({"timeout_s": float("nan")}, "timeout_s must be above 0 and at most 1000000"),
        ({"timeout_s": 1e300}, "timeout_s must be above 0 and at most 1000000"),
        ({"max_request_mb": float("inf")}, "max_request_mb above 0"),
        ({"retries": -1}, "retries must be at least 0"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Options(**options)  # type: ignore[arg-type]  # options by name
