"""The process between a measuring process and its children: `python supervisor.py SOCKET`.

It starts one child at a time and is the subreaper of everything that the child starts. Requests are JSON
lines on the socket, each answered with one:

- `{"do": "start", "argv", "cwd", "log"}` with the write end of the child's reply pipe attached:
  `{"pid"}` or `{"error"}`; later, unasked, `{"ended": wait status, "left": [commands killed after it]}`
- `{"do": "kill"}`: kills the child and its descendants; `{"ended"}` if it still ran, then `{"killed"}`
- `{"do": "enter", "argv", "leave", "journal", "entry"}`: writes the undo journal, runs the command;
  `{"error"}`, null if there was none
- `{"do": "leave"}`: runs the command that leaves the operating mode, removes the journal; `{"error"}`

When the socket closes, for any reason, it kills every descendant, leaves the operating mode and ends.
If the kernel has no subreaper (anything but Linux), only the child's process group is killed.

It uses only the standard library and is run by its path: it must start in milliseconds and outlive the rest.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal, NoReturn, TypedDict

COMMAND_LIMIT_S = 60.0
_KILL_LIMIT_S = 5.0
_ERROR_CHARACTERS = 300
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True) if _LINUX else None


class Request(TypedDict, total=False):
    """One line from the measuring process; `do` determines the other keys."""

    do: Literal["start", "kill", "enter", "leave"]
    argv: list[str]
    cwd: str
    log: str
    leave: list[str]
    journal: str
    entry: str


Process = tuple[int, int]  # id, and start time in clock ticks since boot, which distinguishes a reused id


def processes() -> dict[int, tuple[int, int, str]]:
    """Parent, start time and state of every process by its id; empty if there is no /proc."""
    table = {}
    for entry in Path("/proc").iterdir() if _LINUX else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # `pid (any name) state parent ... start time` (man 5 proc_pid_stat)
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                table[int(entry.name)] = (int(fields[1]), int(fields[19]), fields[0])
    return table


def started_at(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot; None if there is none, or no /proc."""
    known = processes().get(pid)
    return known[1] if known and known[2] != "Z" else None


def run_command(argv: list[str], limit_s: float = COMMAND_LIMIT_S) -> str | None:
    """Runs a command to its end; returns the problem in one line with the end of its stderr, None on success.

    Its stderr is a file, because a daemon that it starts would keep a pipe open.
    """
    import tempfile

    shown = " ".join(argv)
    with tempfile.TemporaryFile() as output:
        try:
            command = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{shown}: {getattr(error, 'strerror', None) or error}"
        try:
            status = command.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
            return f"{shown}: still running after {limit_s:.0f} s"
        if status == 0:
            return None
        output.seek(max(output.seek(0, os.SEEK_END) - 4 * _ERROR_CHARACTERS, 0))
        last = " ".join(output.read().decode(errors="replace").split())[-_ERROR_CHARACTERS:]
    return f"{shown}: exit status {status}{': ' if last else ''}{last}"


