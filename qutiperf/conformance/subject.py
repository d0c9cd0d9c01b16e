"""The adapter under test: class, options, inputs and number of calls."""

from pathlib import Path
from time import monotonic, perf_counter_ns

import numpy as np

from qutiperf.adapters.base import Array, Model
from qutiperf.adapters.registry import AnyAdapter, adapter_class, make_options
from qutiperf.conformance.finding import CheckJob
from qutiperf.datasets import open_samples
from qutiperf.harness.load import model_for
from qutiperf.harness.streams import Infer, padded

BATCH = 8
_FLOAT_TOLERANCE = 2e-3  # of the largest output; reordered sums in float16 and TF32 differ by less


class LoadedAdapter:
    """Loads instances in this process; imports the adapter's module once, like a worker."""

    def __init__(self, job: CheckJob, folder: Path) -> None:
        self.sut, self.workload, self.folder = job.sut, job.workload, folder
        self.adapter = adapter_class(job.sut.adapter)
        self.model = model_for(job.workload, folder)
        self.dataset = open_samples(job.workload)
        self.batch = self.model.fixed_batch or _batch_size(job)
        self.calls = 0
        self._budget_s, self._started = job.budget_s, monotonic()

    @property
    def runs_models(self) -> bool:
        """True if answers come from the model, unlike those of the simulated device."""
        return self.sut.adapter != "simulated" and bool(self.model.path)

    def in_time(self, share: float = 1.0) -> bool:
        return monotonic() - self._started < self._budget_s * share

    def inputs(self, count: int) -> Array:
        """[count, ...] of the workload's samples, repeated from the first if there are fewer."""
        return self.dataset.load([index % self.dataset.count for index in range(count)])

    def load(self, batch_size: int | None = None, model: Model | None = None) -> "Loaded":
        instance = self.adapter()
        instance.load(model or self.model, make_options(self.adapter, dict(self.sut.options), self.sut.name))
        loaded = Loaded(self, instance, (model or self.model).fixed_batch)
        loaded.tune(batch_size or self.batch)
        return loaded

    def tolerance(self, expected: Array) -> float:
        """The largest allowed difference between two answers to the same input."""
        if expected.dtype.kind == "f":
            return _FLOAT_TOLERANCE * float(np.abs(expected).max(initial=0))
        return 1.0 if self.workload.model.output.kind == "scores" else 0.0

    def difference(self, expected: Array, actual: Array) -> str | None:
        """A description of the difference between two answers, None if there is none."""
        if expected.shape != actual.shape:
            return f"shape {list(actual.shape)}, not {list(expected.shape)}"
        apart = float(np.abs(expected.astype(np.float64) - actual.astype(np.float64)).max(initial=0))
        if apart <= self.tolerance(expected):
            return None
        return f"outputs differ by up to {apart:.3g}; the limit is {self.tolerance(expected):.3g}"


class Loaded:
    """One instance with counted calls; inputs are separate copies, and outputs are copied immediately."""

    def __init__(self, subject: LoadedAdapter, instance: AnyAdapter, fixed_batch: int | None) -> None:
        self.instance, self._subject, self._fixed = instance, subject, fixed_batch

    def tune(self, batch_size: int) -> None:
        self.instance.tune(self._fixed or batch_size)

    def answer(self, batch: Array) -> Array:
        return np.array(self.timed(batch)[0])

    def timed(self, batch: Array) -> tuple[Array, int | None, int]:
        """The original outputs, the device's time, and the duration of the call in nanoseconds."""
        private = np.array(batch)
        infer: Infer = self.instance.infer
        if self._fixed is not None and len(private) != self._fixed:
            infer = padded(infer, self._fixed, private[:0])
        self._subject.calls += 1
        before = perf_counter_ns()
        outputs, compute_ns = infer(private)
        return outputs, compute_ns, perf_counter_ns() - before

    def close(self) -> None:
        self.instance.close()


def _batch_size(job: CheckJob) -> int:
    """8, or less if the SUT file only allows smaller batches."""
    choices = [int(size) for size in job.sut.deployment.tune.get("batch_size", [])]
    return min(BATCH, max(choices, default=BATCH))
