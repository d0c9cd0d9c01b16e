"""Where an attack takes place: folders of its own, commands in this process or in one of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import FrameType

import psutil

from qutiperf.cli import main
from tests.attack.attack import (
    OK,
    REFUSED,
    NotHeldError,
    Outcome,
    check_outcome,
    check_refusal,
    require,
    shown,
)
from tests.attack.processes import nothing_running

CHECKOUT = Path(__file__).parents[2]
GRACE_S = 10.0  # for what a killed command started to end
_MARKER = "qutiperf-results.json"
_RECORD = "record.json"


class TooLongError(BaseException):
    """The alarm; not an Exception, so that no broad `except` swallows it."""


class Ground:
    """Folders of one attack. Commands run in `work`, deep enough for `../../escape` to stay below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "a/b/c/work"
        self.out = self.work / "out"
        self.state = root / "state"
        self.temporary = root / "tmp"
        self._number = 0
        for folder in (self.work, self.state, self.temporary):
            folder.mkdir(parents=True)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        path.write_bytes(data)
        return path

    def copy(self, source: Path, name: str) -> Path:
        target = self.work / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        return target

    def environment(self) -> dict[str, str]:
        folders = {
            "HOME": self.state,
            "XDG_STATE_HOME": self.state,
            "XDG_CACHE_HOME": self.state,
            "TMPDIR": self.temporary,
        }
        return {
            **os.environ,
            **{name: str(path) for name, path in folders.items()},
            "PYTHONPATH": str(CHECKOUT),
        }

    def files(self, *, results: bool = True) -> set[str]:
        """Every path below `root` but state and captured output; without `results` not those of `out`."""
        found = set()
        for folder, folders, names in os.walk(self.root):
            here = Path(folder)
            if here == self.state or (here == self.out and not results):
                folders.clear()
                continue
            found |= {str((here / name).relative_to(self.root)) for name in [*folders, *names]}
        return {path for path in found if not _is_foreign(path)}

    def printed(self) -> tuple[Path, Path]:
        """Two fresh files for stdout and stderr."""
        self._number += 1
        return self.root / f"printed-{self._number}-out", self.root / f"printed-{self._number}-err"

    # --- in this process

    def call(
        self,
        arguments: Sequence[str],
        codes: Collection[int] = REFUSED,
        *,
        limit_s: float = 10.0,
        makes_results: bool = False,
    ) -> Outcome:
        """Runs a command line in this process and checks everything that must hold of it.

        A refused one writes nothing; with `makes_results` it may have made the results folder.
        """
        before = self.files()
        outcome = self._called(arguments, limit_s)
        check_outcome(outcome, codes)
        if outcome.code in REFUSED:
            check_refusal(outcome)
            self.check_files(before, results=not makes_results)
        else:
            self.check_files(before, results=False)
        return outcome

    def _called(self, arguments: Sequence[str], limit_s: float) -> Outcome:
        out, err = self.printed()
        words = ascii(" ".join(arguments))[:80]
        with _captured(out, err), contextlib.chdir(self.work), self._own_folders(), _alarm(limit_s):
            try:
                code = main(list(arguments))
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 1
            except TooLongError:
                raise NotHeldError(f"no end within {limit_s:.0f} s: {words}") from None
            except BaseException as error:  # noqa: BLE001 - any traceback is a failure
                raise NotHeldError(f"traceback: {type(error).__name__}: {_text_of(error)}") from None
        return _outcome(code, out, err)

    @contextlib.contextmanager
    def _own_folders(self) -> Iterator[None]:
        names = ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR")
        before, tempfile.tempdir = dict(os.environ), str(self.temporary)
        os.environ.update({name: self.environment()[name] for name in names})
        try:
            yield
        finally:
            tempfile.tempdir = None
            os.environ.clear()
            os.environ.update(before)

    # --- in a process of its own

    def start(
        self,
        arguments: Sequence[str],
        *,
        before: Callable[[], None] | None = None,
        changes: dict[str, str] | None = None,
        stdout: Path | None = None,
    ) -> "Started":
        """Starts `python -m qutiperf`, in a session of its own; `before` runs in the child."""
        out, err = self.printed()
        with (stdout or out).open("wb") as out_stream, err.open("wb") as err_stream:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "qutiperf", *arguments],
                cwd=self.work,
                env={**self.environment(), **(changes or {})},
                stdin=subprocess.DEVNULL,
                stdout=out_stream,
                stderr=err_stream,
                start_new_session=True,
                preexec_fn=before,  # noqa: PLW1509 - this process has one thread
            )
        return Started(process, out, err)

    def command(
        self,
        arguments: Sequence[str],
        codes: Collection[int],
        *,
        limit_s: float = 60.0,
        before: Callable[[], None] | None = None,
        changes: dict[str, str] | None = None,
        stdout: Path | None = None,
    ) -> Outcome:
        """Runs a command in a process of its own and checks everything that must hold of it."""
        files = self.files(results=False)
        outcome = self.start(arguments, before=before, changes=changes, stdout=stdout).end(limit_s)
        check_outcome(outcome, codes)
        if outcome.code in REFUSED:
            require(outcome.last_line.startswith("qutiperf: "), f"no error line: {shown(outcome.last_line)}")
        nothing_running()
        self.check_files(files, results=False)
        return outcome

    # --- afterwards

    def check_files(self, before: set[str], *, results: bool) -> None:
        """Nothing is new but what is in `out`; that neither if `results`."""
        after = self.files(results=results)
        allowed = set() if results else {str(self.out.relative_to(self.root))}
        new = sorted(after - before - allowed)
        require(not new, f"left behind: {', '.join(new[:3])}")

    def check_results(self) -> None:
        """Nothing is staged, every run folder is whole, and `show` can read them."""
        require((self.out / _MARKER).is_file(), "there is no results folder")
        left = [path.name for path in self.out.iterdir() if path.is_dir() and not (path / _RECORD).is_file()]
        require(not left, f"left in the results folder: {', '.join(sorted(left)[:3])}")
        self.call(["show", str(self.out), "--json"], [OK])

    def records(self) -> set[str]:
        return {path.parent.name for path in self.out.glob(f"*/{_RECORD}")}


