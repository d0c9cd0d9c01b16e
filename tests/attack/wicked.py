"""An adapter that does one wicked thing in one place; `FAULTS` and `ANSWERS` are its options' values."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Completion, Model

PLACES = ("load", "describe", "tune", "infer", "later", "figures", "close")
_SCORES = np.eye(10, dtype=np.float32)
_LATER = 20  # batches that are answered well before `later`


class SilentError(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


def _raises(error: BaseException) -> Callable[[], None]:
    def fault() -> None:
        raise error

    return fault


def _recurse() -> None:
    _recurse()


def _spin() -> None:
    while True:
        pass


def _hang_deaf() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(3600)


def _write_to_pipes() -> None:
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"garbage\n")
        except OSError:
            continue


def _delete_folder() -> None:
    for entry in Path().resolve().iterdir():
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()


def _close_streams() -> None:
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    for _ in range(3):  # or the next file that is opened gets the number
        os.open(os.devnull, os.O_RDWR)


ERRORS: dict[str, Callable[[], object]] = {
    "raises": _raises(RuntimeError("no such device: npu7")),
    "raises silently": _raises(SilentError()),
    "raises 5 MB": _raises(RuntimeError("x" * 5_000_000)),
    "raises escapes": _raises(RuntimeError("\x1b[2J\x1b]0;title\x07\r\n\x00")),
    "raises a surrogate": _raises(RuntimeError("\udcff\ud800")),
    "raises KeyboardInterrupt": _raises(KeyboardInterrupt()),
    "raises SystemExit": _raises(SystemExit(0)),
    "raises StopIteration": _raises(StopIteration()),
    "recurses": _recurse,
    "allocates": lambda: bytearray(1 << 60),
}
CRASHES: dict[str, Callable[[], object]] = {
    "exits 0": lambda: os._exit(0),
    "exits 5": lambda: os._exit(5),
    "aborts": os.abort,
    "segfaults": lambda: ctypes.string_at(0),
    "kills itself": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "closes its descriptors": lambda: os.closerange(3, 256),
}
HANGS: dict[str, Callable[[], object]] = {
    "hangs": lambda: time.sleep(3600),
    "spins": _spin,
}
DEAF: dict[str, Callable[[], object]] = {"hangs deaf": _hang_deaf}  # signals are for the main thread alone
HARMLESS: dict[str, Callable[[], object]] = {
    "changes the folder": lambda: os.chdir("/"),
    "prints 5 MB": lambda: sys.stdout.write("\x1b[31mx" * 1_000_000),
    "closes its streams": _close_streams,
    "ignores signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "starts a daemon": lambda: subprocess.Popen(["sleep", "3472"], start_new_session=True),
}
RUINS: dict[str, Callable[[], object]] = {
    "writes to pipes": _write_to_pipes,
    "deletes its folder": _delete_folder,
}
FAULTS = ERRORS | CRASHES | HANGS | DEAF | HARMLESS | RUINS


def _good(count: int) -> Array:
    return _SCORES[np.zeros(count, int)]


def _with(value: float) -> Callable[[int], object]:
    return lambda count: (np.full((count, 10), value, np.float32), None)


WRONG: dict[str, Callable[[int], object]] = {
    "None": lambda count: None,
    "a number": lambda count: 3,
    "an array alone": _good,
    "three values": lambda count: (_good(count), None, None),
    "no array": lambda count: (None, None),
    "a scalar": lambda count: (np.float32(1), None),
    "a row more": lambda count: (_good(count + 1), None),
    "a row less": lambda count: (_good(count - 1), None),
    "no columns": lambda count: (_good(count)[:, :0], None),
    "NaN": _with(float("nan")),
    "texts": lambda count: (np.full((count, 10), "x"), None),
    "objects": lambda count: (np.full((count, 10), None), None),
}
CLOCKS: dict[str, Callable[[int], object]] = {
    "a clock below zero": lambda count: (_good(count), -5),
    "a clock of 2^80": lambda count: (_good(count), 1 << 80),
    "a clock of an hour": lambda count: (_good(count), 3_600_000_000_000),
    "a clock of NaN": lambda count: (_good(count), float("nan")),
    "a clock of text": lambda count: (_good(count), "soon"),
    "a clock of a list": lambda count: (_good(count), [1]),
}
ANSWERS = WRONG | CLOCKS


@dataclass(frozen=True)
class Options:
    """One fault of `FAULTS` in a place, or one answer of `ANSWERS`."""

    place: str = ""
    fault: str = ""
    answer: str = ""


class Wicked(Adapter[Options]):
    """Good but for its one fault, which comes once."""

    options_type = Options
    _options = Options()
    _batches = 0

    def _in(self, place: str) -> None:
        if place == self._options.place:
            FAULTS[self._options.fault]()

    def load(self, model: Model, options: Options) -> None:
        self._options = options
        self._in("load")

    def describe(self) -> dict[str, str]:
        self._in("describe")
        return {}

    def tune(self, batch_size: int) -> None:
        self._in("tune")

    def infer(self, batch: Array) -> Completion:
        self._batches += 1
        if self._batches == 1:
            self._in("infer")
        if self._batches == _LATER:
            self._in("later")
        time.sleep(0.0002)
        if self._options.answer and self._batches >= _LATER:
            return ANSWERS[self._options.answer](len(batch))  # type: ignore[return-value]  # that is the fault
        return Completion(_good(len(batch)))

    def figures(self) -> dict[str, float]:
        self._in("figures")
        return {}

    def close(self) -> None:
        self._in("close")
