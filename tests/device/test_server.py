"""Requests that are malformed, too long, too slow or too many: each is answered on one line or ended."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import numpy as np
import pytest

from qutiperf.adapters import protocol
from qutiperf.adapters.base import Model
from qutiperf.adapters.open_inference import OpenInference, Options
from qutiperf.device.configuration import Configuration, loaded_adapters
from qutiperf.device.server import DeviceServer
from qutiperf.errors import RunError
from tests.conftest import FAULTY

MODEL = Model("", "x", "float32", (4,), "y")
INFER = "/v2/models/model/infer"
GOOD = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}


@contextmanager
def serving(model: Model = MODEL, **changes: object) -> Iterator[DeviceServer]:
    """A device server in a thread; the simulated adapter answers 10 scores."""
    settings = {"adapter": "simulated", "max_request_mb": 1.0, **changes}
    configuration = Configuration(model=model, port=0, **settings)  # type: ignore[arg-type]  # fields by name
    with loaded_adapters(configuration) as adapters, DeviceServer(configuration, adapters) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def device() -> Iterator[DeviceServer]:
    with serving() as server:
        yield server


def connected(server: DeviceServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=5)


def answered(connection: socket.socket) -> tuple[int, str]:
    """Status and reason of the next answer, whose reason must be one line."""
    response = HTTPResponse(connection)
    response.begin()
    found = json.loads(response.read())
    reason = found.get("error", "")
    assert "\n" not in reason
    assert len(reason) <= 300
    return response.status, reason


def asked(server: DeviceServer, request: bytes) -> tuple[int, str]:
    with connected(server) as connection:
        connection.sendall(request)
        return answered(connection)


def post(body: bytes, *headers: str, path: str = INFER) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def tensor(**changes: object) -> bytes:
    return json.dumps({"inputs": [{**GOOD, **changes}]}).encode()


def answers(server: DeviceServer) -> bool:
    return asked(server, b"GET /v2 HTTP/1.1\r\n\r\n") == (200, "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" * 100_000, "its JSON is nested too deeply"),
        (b'{"inputs": ' * 50_000, "its JSON is nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", 'it is not JSON: \'{"id": 99'),
        (b'{"id": 7, "inputs": [' + json.dumps(GOOD).encode() + b"]}", "its id is 7, not text"),
        (tensor(shape=[1] * 65), "65 dimensions, more than 32"),
        (
            tensor(shape=[0, 2**40, 2**40], data=[]),
            "tensor 'x': shape [0, 1099511627776, 1099511627776] is too",
        ),
        (tensor(shape=[2**62, 2**62, 0], parameters={"binary_data_size": 0}), "is too large"),
        (tensor(shape=[-1, 4]), "shape [-1, 4] is not a list of whole numbers from 0"),
        (tensor(shape=[1.0, 4]), "shape [1.0, 4] is not"),
        (tensor(shape=[True, 4]), "shape [True, 4] is not"),
        (tensor(shape=None), "shape None is not"),
        (tensor(shape=[1] * 100_000), "100000 dimensions"),
        (tensor(shape=["y" * 5000]), "is not a list of whole numbers from 0"),
        (tensor(data=[1, 2, 3]), "3 numbers for the shape [1, 4]"),
        (tensor(data=[[1, 2], [3]]), "its data are not float32"),
        (tensor(data=None), "it has no data"),
        (tensor(data={"a": 1}), "it has no data"),
        (tensor(data=[float("nan")] * 4), "it is not JSON: NaN is not a number there"),
        (tensor(data=[1, 2, 3, float("-inf")]), "it is not JSON: -Infinity is not a number there"),
        (tensor().replace(b"[1, 2, 3, 4]", b"[1, 2, 3, 1e999]"), "its data are not float32"),
        (tensor(data=[1, 2, 3, 1e300]), "its data are not float32"),
        (tensor(data=[1, 2, 3, 10**30]), "its data are not float32"),
        (tensor(datatype="UINT8", data=[1, 2, 3, 300]), "its data are not uint8"),
        (tensor(datatype="UINT8", data=[1, 2, 3, -1]), "its data are not uint8"),
        (tensor(datatype="INT64", data=[1, 2, 3, 2**63]), "its data are not int64"),
        (tensor(datatype="INT8"), "input 'x' is int8, not float32"),
        (tensor(datatype="FP8"), "datatype 'FP8' is none of BOOL"),
        (tensor(datatype="BYTES"), "its data are not a list of texts"),
        (tensor(datatype="BYTES", data=["a"] * 3), "3 texts for the shape [1, 4]"),
        (tensor(datatype="BYTES", data=["a"] * 4), "input 'x' is string, not float32"),
        (tensor(datatype="BF16"), "JSON cannot hold bfloat16"),
        (tensor(datatype=["FP32"]), "datatype ['FP32'] is none of BOOL"),
        (tensor(parameters={"binary_data_size": 16.0}), "16.0 bytes for [1, 4] of float32, 0 are there"),
        (tensor(parameters={"binary_data_size": True}), "True bytes for"),
        (tensor(parameters={"binary_data_size": -16}), "-16 bytes for"),
        (tensor(parameters={"binary_data_size": "16"}), "'16' bytes for"),
        (tensor(name="z"), "its inputs are ['z'], not ['x']"),
        (tensor(name="z" * 5000), "not ['x']"),
        (json.dumps({"inputs": [GOOD, GOOD]}).encode(), "it has the tensor 'x' twice"),
        (json.dumps({"inputs": [GOOD, {**GOOD, "name": "z"}]}).encode(), "its inputs are ['x', 'z'], not"),
        (json.dumps({"inputs": []}).encode(), "it has no inputs"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "z"}]}).encode(), "its outputs are not ['y']"),
        (json.dumps({"inputs": [GOOD], "outputs": {"a": 1}}).encode(), "its outputs are not ['y']"),
    ],
)
def test_a_malformed_message_is_answered_400_and_the_connection_goes_on(
    device: DeviceServer, body: bytes, reason: str
) -> None:
    with connected(device) as connection:
        connection.sendall(post(body))
        status, found = answered(connection)
        assert status == 400
        assert reason in found
        connection.sendall(post(tensor()))
        assert answered(connection) == (200, "")


@pytest.mark.parametrize(
    ("request_bytes", "status", "reason"),
    [
        (post(b"{}").replace(b"Length: 2", "Length: ²".encode("latin-1")), 400, "Content-Length: '²' is not"),
        (post(b"{}").replace(b"Length: 2", b"Length: " + b"9" * 5000), 400, "is not a whole number"),
        (post(b"{}").replace(b"Length: 2", b"Length: -2"), 400, "Content-Length: '-2' is not a whole"),
        (post(b"{}").replace(b"Length: 2", b"Length: 2_0"), 400, "Content-Length: '2_0' is not a whole"),
        (post(b"{}").replace(b"Length: 2", b"Length:"), 400, "Content-Length: '' is not a whole number"),
        (post(b"{}", "Content-Length: 3"), 400, "it has more than one Content-Length"),
        (post(b"{}", "Transfer-Encoding: chunked"), 411, "a request needs a Content-Length instead"),
        (
            b"GET /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            411,
            "instead of a Transfer-Encoding",
        ),
        (f"POST {INFER} HTTP/1.1\r\n\r\n".encode(), 411, "a request needs a Content-Length"),
        (post(b"{}", f"{protocol.HEADER_LENGTH}: ²"), 400, "Inference-Header-Content-Length: '²' is not"),
        (post(b"{}", f"{protocol.HEADER_LENGTH}: {'9' * 5000}"), 400, "is not a whole number"),
        (post(b"{}", f"{protocol.HEADER_LENGTH}: 9"), 400, "its JSON is 9 bytes long, the body 2"),
        (
            post(b"", f"{protocol.ANSWER_BYTES}: ²", path=protocol.LINK_PATH),
            400,
            "X-Answer-Bytes: '²' is not",
        ),
        (post(b"", f"{protocol.ANSWER_BYTES}: 1000001", path=protocol.LINK_PATH), 400, "is above 1000000"),
        (b"PUT /v2 HTTP/1.1\r\n\r\n", 405, "'PUT' is neither GET nor POST"),
        (b"G\xe9T /v2 HTTP/1.1\r\n\r\n", 405, "is neither GET nor POST"),
        (b"hello\r\n\r\n", 400, "Bad request syntax"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "Bad request"),
        (b"\r\n\r\n", 400, "its request line is empty"),
        (b"GET /v2 HTTP/2.0\r\n\r\n", 400, "Invalid HTTP version"),
        (b"GET /v2 HTTP/x\r\n\r\n", 400, "Bad request version"),
        (b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n", 431, "its head is longer than 65536 bytes"),
        (b"GET /v2 HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431, "Too many headers"),
        (b"GET /v2 HTTP/1.1\r\n" + b"a: " + b"b" * 66_000 + b"\r\n\r\n", 431, "Line too long"),
        (
            b"GET /v2 HTTP/1.1\r\n" + (b"a: " + b"b" * 9000 + b"\r\n") * 90 + b"\r\n",
            431,
            "its head is longer",
        ),
        (b"GET /v2/models/a%20b HTTP/1.1\r\n\r\n", 404, "no model 'a b', only 'model'"),
        (b"GET /v2/models/" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 404, "only 'model'"),
        (b"GET /v2/models/model/versions/2 HTTP/1.1\r\n\r\n", 404, "no version '2', only '1'"),
    ],
)
def test_a_malformed_head_is_answered(
    device: DeviceServer, request_bytes: bytes, status: int, reason: str
) -> None:
    found = asked(device, request_bytes)
    assert (found[0], reason in found[1]) == (status, True), found
    assert answers(device)


@pytest.mark.parametrize("line", [b"GET /v2\r\n\r\n", b"GET /v2 HTTP/1.0\r\n\r\n"])
def test_old_http_is_answered_and_closed(device: DeviceServer, line: bytes) -> None:
    with connected(device) as connection:
        connection.sendall(line)
        assert answered(connection) == (200, "")
        assert connection.recv(1) == b""


def test_a_big_endian_batch_arrives_as_the_same_numbers(device: DeviceServer) -> None:
    far = OpenInference()
    far.load(MODEL, Options(url=device.url))
    native = np.array([[0.5, 1, 0.5, 1], [2, 2, 0, 0]], np.float32)
    for batch in (native, native.astype(">f4"), np.asfortranarray(native), native[::-1][::-1]):
        length, parts = protocol.encode({}, "inputs", [("x", batch)])
        sent = protocol.decode(b"".join(bytes(part) for part in parts), length, "inputs").tensors["x"]
        assert sent.tolist() == native.tolist()
        assert far.infer(batch)[0].shape == (2, 10)
    with pytest.raises(RunError, match="a batch cannot be sent: the protocol has no datatype for complex64"):
        far.infer(native.astype(np.complex64))
    far.close()


def test_a_bool_is_zero_or_one() -> None:
    header = {"name": "x", "shape": [2], "datatype": "BOOL", "parameters": {"binary_data_size": 2}}
    text = json.dumps({"inputs": [header]}).encode()
    found = protocol.decode(text + b"\x00\x01", len(text), "inputs").tensors["x"]
    assert found.tolist() == [False, True]
    with pytest.raises(protocol.ProtocolError, match="a byte of its bool is neither 0 nor 1"):
        protocol.decode(text + b"\x00\x02", len(text), "inputs")


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        ("RaisesInInfer", "the adapter failed: RuntimeError: the device was lost"),
        ("NotANumber", "tensor 'y': JSON cannot hold NaN or Infinity; use binary tensors"),
    ],
)
def test_what_the_adapter_does_wrong_is_one_line(adapter: str, reason: str) -> None:
    with serving(adapter=f"{FAULTY}:{adapter}", options={"good_batches": 1}) as server:
        for _ in range(2):
            assert asked(server, post(tensor())) == (500, reason)
        assert answers(server)


def test_a_413_reaches_a_client_that_sends_all_of_its_body(device: DeviceServer) -> None:
    """More than the socket buffers hold: a server that closes at once resets the connection."""
    body = bytes(20_000_000)
    for _ in range(5):
        connection = HTTPConnection("127.0.0.1", device.server_port, timeout=5)
        connection.request("POST", INFER, body)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (413, "close")
        reason = json.loads(answer.read())["error"]
        assert reason == "the request has 20000000 bytes, the limit is 1000000 (max_request_mb)"
        connection.close()


def test_a_401_reaches_a_client_that_sends_all_of_its_body(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    with serving(token_file=str(tmp_path / "token"), max_request_mb=30) as server:
        for token in ({}, {"Authorization": "Bearer gu\xe9ss"}, {"Authorization": "s3cret"}):
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=5)
            connection.request("POST", INFER, bytes(20_000_000), token)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["error"]) == (
                401,
                "the bearer token is missing or wrong",
            )
            connection.close()


def test_the_body_of_a_get_is_read_away(device: DeviceServer) -> None:
    """Read as the next request, it would be answered too."""
    live, body = b"GET /v2/health/live HTTP/1.1\r\n", b"GET /nothing HTTP/1.1\r\n\r\n"
    with connected(device) as connection:
        for _ in range(2):
            connection.sendall(live + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert answered(connection) == (200, "")
    assert asked(device, live + b"Content-Length: 9999999\r\n\r\n")[0] == 413


def test_a_client_that_waits_for_100_continue(device: DeviceServer) -> None:
    with connected(device) as connection:
        head, body = post(tensor(), "Expect: 100-continue").split(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answered(connection) == (200, "")


def test_a_request_that_ends_early(device: DeviceServer) -> None:
    with connected(device) as connection:
        connection.sendall(post(tensor())[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert answered(connection) == (400, "the request ended early")


@pytest.mark.parametrize(("host", "warns"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_an_open_server_without_a_token_is_warned_of(host: str, warns: bool, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    with serving(host=host) as server:
        expected = f"every machine that reaches {server.url} can use it; give --token-file to require a token"
        assert server.warning() == (expected if warns else None)
    with serving(host=host, token_file=str(tmp_path / "token")) as server:
        assert server.warning() is None
