"""The connection to a board: its agent, one request at a time, and the tunnel to its device server."""

import base64
import contextlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic

from qutiperf import host
from qutiperf.errors import RunError, SetupError, UnreachableError
from qutiperf.executors.board_agent import GREETING
from qutiperf.executors.hosts_file import RackHost
from qutiperf.executors.ssh_client import FAILED, is_down, ssh_command, why
from qutiperf.printable import bounded, one_line
from qutiperf.spec.config import shortened

_AGENT = Path(__file__).with_name("board_agent.py")
_CONNECT_S = 60.0
_ANSWER_S = 60.0
_STALL_S = 60.0  # without a byte taken
_END_S = 15.0
_BEAT_S, _BEAT = 10.0, b'{"do": "beat"}\n'
SILENCE_S = 120.0
START_S = 300.0  # as long as a worker may take to load a model
_MOST_NOISE = 1 << 18  # what a login shell may print before the agent's first line
_LONGEST_ANSWER = 1 << 20
_PORTS_TRIED = 5
_MOST_FACT, _LARGEST_FACT = 300, 1e15
_COMMAND_S = 60.0
_NOT_FOUND, _NOT_RUNNABLE = 127, 126
_CHECK = "import sys;sys.version_info<(3,9)and sys.exit('qutiperf-python %d.%d'%sys.version_info[:2])"


