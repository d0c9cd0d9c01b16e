"""The device that every animal of the zoo is, and what code inside a worker can spy out.

An adapter runs in the process of the harness, so it can see far more than its interface gives it. Cheats
that know whether they are timed, or audited, look at the stack of the thread that runs LoadGen.
"""

import sys
import time
from dataclasses import dataclass
from time import perf_counter_ns as now
from types import FrameType

import numpy as np

from qutiperf.adapters.base import Adapter, Array, Completion, Model
from qutiperf.adapters.onnxruntime import OnnxRuntime
from qutiperf.adapters.onnxruntime import Options as OnnxRuntimeOptions
from qutiperf.loadgen.settings import TestRequest
from qutiperf.spec.scenario import Mode

_SLEEP_MARGIN_NS = 300_000  # a sleep may oversleep by this much; the rest is waited for by yielding


@dataclass(frozen=True)
class Options:
    """`cheat` is off in the honest twin; times in microseconds; `state` is a folder that outlives a run."""

    cheat: bool = True
    state: str = ""
    latency_us: float = 2000.0
    latency_per_input_us: float = 50.0


class Device(Adapter[Options]):
    """A model in onnxruntime that takes `latency_us + latency_per_input_us * n` for n inputs."""

    options_type = Options
    model_suffixes = (".onnx",)

    def load(self, model: Model, options: Options) -> None:
        self._options, self._network = options, network(model)
        self.prepare(model)

    def prepare(self, model: Model) -> None:
        """What a cheat sets up, outside any timed query."""

    def infer(self, batch: Array) -> Completion:
        return self.cheat(batch) if self._options.cheat else self.work(batch)

    def cheat(self, batch: Array) -> Completion:
        return self.work(batch)

    def work(self, batch: Array) -> Completion:
        """The honest answer, after the time it takes."""
        started = now()
        outputs = self.answers(batch)
        self.wait(started, len(batch))
        return Completion(outputs, now() - started)

    def answers(self, batch: Array) -> Array:
        """The model's answers [n, 10], in no more time than onnxruntime takes."""
        return self._network.infer(np.ascontiguousarray(batch))[0]

    def wait(self, started: int, count: int, share: float = 1.0) -> None:
        """Until `count` inputs are computed that were started then; `share` of the honest time."""
        options = self._options
        time_ns = 1000 * (options.latency_us + options.latency_per_input_us * count)
        wait_until(started + round(share * time_ns))

    def close(self) -> None:
        self._network.close()


def network(model: Model) -> OnnxRuntime:
    """The model in onnxruntime, on one thread."""
    loaded = OnnxRuntime()
    loaded.load(model, OnnxRuntimeOptions(threads=1))
    return loaded


def wait_until(deadline_ns: int) -> None:
    remaining = deadline_ns - now() - _SLEEP_MARGIN_NS
    if remaining > 0:
        time.sleep(remaining / 1e9)
    while now() < deadline_ns:
        time.sleep(0)  # lets other threads run


def running_test() -> TestRequest | None:
    """What LoadGen was called with; None outside a test."""
    frame = _frame("run_test")
    request = frame.f_locals.get("request") if frame else None
    return request if isinstance(request, TestRequest) else None


def timed() -> bool:
    """Whether a performance run, or the trial before it, is under way."""
    request = running_test()
    return request.mode is Mode.PERFORMANCE if request else _frame("_probe") is not None


def _frame(function: str) -> FrameType | None:
    """The innermost call of a function on any thread."""
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_code.co_name == function:
                return frame
            frame = frame.f_back
    return None
