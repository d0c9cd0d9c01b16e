"""Adapters that fail, each in one way; real ones, run through the whole path."""

import contextlib
import ctypes
import os
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Completion, Model
from qutiperf.errors import SetupError

SCORES = np.eye(10, dtype=np.float32)


@dataclass(frozen=True)
class Options:
    """`good_batches` are answered well before the fault shows."""

    good_batches: int = 3


class Good(Adapter[Options]):
    """Answers the class 0; prints, as careless runtimes do."""

    options_type = Options

    def load(self, model: Model, options: Options) -> None:
        print("loading")
        self._left = options.good_batches

    def infer(self, batch: Array) -> Completion:
        time.sleep(0.0002)
        self._left -= 1
        return self.fault(batch) if self._left < 0 else Completion(SCORES[np.zeros(len(batch), int)])

    def fault(self, batch: Array) -> Completion:
        return Completion(SCORES[np.zeros(len(batch), int)])


class RunsOutOfMemory(Good):
    """Fails for batches of more than `good_batches` inputs; all others take the same time."""

    def infer(self, batch: Array) -> Completion:
        time.sleep(0.0005)
        if len(batch) > self._left:
            raise MemoryError(f"no memory for {len(batch)} inputs")
        return Completion(SCORES[np.zeros(len(batch), int)])


class SpeedsUp(Good):
    """Takes 20 ms for a call at first, half of that every fourth call, 0.5 ms in the end."""

    _calls = 0

    def infer(self, batch: Array) -> Completion:
        time.sleep(max(0.02 / 2 ** (self._calls / 4), 0.0005))
        self._calls += 1
        return Completion(SCORES[np.zeros(len(batch), int)])


class RaisesInLoad(Good):
    def load(self, model: Model, options: Options) -> None:
        raise RuntimeError("no such device: npu7")


class LacksDevice(Good):
    def load(self, model: Model, options: Options) -> None:
        raise SetupError("no device npu7", cure="plug it in")


class NotInstalled(Good):
    runtime_module = "a_runtime_that_nobody_has"
    extra = "npu"


class RaisesInInfer(Good):
    def fault(self, batch: Array) -> Completion:
        raise RuntimeError("the device was\nlost")


class WrongShape(Good):
    def fault(self, batch: Array) -> Completion:
        return Completion(SCORES[:1, :0])


class WrongBatch(Good):
    def fault(self, batch: Array) -> Completion:
        return Completion(SCORES[np.zeros(len(batch) + 1, int)])


class NotANumber(Good):
    def fault(self, batch: Array) -> Completion:
        scores = SCORES[np.zeros(len(batch), int)].copy()
        scores[-1, 3] = np.nan
        return Completion(scores)


class Hangs(Good):
    def fault(self, batch: Array) -> Completion:
        time.sleep(3600)
        return super().fault(batch)


class Crashes(Good):
    def fault(self, batch: Array) -> Completion:
        sys.stderr.write("about to crash\n")
        sys.stderr.flush()
        ctypes.string_at(0)
        return super().fault(batch)


class Exits(Good):
    def fault(self, batch: Array) -> Completion:
        os._exit(5)


class StartsChildren(Good):
    """One in the worker's own session, one in another."""

    def load(self, model: Model, options: Options) -> None:
        super().load(model, options)
        for session in (False, True):
            subprocess.Popen(["sleep", "3471"], start_new_session=session)


class RaisesInClose(Good):
    def close(self) -> None:
        raise RuntimeError("the device does not let go")


class ExitsInClose(Good):
    def close(self) -> None:
        os._exit(3)


class ExitsWellInClose(Good):
    def close(self) -> None:
        os._exit(0)


class LeavesInClose(Good):
    def close(self) -> None:
        sys.exit(0)


class HangsInClose(Good):
    def close(self) -> None:
        time.sleep(3600)


class SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError


class RaisesSilently(Good):
    def fault(self, batch: Array) -> Completion:
        raise SilentError


class RaisesSurrogates(Good):
    def fault(self, batch: Array) -> Completion:
        raise RuntimeError("\udcff")


class LongError(Good):
    def fault(self, batch: Array) -> Completion:
        raise RuntimeError("x" * 5_000_000)


class WritesToEveryPipe(Good):
    def fault(self, batch: Array) -> Completion:
        for descriptor in range(3, 64):
            with contextlib.suppress(OSError):
                if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                    os.write(descriptor, b"garbage\n")
        return super().fault(batch)


class DeletesItsFolder(Good):
    def fault(self, batch: Array) -> Completion:
        for folder in Path().iterdir():
            shutil.rmtree(folder, ignore_errors=True)
        return super().fault(batch)


class NoAdapter:
    """Not derived from Adapter."""