class Supervisor:
    """One socket, at most one child, at most one operating mode that must be left."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._buffer = connection, b""
        self._child: subprocess.Popen[bytes] | None = None
        self._kept: set[Process] = set()
        self._leave: list[str] | None = None
        self._journal: Path | None = None
        self._lock: int | None = None
        self._child_ended, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._child_ended, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serves requests until the socket closes; then cleans up."""
        try:
            while True:
                ready, _, _ = select.select([self._connection.fileno(), self._child_ended], [], [])
                if self._child_ended in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._child_ended, 4096)
                    self._reap()
                if self._connection.fileno() in ready and not self._serve():
                    return
        finally:
            self._kill_descendants()
            self._leave_mode()

    def _serve(self) -> bool:
        """Answers the requests that have arrived; False once the other end is closed."""
        try:
            chunk, descriptors, _, _ = socket.recv_fds(self._connection, 1 << 16, 1)
        except OSError:
            return False
        if not chunk:
            return False
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in lines:
            request: Request = json.loads(line)
            if request["do"] == "start":
                self._start(request, descriptors)
            elif request["do"] == "kill":
                self._kill()
            elif request["do"] == "enter":
                self._enter(request)
            else:
                self._answer({"error": self._leave_mode()})
        return True

    def _answer(self, message: dict[str, object]) -> None:
        with contextlib.suppress(OSError):  # the other end is gone: the loop sees it next
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def _start(self, request: Request, descriptors: list[int]) -> None:
        self._kept = self._descendants()
        try:
            with Path(request["log"]).open("ab") as log:
                self._child = subprocess.Popen(
                    [*request["argv"], *map(str, descriptors)],
                    cwd=request["cwd"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=descriptors,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
                )
            self._answer({"pid": self._child.pid})
        except OSError as error:
            self._answer({"error": error.strerror or str(error)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _reap(self) -> None:
        """Collects ended processes, orphans too; reports the child's end once."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if self._child is not None and ended[0] == self._child.pid:
                    self._ended(ended[1])

    def _ended(self, status: int) -> None:
        child = self._child
        if child is None:
            return
        child.returncode = os.waitstatus_to_exitcode(status)
        left = self._kill_descendants()
        self._child = None
        self._answer({"ended": child.returncode, "left": left})

    def _kill(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)
            self._ended(os.waitpid(self._child.pid, 0)[1])
        self._answer({"killed": True})

    def _descendants(self) -> set[Process]:
        """Every living process below this one."""
        table, below = processes(), {os.getpid()}
        grown = True
        while grown:
            more = {pid for pid, (parent, *_) in table.items() if parent in below} - below
            grown, below = bool(more), below | more
        return {(pid, table[pid][1]) for pid in below - {os.getpid()} if table[pid][2] not in "ZX"}

    def _kill_descendants(self) -> list[str]:
        """Kills the child's other processes and returns their names, except daemons of a mode's command."""
        child = None if self._child is None else self._child.pid
        names: dict[int, str] = {}
        limit = time.monotonic() + _KILL_LIMIT_S
        while True:
            living = self._descendants() - self._kept
            names = {pid: _command(pid) for pid, _ in living} | names
            if child is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child, signal.SIGKILL)
            for pid, _ in living:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not living or time.monotonic() > limit:
                return [name for pid, name in names.items() if pid != child]
            time.sleep(0.002)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass

    def _enter(self, request: Request) -> None:
        argv, leave, problem = request["argv"], request["leave"], None
        if leave:
            self._journal = Path(request["journal"])
            problem = self._write_journal(self._journal, request["entry"])
            self._leave = leave if problem is None else None
        if problem is None and argv:
            problem = run_command(argv)
        if problem is not None:
            self._leave_mode()  # an enter command that failed may have done half of its work
        self._answer({"error": problem})

    def _leave_mode(self) -> str | None:
        """Runs the leave command, if a mode was entered; the journal stays if that fails."""
        leave, self._leave = self._leave, None
        if leave is None:
            return None
        problem = run_command(leave)
        if problem is None and self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.unlink()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        return problem

    def _write_journal(self, path: Path, text: str) -> str | None:
        """Writes a file that survives a power cut, locked while this process lives; the problem, if any."""
        import fcntl

        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._lock, 0)
            os.write(self._lock, text.encode())
            os.fsync(self._lock)
        except BlockingIOError:
            return "another qutiperf has put the device into an operating mode and is still running"
        except OSError as error:
            return f"the undo journal {path} cannot be written: {error.strerror}"
        return None


def _command(pid: int) -> str:
    """The command line of a process, 100 characters at most; empty if it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode(errors="replace") for word in words)[:100]


def _die_with_parent() -> None:
    """Runs in the child before exec: makes the kernel kill it when this process dies for any reason."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, lambda *_: None)  # cleaning up is not cut short
    raise SystemExit(1)


def main(descriptor: str) -> None:
    """Serves the socket with this file descriptor; SIGTERM cleans up, SIGINT and SIGHUP are the parent's."""
    connection = socket.socket(fileno=int(descriptor))
    connection.set_inheritable(False)
    for number in (signal.SIGINT, signal.SIGHUP):  # handlers, as a child would inherit SIG_IGN
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGTERM, _stop)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    Supervisor(connection).run()


if __name__ == "__main__":
    main(sys.argv[1])
