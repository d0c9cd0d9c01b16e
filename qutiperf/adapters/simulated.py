"""A device that is exactly as fast as it is told: `latency_us + latency_per_input_us * batch`.

Examples and tests use it, and with no latency at all it measures what the harness itself costs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Optional

import numpy as np
import numpy.typing as npt

from qutiperf.adapters.base import Adapter, Array, Arrays, Completion, Model
from qutiperf.element_type import BEYOND_NUMPY
from qutiperf.errors import InputError

_SLEEP_MARGIN_NS = 200_000  # a sleep may oversleep by this much; the rest is waited for by yielding


@dataclass(frozen=True)
class Options:
    """Times in microseconds; `classes` scores per input, the largest at `sum(input) mod classes`."""

    latency_us: float = 0.0
    latency_per_input_us: float = 0.0
    classes: int = 10

    def __post_init__(self) -> None:
        if self.latency_us < 0 or self.latency_per_input_us < 0 or self.classes < 1:
            raise ValueError("latencies must be >= 0 and classes >= 1")


class Simulated(Adapter[Options]):
    """Deterministic: the answer depends on the input alone, the time on the batch alone."""

    options_type = Options
    many_tensors = True
    element_types = BEYOND_NUMPY
    open_sizes = True

    def load(self, model: Model, options: Options) -> None:
        if min(model.input_shape, default=1) < 1:
            raise InputError("simulated: the model's input has an empty dimension")
        self._options, self._axis, self._outputs = options, model.batch_axis, len(model.outputs)
        self._eye = np.eye(options.classes, dtype=np.float32)
        self._instant = options.latency_us == 0 and options.latency_per_input_us == 0
        self._answer: npt.NDArray[np.float32] = self._eye[:1]

    def tune(self, batch_size: int) -> None:
        self._answer = np.repeat(self._eye[:1], batch_size, axis=0)

    def infer(self, batch: Array) -> Completion:
        if self._instant:
            return Completion(self._answer[: len(batch)], None)
        started = time.perf_counter_ns()
        duration = self.duration_ns(len(batch))
        numbers = np.vectorize(len, [np.int64])(batch) if batch.dtype.kind == "O" else batch
        sums = numbers.reshape(len(batch), -1).sum(axis=1, dtype=np.float64)
        outputs = self._eye[sums.astype(np.int64) % self._options.classes]
        _wait_until(started + duration)
        return Completion(outputs, duration)

    def infer_many(self, batch: Arrays) -> tuple[Arrays, Optional[int]]:
        axis = self._axis
        first = batch[0][np.newaxis] if axis is None else np.moveaxis(batch[0], axis, 0)
        outputs, compute_ns = self.infer(first)
        return (outputs,) * self._outputs, compute_ns

    def duration_ns(self, batch_size: int) -> int:
        """The compute time of a batch, in nanoseconds."""
        options = self._options
        return round(1000 * (options.latency_us + options.latency_per_input_us * batch_size))

    def describe(self) -> dict[str, str]:
        return {"device": "simulated"}


def _wait_until(deadline_ns: int) -> None:
    remaining = deadline_ns - time.perf_counter_ns() - _SLEEP_MARGIN_NS
    if remaining > 0:
        time.sleep(remaining / 1e9)
    while time.perf_counter_ns() < deadline_ns:
        time.sleep(0)  # lets other threads run