class BoardConnection:
    """Starts the agent on a board; `control` is the path here of the socket, `check` raises to give up.

    Raises SetupError if the board cannot be reached or lacks something, RunError if it does not answer.
    """

    def __init__(self, spec: RackHost, control: Path, check: Callable[[], None]) -> None:
        self._spec, self._check = spec, check
        self.control, self._log = control, control.with_suffix(".log")
        self._buffer, self._lock, self._closing, self._problem = b"", Lock(), Event(), ""
        self._process = self._started()
        try:
            self.facts = self._facts(self._greeting())
        except BaseException:
            self.close()
            raise
        self._beats = Thread(target=self._beat, daemon=True)
        self._beats.start()

    def _started(self) -> "subprocess.Popen[bytes]":
        settings = {"folder": self._spec.folder, "silence_s": SILENCE_S, "start_s": START_S}
        source = f"{_AGENT.read_text(encoding='utf-8')}\nmain({settings!r})\n"
        packed = base64.b64encode(zlib.compress(source.encode(), 9)).decode()
        program = f"{_CHECK};import base64,zlib;exec(zlib.decompress(base64.b64decode('{packed}')).decode())"
        remote = shlex.join([self._spec.python, "-c", program])
        try:
            with self._log.open("wb") as log:
                return subprocess.Popen(
                    [*ssh_command(self._spec, self.control, master=True), remote],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for this process, which then ends it
                    bufsize=0,
                )
        except OSError as error:
            raise SetupError(f"ssh cannot be started: {error.strerror}", where=self.where) from None

    @property
    def where(self) -> str:
        return f"host {self._spec.name}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_lost(self) -> bool:
        return bool(self._problem) or self._process.poll() is not None

    def _greeting(self) -> bytes:
        """The agent's first line; a login shell may have printed others before it."""
        limit = monotonic() + _CONNECT_S
        read = 0
        while read < _MOST_NOISE:
            line = self._line(limit, "did not start Python in time")
            if line.startswith(GREETING.encode()):
                return line.removeprefix(GREETING.encode())
            read += len(line) + 1
        raise SetupError("prints too much when somebody logs in", where=self.where, cure="check its profile")

    def _facts(self, line: bytes) -> host.Facts:
        """The known ones, with plain values alone: they become part of records."""
        try:
            found, facts_here = json.loads(line)["facts"], host.facts()
            facts: host.Facts = {
                name: one_line(bounded(value, _MOST_FACT)) if isinstance(value, str) else value
                for name, value in found.items()
                if name in facts_here
                and (value is None or isinstance(value, str) or abs(float(value)) < _LARGEST_FACT)
            }
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            raise SetupError("its agent does not say what the board is like", where=self.where) from None
        return facts

    def request(
        self, message: Mapping[str, object], content: bytes = b"", limit_s: float = _ANSWER_S
    ) -> Mapping[str, object]:
        """The answer of the agent; raises SetupError for a problem there, RunError if it is gone."""
        with self._lock:
            self._write(json.dumps(message).encode() + b"\n")
            self._write(content)
            line = self._line(monotonic() + limit_s, f"did not answer within {limit_s:.0f} s")
        try:
            answer: Mapping[str, object] = json.loads(line)
        except ValueError:
            raise RunError("its agent answered something else than JSON", where=self.where) from None
        if "error" in answer:
            place = f"{self.where}: {shortened(str(answer['where']))}" if "where" in answer else self.where
            cure = str(answer.get("cure", "make room there, or name another folder in the hosts file"))
            raise SetupError(bounded(str(answer["error"])), where=place, cure=cure)
        return answer

    def _write(self, data: bytes) -> None:
        stream = self._process.stdin
        if stream is None:
            return
        view = memoryview(data)
        os.set_blocking(stream.fileno(), False)
        limit = monotonic() + _STALL_S
        while view:
            self._check()
            if not select.select([], [stream], [], 0.5)[1]:
                if monotonic() > limit:
                    raise self._given_up("takes no more data")
                continue
            try:
                view = view[os.write(stream.fileno(), view) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self.lost() from None
            limit = monotonic() + _STALL_S

    def _line(self, limit: float, problem: str) -> bytes:
        stream = self._process.stdout
        while b"\n" not in self._buffer:
            self._check()
            if monotonic() > limit or stream is None or len(self._buffer) > _LONGEST_ANSWER:
                raise self._given_up(problem)
            if select.select([stream], [], [], 0.5)[0]:
                chunk = os.read(stream.fileno(), 1 << 16)
                if not chunk:
                    raise self.lost()
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _given_up(self, problem: str) -> RunError:
        """Ends the connection: a late answer would be taken for that of the next request."""
        self._problem = problem
        self._process.kill()
        return RunError(problem, where=self.where)

    def _beat(self) -> None:
        """Signs of life, without which the agent ends."""
        while not self._closing.wait(_BEAT_S) and not self.is_lost:
            with self._lock:
                if self._process.stdin is not None and not self._closing.is_set():
                    with contextlib.suppress(OSError):  # a full pipe has signs of life enough
                        os.set_blocking(self._process.stdin.fileno(), False)
                        os.write(self._process.stdin.fileno(), _BEAT)

    def lost(self) -> RunError | SetupError:
        """Why the connection is gone, from ssh's exit status and its messages."""
        if self._problem:
            return RunError(self._problem, where=self.where)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        code, stderr = self._process.poll(), self.stderr
        version = stderr.rpartition("qutiperf-python ")[2].strip() if "qutiperf-python " in stderr else None
        if version is not None:
            cure = "name python in the hosts file"
            return SetupError(
                f"{self._spec.python} is Python {version}, 3.9 is needed", where=self.where, cure=cure
            )
        if code in (_NOT_FOUND, _NOT_RUNNABLE):
            cure = "install it there, or name python in the hosts file"
            return SetupError(f"there is no {self._spec.python} there", where=self.where, cure=cure)
        if code == FAILED:
            problem, cure = why(stderr)
            kind = UnreachableError if is_down(stderr) else SetupError
            return kind(problem, where=self.where, cure=cure)
        if code == 0:
            what = f"its agent ended: nothing arrived there for {SILENCE_S:.0f} s, or somebody ended it"
            return RunError(what, where=self.where)
        problem = "the connection was lost" if code is None else f"its agent ended with exit status {code}"
        last = bounded((stderr.strip().splitlines()[-1:] or [""])[0])
        return RunError(f"{problem}: {last}" if last else problem, where=self.where)

    @property
    def stderr(self) -> str:
        try:
            return self._log.read_bytes()[-10_000:].decode(errors="replace")
        except OSError:
            return ""

    @contextmanager
    def tunnel(self, port: int) -> Iterator[int]:
        """A port of this machine's loopback that leads to one of the board's; raises SetupError."""
        for _ in range(_PORTS_TRIED):
            with socket.create_server(("127.0.0.1", 0)) as free:
                here = int(free.getsockname()[1])
            words = ["-L", f"127.0.0.1:{here}:127.0.0.1:{port}"]
            problem = self._control(["-O", "forward", *words])
            if problem is None:
                break
        else:
            raise SetupError(f"no tunnel: {problem}", where=self.where, cure="see `ssh -O forward`")
        try:
            yield here
        finally:
            self._control(["-O", "cancel", *words])

    def _control(self, words: list[str]) -> str | None:
        try:
            done = subprocess.run(
                ssh_command(self._spec, self.control, *words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_COMMAND_S,
                check=False,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return None if done.returncode == 0 else why(done.stderr)[0]

    def close(self) -> None:
        """Ends the agent, which ends the server and removes its folder, and waits for that."""
        self._closing.set()
        if self._process.stdin is not None:
            with self._lock, contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
