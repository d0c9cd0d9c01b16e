"""Runs modules of this package in child processes: JSON in, JSON lines out, with limits, nothing left behind.

`Nursery` owns the supervisor, which starts the children; when this process dies, by any signal, the
supervisor kills the children and everything they started. `serve_parent` is the child's side.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import NoReturn, TypeVar

from pydantic import BaseModel

from qutiperf.errors import SetupError

TASK = "task.json"
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_LOG_TAIL_BYTES = 2000
_LONGEST_LINE = 1 << 20
_SUPERVISOR_KILLED = "its supervisor was killed"
_END_LIMIT_S = 75.0  # for the supervisor to kill, and to leave an operating mode

Request = Mapping[str, object]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a child: its exit code, negative for a signal, None if its supervisor died with it.

    `left` are the command lines of its processes that were still running and were killed afterwards.
    """

    exit_code: int | None
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.exit_code is None:
            return "its supervising process was killed"
        if self.exit_code >= 0:
            return f"the process ended with exit status {self.exit_code}"
        name = signal.Signals(-self.exit_code).name
        meaning = {
            "SIGSEGV": " (segmentation fault)",
            "SIGKILL": " (killed, perhaps for lack of memory)",
        }.get(name, "")
        return f"the process died of {name}{meaning}"


class BrokenReplies(Exception):  # noqa: N818 - not an error of this process
    """The reply pipe has something that is not a line of JSON."""


