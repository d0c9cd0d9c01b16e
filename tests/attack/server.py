"""Requests to the device server: each gets the status that it deserves, and the next one is answered."""

import http.client
import json
import random
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial

import psutil

from tests.attack.attack import Attack, check_outcome, require, shown
from tests.attack.ground import Ground
from tests.attack.hostile_requests import BODIES, HEADS, INFER, MEBIBYTE, PATHS, TENSORS, infer, post
from tests.attack.processes import nothing_running, wait_for
from tests.attack.sweeps import write_sut

_TOKEN = "a-token-of-an-attack"
_DAMAGED = 20
_WAIT_S = 15.0


class Server:
    """A started `qutiperf serve`."""

    def __init__(self, ground: Ground, *flags: str) -> None:
        sut = write_sut(ground, "simulated")
        words = ["serve", "--sut", str(sut), "--workload", "digits-mlp-12.5-fp32", "--port", "0", *flags]
        out = ground.root / "printed-server"
        self.started, self.ground = ground.start(words, stdout=out), ground
        require(wait_for(lambda: b" at http" in out.read_bytes(), 60), "the server does not start")
        self.port = int(out.read_text().split(" at ")[1].split()[0].rpartition(":")[2])
        self.process = psutil.Process(self.started.process.pid)
        self.threads = self.process.num_threads()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=_WAIT_S)

    def status(self, request: bytes, *, ends: bool = False) -> int:
        """The status of its answer, whose body must be JSON; `ends` closes our side after sending."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                require(False, f"no answer: {type(error).__name__}: {error}")
                raise
        if answer.status >= 400 and not request.startswith(b"HEAD"):
            found = json.loads(body)
            require(list(found) == ["error"] and found["error"], f"an error of {shown(str(found))}")
            require(len(body) < 2_000, f"an error of {len(body):,} bytes")
        return answer.status

    def check_sound(self, headers: str = "") -> None:
        """It answers a good request, has no thread too many, printed no traceback, ends on SIGTERM."""
        require(self.started.running, "the server has ended")
        status = self.status(post(infer(), headers))
        require(status == 200, f"a good request afterwards gets {status}")
        few = wait_for(lambda: self.process.num_threads() <= self.threads + 1, 15)
        require(few, f"{self.process.num_threads() - self.threads} threads are left")
        self.process.send_signal(signal.SIGTERM)
        outcome = self.started.end(20)
        check_outcome(outcome, [0])
        left = [path.name for path in self.ground.temporary.iterdir()]
        require(not left, f"left behind: {', '.join(left)}")
        nothing_running()


def attacks(chance: random.Random) -> list[Attack]:
    answered = {**HEADS, **PATHS, **BODIES, **TENSORS}
    return [
        *(_attack(name, partial(_answered, *case)) for name, case in answered.items()),
        *(_attack(f"damaged request {number}", run) for number, run in _damaged(chance)),
        *(_attack(name, run) for name, run in _SESSIONS.items()),
    ]


def _attack(name: str, run: Callable[[Ground], None]) -> Attack:
    return Attack(name, run, limit_s=120)


def _answered(request: bytes, statuses: tuple[int, ...], ground: Ground) -> None:
    server = Server(ground)
    status = server.status(request, ends=True)
    require(status in statuses, f"status {status}, not {' or '.join(map(str, statuses))}")
    server.check_sound()


def _damaged(chance: random.Random) -> Iterator[tuple[int, Callable[[Ground], None]]]:
    for number in range(1, _DAMAGED + 1):
        data = bytearray(post(infer()))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        yield number, partial(_damaged_request, bytes(data))


def _damaged_request(request: bytes, ground: Ground) -> None:
    """Damaged numbers in the tensor are a good request; anything else is the client's fault."""
    server = Server(ground)
    status = server.status(request, ends=True)
    require(status == 200 or 400 <= status < 500, f"status {status}")
    server.check_sound()


# --- more than one request


