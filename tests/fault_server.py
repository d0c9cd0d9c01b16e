"""A server of the Open Inference Protocol that misbehaves in one way; real sockets, no device."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

import numpy as np

from qutiperf.adapters import protocol

METADATA = {
    "name": "model",
    "platform": "faulty",
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
    "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 10]}],
}
GET = {
    "/v2": {"name": "faulty", "version": "1", "extensions": []},
    "/v2/health/live": {"live": True},
    "/v2/models/model/ready": {"ready": True},
    "/v2/models/model": METADATA,
}


class FaultServer:
    """`fault` shows in every answer to infer after the first `good` ones; `requests` counts them."""

    def __init__(self, fault: str, good: int = 1) -> None:
        self._fault, self._good = fault, good
        self.requests, self._numbers = 0, count(1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client may leave at any time
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while line := stream.readline():
            method, path, _ = line.decode().split(" ", 2)
            headers = {}
            while (header := stream.readline().decode().strip()) != "":
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
            if method == "GET":
                connection.sendall(_http(json.dumps(GET[path]).encode()))
            elif not self._infer(connection, body, int(headers[protocol.HEADER_LENGTH.lower()])):
                connection.close()
                return

    def _infer(self, connection: socket.socket, body: bytes, length: int) -> bool:
        """Answers; False ends the connection."""
        message = protocol.decode(body, length, "inputs")
        self.requests += 1
        good = _answer(message, str(message.header["id"]), len(message.tensors["image"]))
        if next(self._numbers) <= self._good:
            connection.sendall(good)
            return True
        rows = len(message.tensors["image"])
        if self._fault == "dies":
            return False
        if self._fault == "dies_once":
            self._good = 10**9
            return False
        if self._fault == "stalls":
            time.sleep(3)
            return False
        if self._fault == "twice_late":
            threading.Timer(0.05, connection.sendall, [good]).start()
            connection.sendall(good)
            return True
        answers = {
            "twice": good + good,
            "wrong_order": _answer(message, "17", rows),
            "wrong_shape": _answer(message, str(message.header["id"]), rows + 1),
            "wrong_name": good.replace(b'"scores"', b'"sc0res"'),
            "garbage": b"\x00\xff\x13 not http at all\r\n\r\n",
            "no_tensors": _http(b'{"outputs": []}'),
            "cut_tensor": _http(good.split(b"\r\n\r\n", 1)[1][:-4], _header_length(good)),
            "html": _http(b"<html>hello</html>"),
            "error": _http(b'{"error": "out of memory"}', status="500 Internal Server Error"),
        }
        connection.sendall(answers[self._fault])
        return True


def _header_length(answer: bytes) -> int:
    return int(answer.split(protocol.HEADER_LENGTH.encode() + b": ")[1].split(b"\r\n")[0])


def _answer(message: protocol.Message, identity: str, rows: int) -> bytes:
    scores = np.arange(rows * 10, dtype=np.float32).reshape(rows, 10)
    length, parts = protocol.encode({"id": identity}, "outputs", [("scores", scores)])
    return _http(b"".join(bytes(part) for part in parts), length)


def _http(body: bytes, header_length: int | None = None, status: str = "200 OK") -> bytes:
    extra = f"{protocol.HEADER_LENGTH}: {header_length}\r\n" if header_length is not None else ""
    kind = "text/html" if body.startswith(b"<") else "application/json"
    return (
        f"HTTP/1.1 {status}\r\n{extra}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


@contextmanager
def faulty(fault: str, good: int = 1) -> Iterator[FaultServer]:
    server = FaultServer(fault, good)
    try:
        yield server
    finally:
        server.close()
