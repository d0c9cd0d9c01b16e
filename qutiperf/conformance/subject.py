"""The adapter under test: class, options, inputs and number of calls."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic, perf_counter_ns
from typing import cast

import numpy as np

from qutiperf.adapters.base import Array, Arrays, Model
from qutiperf.adapters.registry import AnyAdapter, adapter_class, make_options
from qutiperf.conformance.finding import CheckJob
from qutiperf.datasets import open_samples
from qutiperf.datasets.classification import Unjudged
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.datasets.task import Task
from qutiperf.harness.load import model_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.samples import Samples
from qutiperf.harness.streams import Infer, padded

BATCH = 8
MOST_HELD = 256  # samples of a model with several inputs, in memory
_FLOAT_TOLERANCE = 2e-3  # of the largest output; reordered sums in float16 and TF32 differ by less


class LoadedAdapter:
    """Loads instances in this process; imports the adapter's module once, like a worker."""

    def __init__(self, job: CheckJob, folder: Path) -> None:
        self.sut, self.workload, self.folder = job.sut, job.workload, folder
        self.adapter = adapter_class(job.sut.adapter)
        self.model = model_for(job.workload, folder)
        self.dataset = open_samples(job.workload)
        self.batch = self.model.fixed_batch or _batch_size(job)
        self.many = self.model.many
        self._held = min(self.dataset.count, MOST_HELD)
        self._samples: Samples | None = None
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
        return self.inputs_at(
            [index % (self._held if self.many else self.dataset.count) for index in range(count)]
        )

    def inputs_at(self, indices: Sequence[int]) -> Array:
        """Samples; of a model with several inputs their numbers, of which `Loaded` makes tensors."""
        return np.array(indices, np.int64) if self.many else self.dataset.load(indices)

    def tensors_of(self, numbers: Array) -> Arrays:
        """A batch of a model with several inputs."""
        # its samples are ManySamples, which make a tuple of a batch
        return cast("Arrays", self.samples().gather(numbers.tolist(), self._scratch))

    def first_step(self, batch: Arrays) -> Arrays:
        """The first step of a batch of sequences, which is what the adapter is given."""
        if self.workload.model.steps == 1 or not isinstance(self.dataset, ManyInputs):
            return batch
        shared = self.dataset.shared
        return tuple(array[0] if one is None else array for array, one in zip(batch, shared, strict=True))

    def samples(self) -> Samples:
        """Prepared ones, as the harness has them."""
        if self._samples is None:
            self._samples = self.loaded_model([]).samples(False)
            self._samples.load(range(self._held))
            self._scratch = self._samples.scratch(1)  # not used by samples of several inputs, but tallied
        return self._samples

    def loaded_model(self, instances: Sequence[AnyAdapter], task: Task | None = None) -> LoadedModel:
        """As the harness has it; with no task every answer is ignored."""
        spec, model = self.workload.model, self.model
        return LoadedModel(instances, self.dataset, task or Unjudged(), model.fixed_batch, None, spec, model)

    def load(self, batch_size: int | None = None, model: Model | None = None) -> "Loaded":
        instance = self.adapter()
        instance.load(model or self.model, make_options(self.adapter, dict(self.sut.options), self.sut.name))
        loaded = Loaded(self, instance, model or self.model)
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
        if expected.dtype.kind == "O":
            return None if np.array_equal(expected, actual) else "other texts"
        apart = float(np.abs(expected.astype(np.float64) - actual.astype(np.float64)).max(initial=0))
        if apart <= self.tolerance(expected):
            return None
        return f"outputs differ by up to {apart:.3g}; the limit is {self.tolerance(expected):.3g}"


class Loaded:
    """One instance with counted calls; inputs are separate copies, and outputs are copied immediately."""

    def __init__(self, subject: LoadedAdapter, instance: AnyAdapter, model: Model) -> None:
        self.instance, self._subject, self._fixed = instance, subject, model.fixed_batch
        self._many = subject.loaded_model([instance]).infers()[0] if model.many else None

    def tune(self, batch_size: int) -> None:
        self.instance.tune(self._fixed or batch_size)

    def answer(self, batch: Array) -> Array:
        return np.array(self.timed(batch)[0])

    def timed(self, batch: Array) -> tuple[Array, int | None, int]:
        """The original outputs, the device's time, and the duration of the call in nanoseconds.

        Of a model with several outputs these are the first.
        """
        if self._many is not None:
            return self._timed_many(batch, self._many)
        private = np.array(batch)
        infer: Infer = self.instance.infer
        if self._fixed is not None and len(private) != self._fixed:
            infer = padded(infer, self._fixed, private[:0])
        self._subject.calls += 1
        before = perf_counter_ns()
        outputs, compute_ns = infer(private)
        return outputs, compute_ns, perf_counter_ns() - before

    def _timed_many(self, numbers: Array, infer: Infer) -> tuple[Array, int | None, int]:
        tensors = tuple(np.array(array) for array in self._subject.tensors_of(numbers))
        self._subject.calls += 1
        before = perf_counter_ns()
        outputs, compute_ns = infer(tensors)  # type: ignore[arg-type]  # a tuple, as its model is many
        return outputs, compute_ns, perf_counter_ns() - before

    def close(self) -> None:
        self.instance.close()


def _batch_size(job: CheckJob) -> int:
    """8, or less if the SUT file only allows smaller batches."""
    choices = [int(size) for size in job.sut.deployment.tune.get("batch_size", [])]
    return min(BATCH, max(choices, default=BATCH))
