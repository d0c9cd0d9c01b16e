"""A real labgrid coordinator and exporter on loopback, and the HTTP server that is their power switch."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

from tests.places import CHECKOUT

PLACE = "pi-1"
_START_LIMIT_S = 60.0
# An environment of its own, because labgrid's plugin for pytest would be part of every test.
_OWN = CHECKOUT / "build/labgrid/bin"


def labgrid_path() -> str:
    return f"{os.environ.get('PATH', '')}:{_OWN}"


def missing_labgrid() -> str | None:
    """The first program that is not installed."""
    names = ("labgrid-coordinator", "labgrid-exporter", "labgrid-client")
    return next((name for name in names if shutil.which(name, path=labgrid_path()) is None), None)


@dataclass
class Lab:
    """A coordinator with one place, whose switch has noted in `switched` what it was asked for."""

    address: str
    switched: list[str] = field(default_factory=list)

    def client(self, *words: str, place: str = PLACE) -> str:
        command = ["labgrid-client", "-x", self.address, "-p", place, *words]
        environment = {**os.environ, "PATH": labgrid_path()}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def is_acquired(self) -> bool:
        return "acquired: None" not in self.client("show")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def _switch(lab: Lab, switch: Callable[[str], None]) -> Iterator[int]:
    class Switch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = self.path.rpartition("/")[2]
            lab.switched.append(value)
            switch(value)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Switch)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def running_lab(folder: Path, switch: Callable[[str], None]) -> Iterator[Lab]:
    """`switch` gets 0 and 1; raises AssertionError if labgrid does not start."""
    lab = Lab(f"127.0.0.1:{_free_port()}")
    environment = {**os.environ, "PATH": labgrid_path()}
    processes = []
    with _switch(lab, switch) as port, (folder / "labgrid.log").open("ab") as log:
        url = f"http://127.0.0.1:{port}/relay/{{index}}/{{value}}"
        port_file = {"model": "simplerest", "host": url, "index": "0"}
        lines = [f"    {key}: '{value}'" for key, value in port_file.items()]
        (folder / "exporter.yaml").write_text("\n".join(["rack:", "  NetworkPowerPort:", *lines]) + "\n")
        try:
            for words in (
                ["labgrid-coordinator", "-l", lab.address],
                [
                    "labgrid-exporter",
                    "-c",
                    lab.address,
                    "--name",
                    "lab",
                    "--hostname",
                    "127.0.0.1",
                    "exporter.yaml",
                ],
            ):
                program = str(shutil.which(words[0], path=labgrid_path()))
                processes.append(
                    subprocess.Popen(
                        [program, *words[1:]],
                        cwd=folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
                if len(processes) == 1:
                    _wait(lambda: _answers(lab.address), folder)
            lab.client("create")
            lab.client("add-match", "lab/rack/NetworkPowerPort")
            _wait(lambda: "NetworkPowerPort" in lab.client("resources"), folder)
            yield lab
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def _wait(condition: Callable[[], bool], folder: Path) -> None:
    limit = monotonic() + _START_LIMIT_S
    while not condition():
        assert monotonic() < limit, (folder / "labgrid.log").read_text()
        sleep(0.1)