def _silent_connections(ground: Ground) -> None:
    server = Server(ground)
    silent = [server.connect() for _ in range(200)]
    try:
        most = server.threads + 200
        require(server.process.num_threads() < most, "a thread for each of 200 silent connections")
        free = socket.create_connection(("127.0.0.1", server.port), timeout=_WAIT_S)
        free.close()
    finally:
        for connection in silent:
            connection.close()
    server.check_sound()


def _resets(ground: Ground) -> None:
    """Clients that vanish in the middle of their requests."""
    server, request = Server(ground), post(infer())
    for length in (1, 10, 60, len(request) // 2, len(request) - 1, len(request)):
        connection = server.connect()
        connection.sendall(request[:length])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    server.check_sound()


def _byte_by_byte(ground: Ground) -> None:
    server = Server(ground)
    with server.connect() as connection:
        for byte in post(infer())[:300]:
            connection.sendall(bytes([byte]))
        time.sleep(0.1)
        connection.sendall(post(infer())[300:])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        require(answer.status == 200, f"status {answer.status}")
    server.check_sound()


def _pipelined(ground: Ground) -> None:
    """Ten requests in one piece get ten answers."""
    server, bad = Server(ground), post(b"{}")
    with server.connect() as connection:
        connection.sendall((post(infer()) + bad) * 5)
        connection.shutdown(socket.SHUT_WR)
        data = b""
        while chunk := connection.recv(1 << 16):
            data += chunk
    counts = data.count(b"HTTP/1.1 200"), data.count(b"HTTP/1.1 400")
    require(counts == (5, 5), f"{counts[0]} and {counts[1]} answers to 5 good and 5 bad requests")
    server.check_sound()


def _too_large(ground: Ground) -> None:
    """The refusal reaches a client that sends its 300 MB first."""
    server = Server(ground)
    with server.connect() as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n".encode())
        sent = 0
        try:
            while sent < 300_000_000:
                connection.sendall(bytes(MEBIBYTE))
                sent += MEBIBYTE
        except OSError as error:
            require(False, f"the connection broke after {sent:,} bytes: {error}")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        require(answer.status == 413, f"status {answer.status}")
    server.check_sound()


def _tokens(ground: Ground) -> None:
    token = ground.write("token", f"{_TOKEN}\n")
    server = Server(ground, "--token-file", str(token))
    good = f"Authorization: Bearer {_TOKEN}\r\n"
    wrong = ["", "Authorization: \r\n", "Authorization: Bearer\r\n", "Authorization: Bearer \xff\xfe\r\n"]
    wrong += [f"Authorization: Basic {_TOKEN}\r\n", f"Authorization: Bearer {_TOKEN}x\r\n"]
    wrong += [f"Authorization: Bearer {_TOKEN[:-1]}\r\n", f"X-Authorization: Bearer {_TOKEN}\r\n"]
    for header in wrong:
        status = server.status(post(infer(), header))
        require(status == 401, f"status {status} with {header!r}")
    server.check_sound(good)


def _ended(number: signal.Signals, ground: Ground) -> None:
    """A signal while a client is connected ends it at once, and leaves nothing."""
    server = Server(ground)
    with server.connect() as connection:
        connection.sendall(post(infer())[:50])
        server.process.send_signal(number)
        outcome = server.started.end(20)
    check_outcome(outcome, [0])
    require(not list(ground.temporary.iterdir()), "its temporary folder is left")


_SESSIONS: dict[str, Callable[[Ground], None]] = {
    "200 silent connections": _silent_connections,
    "clients that vanish": _resets,
    "byte by byte": _byte_by_byte,
    "pipelined": _pipelined,
    "300 MB": _too_large,
    "wrong tokens": _tokens,
    "SIGTERM": partial(_ended, signal.SIGTERM),
    "SIGINT": partial(_ended, signal.SIGINT),
    "SIGHUP": partial(_ended, signal.SIGHUP),
}
