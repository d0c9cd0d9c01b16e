"""What runs on a board while it is measured: starts the device server there, and ends whatever happens.

It is sent as text to `python3 -c` over ssh and serves one command: JSON lines on standard input, answered
with one line each, after a first line with the facts of the board. When standard input closes, or nothing
arrives for `silence_s`, it kills everything that it started and removes its folder: neither a killed command
nor a broken network leaves anything on the board. Needs Python 3.9 and nothing else.

- `{"do": "claim"}`: makes sure that no other agent uses this board's folder
- `{"do": "put", "name", "bytes"}`, then the bytes: a new file in its folder
- `{"do": "start", "argv", "environment"}`: starts the server; the answer comes once it serves, or has ended
- `{"do": "stop"}`: kills the server and all its descendants
- `{"do": "state"}`: whether the server runs, and its output since the last time
- `{"do": "beat"}`: a sign of life, not answered
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from types import FrameType
from typing import Any, Optional

Answer = dict[str, object]
GREETING = "qutiperf-agent "
PREFIX = "qutiperf-board-"
_SERVING = re.compile(rb"^serving .* at http://[^\n]*:(\d+)$", re.MULTILINE)
_LOG = "device.log"
_MOST_LOG = 64 << 20  # bytes on the board
_MOST_SENT = 64 << 10
_LONGEST_LINE = 1 << 20
_TERM_S = 5.0
_CLAIM_S = 20.0
_FRESH_S = 60.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class LeaveError(Exception):
    """The other side is gone."""


def facts() -> Answer:
    """As qutiperf.host.facts on this machine, where the system reports it without further packages."""
    return {
        "hostname": platform.node() or None,
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu_model": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cores_of_machine": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(),
        "hypervisor": "hypervisor" in _cpu_flags(),
        "python": platform.python_version(),
    }


def _cpu_model() -> Optional[str]:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith(("model name", "Hardware", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or None


def _cpu_flags() -> list[str]:
    return next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "").split()


def _memory_gb() -> Optional[int]:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) * 1024 / 1e9)
    return None


def _turbo() -> Optional[bool]:
    boost = _first_line("/sys/devices/system/cpu/cpufreq/boost")
    if boost is not None:
        return boost == "1"
    no_turbo = _first_line("/sys/devices/system/cpu/intel_pstate/no_turbo")
    return None if no_turbo is None else no_turbo == "0"


def _first_line(path: str) -> Optional[str]:
    lines = _lines(path)
    return lines[0].strip() if lines else None


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


class BoardAgent:
    """The folder and the server on this board."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._parent: str = settings["folder"] or tempfile.gettempdir()
        self._silence_s: float = settings["silence_s"]
        self._start_s: float = settings["start_s"]
        self._folder: Optional[str] = None
        self._lock: Optional[int] = None  # open as long as this process lives
        self._server: Optional[subprocess.Popen[bytes]] = None
        self._buffer, self._heard, self._read_bytes = b"", time.monotonic(), 0

    def serve(self) -> None:
        """Answers until the other side is gone."""
        self._send({"facts": facts()}, GREETING)
        while True:
            request = json.loads(self._line())
            action = request.pop("do")
            if action == "beat":
                self._keep_log_small()
                continue
            try:
                answer = getattr(self, "do_" + action)(**request)
            except OSError as error:
                answer = {"error": error.strerror or str(error), "where": str(error.filename or self._parent)}
            self._send(answer)

    def do_claim(self) -> Answer:
        """Claims the folder's place on this board: a name that the kernel forgets with this process."""
        name = "\0qutiperf-board-" + hashlib.sha256(os.path.realpath(self._parent).encode()).hexdigest()
        limit = time.monotonic() + _CLAIM_S  # the agent of a killed command may still be cleaning up
        while True:
            try:
                self._claim = socket.socket(socket.AF_UNIX)
                self._claim.bind(name)
                return {}
            except OSError as error:
                self._claim.close()
                if error.errno != errno.EADDRINUSE:
                    return {}  # no such names here
            if time.monotonic() > limit:
                return {"error": "another qutiperf is measuring on this board", "cure": "wait until it ends"}
            time.sleep(0.1)

    def do_put(self, name: str, bytes: int) -> Answer:  # noqa: A002 - the key of the request
        """Reads all of it even if there is no room, so that the next request is found."""
        path, problem, stream = self._parent, None, None
        try:
            path = os.path.join(self.folder, name)
            stream = open(path, "xb", buffering=0)  # noqa: SIM115 - the request is read to its end without it
        except OSError as error:
            problem = error
        left = bytes
        while left:
            if not self._buffer:
                self._receive()
            chunk, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(chunk)
            while stream is not None and problem is None and chunk:
                try:
                    chunk = chunk[stream.write(chunk) :]
                except OSError as error:
                    problem = error
        if stream is not None:
            stream.close()
        if problem is not None:
            if stream is not None:
                os.unlink(path)
            problem.filename = path
            raise problem
        return {}

    def do_start(self, argv: list[str], environment: dict[str, str]) -> Answer:
        self._kill()
        self._read_bytes = 0
        path = os.path.join(self.folder, _LOG)
        with open(path, "wb", buffering=0):
            pass
        with open(path, "ab", buffering=0) as log:
            server = self._server = subprocess.Popen(
                argv,
                cwd=self.folder,
                env={**os.environ, "TMPDIR": self.folder, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
            )
        return self._started(server, path)

    def _started(self, server: subprocess.Popen[bytes], path: str) -> Answer:
        limit = time.monotonic() + self._start_s
        while True:
            code = server.poll()
            with open(path, "rb") as log:
                match = _SERVING.search(log.read(_MOST_LOG))
            if match:
                self._read_bytes = match.end() + 1
                return {"port": int(match.group(1))}
            if code is not None or time.monotonic() > limit:
                return {"ended": code, "log": self._log()}
            if select.select([0], [], [], 0.05)[0]:  # a beat, or the end
                self._receive()

    def do_stop(self) -> Answer:
        self._kill()
        return {}

    def do_state(self) -> Answer:
        code = self._server.poll() if self._server else None
        return {"runs": self._server is not None and code is None, "code": code, "log": self._log()}

    @property
    def folder(self) -> str:
        """A new folder on first use; those that a killed agent left are removed."""
        if self._folder is None:
            os.makedirs(self._parent, exist_ok=True)
            for path in glob.glob(os.path.join(glob.escape(self._parent), PREFIX + "*")):
                _remove_left_over(path)
            self._folder = tempfile.mkdtemp(prefix=PREFIX, dir=self._parent)
            self._lock = os.open(self._folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self._folder

    def close(self) -> None:
        self._kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        server, self._server = self._server, None
        if server is not None and server.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(server.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(_TERM_S)
        limit = time.monotonic() + _TERM_S
        while time.monotonic() < limit and (descendants := _descendants(os.getpid())):
            for pid in descendants:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.01)

    def _log(self) -> str:
        """The end of the output since the last time."""
        if self._folder is None:
            return ""
        try:
            with open(os.path.join(self._folder, _LOG), "rb") as log:
                end = log.seek(0, os.SEEK_END)
                start = self._read_bytes if self._read_bytes <= end else 0
                log.seek(max(start, end - _MOST_SENT))
                self._read_bytes = end
                return log.read(_MOST_SENT).decode(errors="replace")
        except OSError:
            return ""

    def _keep_log_small(self) -> None:
        path = os.path.join(self._folder or "", _LOG)
        with contextlib.suppress(OSError):
            if self._folder is not None and os.path.getsize(path) > _MOST_LOG:
                os.truncate(path, 0)

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise LeaveError
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _receive(self) -> None:
        """Waits for more; raises LeaveError if the other side is gone or silent."""
        if not select.select([0], [], [], self._silence_s)[0]:
            raise LeaveError
        chunk = os.read(0, 1 << 16)
        if not chunk:
            raise LeaveError
        self._buffer += chunk

    @staticmethod
    def _send(answer: Answer, before: str = "") -> None:
        data = (before + json.dumps(answer) + "\n").encode()
        while data:
            data = data[os.write(1, data) :]


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _remove_left_over(path: str) -> None:
    """A folder that is not locked, unless it is so new that its lock may be about to be taken."""
    with contextlib.suppress(OSError):
        if time.time() - os.stat(path).st_mtime < _FRESH_S:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _descendants(pid: int) -> set[int]:
    """Ids of all processes below one, which adopts those whose parents have died."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if entry.isdigit():
            with contextlib.suppress(OSError):
                with open("/proc/" + entry + "/stat", encoding="utf-8", errors="replace") as stream:
                    fields = stream.read().rpartition(")")[2].split()
                if fields[0] != "Z" or int(fields[1]) == pid:
                    parents[int(entry)] = int(fields[1])
    below: set[int] = set()
    last = {pid}
    while last := {child for child, parent in parents.items() if parent in last and child not in below}:
        below |= last
    return below


def _leave(_number: int, _frame: Optional[FrameType]) -> None:
    raise LeaveError


def _stay(_number: int, _frame: Optional[FrameType]) -> None:
    """A handler, not SIG_IGN, which the server would inherit."""


def main(settings: dict[str, Any]) -> None:
    """Serves until standard input closes, or a signal."""
    signals = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    board = BoardAgent(settings)
    try:
        for number in signals:
            signal.signal(number, _leave)
        board.serve()
    except (LeaveError, OSError):
        pass
    finally:
        for number in signals:
            signal.signal(number, _stay)
        board.close()