class _Connection:
    """The socket to the supervisor: one request, its answer, and ends of children between them."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_SUPERVISOR), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException:
            self._socket.close()  # a traceback that is kept, as in a notebook, would keep it open
            raise
        self._buffer = b""
        self._messages: list[dict[str, object]] = []
        self.ending: Ending | None = None

    def request(self, message: Request, key: str, descriptor: int | None = None) -> object:
        """The answer's `key`; raises ConnectionError if the supervisor is gone."""
        data = json.dumps(message).encode() + b"\n"
        socket.send_fds(self._socket, [data], [] if descriptor is None else [descriptor])
        while True:
            for number, answer in enumerate(self._messages):
                if key in answer or "error" in answer:
                    return self._messages.pop(number).get(key, answer)
            if not self.receive(None):
                raise ConnectionError("the supervisor is gone")

    def receive(self, timeout_s: float | None) -> bool:
        """Reads what has arrived; False if the supervisor is gone."""
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return True
        try:
            chunk = self._socket.recv(1 << 16)
        except OSError:
            chunk = b""
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "ended" in message:
                self.ending = Ending(message["ended"], tuple(message["left"]))
            else:
                self._messages.append(message)
        return bool(chunk)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Lets the supervisor clean up and end, and waits for it."""
        self._socket.close()
        try:
            self.process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Nursery:
    """Starts one child at a time under a supervisor, which starts on first use."""

    def __init__(self) -> None:
        self._connection: _Connection | None = None
        self._mode: Request | None = None

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kills remaining processes and leaves an operating mode that is still on."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def start(self, module: str, task: BaseModel, folder: Path, log: Path) -> "Child":
        """Runs `python -m MODULE FOLDER DESCRIPTOR` in `folder`, which has its task as JSON.

        Raises SetupError if the process cannot be started.
        """
        (folder / TASK).write_text(task.model_dump_json(), encoding="utf-8")
        read_end, write_end = os.pipe()
        request = {
            "do": "start",
            "argv": [sys.executable, "-P", "-m", module, str(folder)],
            "cwd": str(folder),
            "log": str(log),
        }
        pid: object = None
        try:
            with contextlib.suppress(OSError):
                connection = self._connected()
                connection.ending = None
                pid = connection.request(request, "pid", write_end)
        finally:
            os.close(write_end)
            if not isinstance(pid, int):
                os.close(read_end)
        if not isinstance(pid, int):
            self.close()
            problem = pid["error"] if isinstance(pid, dict) else _SUPERVISOR_KILLED
            raise SetupError(f"a process cannot be started: {problem}", where=module)
        return Child(self, connection, pid, read_end, log)

    def enter_mode(self, enter: list[str], leave: list[str], journal: Path, entry: str) -> str | None:
        """Runs `enter`; afterwards `leave` runs in `leave_mode`, or as soon as this process dies.

        Until then the file `journal` has `entry`. Returns the problem, None if there was none.
        """
        mode = {"do": "enter", "argv": [], "leave": leave, "journal": str(journal), "entry": entry}
        problem = self._operate({**mode, "argv": enter})
        self._mode = mode if problem is None else None
        return problem

    def leave_mode(self) -> str | None:
        """Returns the problem, None if there was none or no mode was entered."""
        if self._mode is None:
            return None
        problem = self._operate({"do": "leave"})
        if problem == _SUPERVISOR_KILLED:
            problem = self._operate({"do": "leave"})  # through a new one, which knows the mode
        self._mode = None
        return problem

    def _operate(self, request: Request) -> str | None:
        try:
            problem = self._connected().request(request, "error")
        except OSError:
            self.close()
            return _SUPERVISOR_KILLED
        return None if problem is None else str(problem)

    def _connected(self) -> _Connection:
        """The supervisor; a dead one is replaced, and the new one gets the operating mode that is on."""
        if self._connection is not None and self._connection.process.poll() is not None:
            self.close()
        if self._connection is None:
            self._connection = _Connection()
            if self._mode is not None:
                self._connection.request(self._mode, "error")
        return self._connection


class Child:
    """A started process and its reply pipe."""

    def __init__(
        self, nursery: Nursery, connection: _Connection, pid: int, descriptor: int, log: Path
    ) -> None:
        self._nursery, self._connection, self.pid, self._log = nursery, connection, pid, log
        self._pipe: int | None = descriptor
        self._buffer = b""
        self._ending: Ending | None = None

    def lines(self, timeout_s: float) -> list[bytes]:
        """Complete lines of replies within the time limit; returns at once when the child ends.

        Raises BrokenReplies for a line of over a megabyte.
        """
        waited = [self._connection.fileno(), *([] if self._pipe is None else [self._pipe])]
        ready, _, _ = select.select(waited, [], [], max(timeout_s, 0.0))
        if self._connection.fileno() in ready and not self._connection.receive(0):
            self._supervisor_died()
        return self._read()

    @property
    def ending(self) -> Ending | None:
        """None while the child runs."""
        if self._ending is None:
            self._ending = self._connection.ending
        return self._ending

    @property
    def hung_up(self) -> bool:
        """Whether every process that could reply has closed the pipe."""
        return self._pipe is None

    @property
    def log_tail(self) -> str:
        """The end of the child's output."""
        try:
            with self._log.open("rb") as stream:
                stream.seek(max(stream.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES, 0))
                return stream.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def kill(self) -> Ending:
        """Ends the child, if it is running, and everything that it started."""
        if self.ending is None:
            try:
                self._connection.request({"do": "kill"}, "killed")
            except OSError:
                self._supervisor_died()
        self._close_pipe()
        return self.ending or Ending(None)

    def _read(self) -> list[bytes]:
        """The current contents of the pipe."""
        if self._pipe is None:
            return []
        os.set_blocking(self._pipe, False)
        while True:
            try:
                chunk = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                break
            if not chunk:
                self._close_pipe()
                break
            self._buffer += chunk
        *lines, self._buffer = self._buffer.split(b"\n")
        if len(self._buffer) > _LONGEST_LINE:
            raise BrokenReplies
        return lines

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def _supervisor_died(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        self._connection.ending = Ending(None)
        self._nursery.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a child that replies once: its last reply, and its end; None if it hit the limit."""

    reply: bytes | None
    ending: Ending | None
    log_tail: str


def ask(nursery: Nursery, module: str, task: BaseModel, folder: Path, limit_s: float) -> Answer:
    """Runs a child to its end, or kills it at the limit; none of its processes keeps running.

    Raises SetupError if it cannot be started.
    """
    child = nursery.start(module, task, folder, folder / f"{module}.log")
    replies: list[bytes] = []
    limit = monotonic() + limit_s
    try:
        while child.ending is None and (left := limit - monotonic()) > 0:
            replies += child.lines(left)
        ending = child.ending
    except BrokenReplies:
        ending = Ending(1)
    finally:
        child.kill()
    return Answer(replies[-1] if replies else None, ending, child.log_tail)


class Replies:
    """The child's end of the reply pipe, one JSON line per message; its own children do not inherit it."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._stream = os.fdopen(descriptor, "w", buffering=1, encoding="utf-8")

    def send(self, message: BaseModel) -> None:
        self._stream.write(message.model_dump_json() + "\n")


def read_task(model: type[Model], folder: Path) -> Model:
    """The child's task; raises OSError or ValueError if it is missing or incomplete."""
    return model.model_validate_json((folder / TASK).read_bytes())


def end_now(exit_code: int = 0) -> NoReturn:
    """Ends a child without waiting for a runtime's remaining threads or destructors."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