def _is_foreign(path: str) -> bool:
    """Captured output, the state folder, Python's cache, and the session file of ONNX Runtime's telemetry."""
    return path.startswith(("printed-", "state")) or "__pycache__" in path or path == "tmp/.ses"


class Started:
    """A command that was started."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process, self._out, self._err = process, out, err

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def printed(self) -> str:
        return self._err.read_text(errors="replace")

    def end(self, limit_s: float) -> Outcome:
        """Waits; raises NotHeldError at the limit, after killing it."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            for each in [*self.descendants(), psutil.Process(self.process.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            self.process.wait()
            raise NotHeldError(f"no end within {limit_s:.0f} s: {shown(self.printed()[-200:])}") from None
        return _outcome(code, self._out, self._err)


def _text_of(error: BaseException) -> str:
    try:
        return shown(" ".join(str(error).split()))
    except Exception:  # noqa: BLE001 - the attack may have made it
        return "(its text cannot be had)"


def _outcome(code: int, out: Path, err: Path) -> Outcome:
    texts = [path.read_text(errors="replace") if path.exists() else "" for path in (out, err)]
    return Outcome(code, *texts)


@contextlib.contextmanager
def _captured(out: Path, err: Path) -> Iterator[None]:
    """Stdout and stderr into files, what native code prints too."""
    saved = [(number, os.dup(number)) for number in (1, 2)]
    streams = sys.stdout, sys.stderr
    for number, path in ((1, out), (2, err)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = streams
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)


@contextlib.contextmanager
def _alarm(limit_s: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def refused_folder(ground: Ground) -> str:
    """An `--out` that is refused, but only after everything else was checked: it holds a stranger's file."""
    ground.write("used/thesis.tex", "")
    return str(ground.work / "used")
