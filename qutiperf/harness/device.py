"""Loaded adapter instances and everything that is needed to answer queries with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qutiperf.adapters import AnyAdapter
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.classification import Task
from qutiperf.harness.samples import PreparedSamples, RawSamples, Samples
from qutiperf.harness.streams import Infer, padded


@dataclass(frozen=True, slots=True)
class Device:
    """Instances of one model, one a stream, with data and task; `benchmark` is its name in mlperf.conf."""

    adapters: Sequence[AnyAdapter]
    dataset: Dataset
    task: Task
    fixed_batch: int | None
    benchmark: str | None = None

    def tune(self, batch_size: int) -> None:
        for adapter in self.adapters:
            adapter.tune(self.fixed_batch or batch_size)

    def infers(self) -> list[Infer]:
        """One callable per instance, which pads batches where the model fixes their size."""
        like = np.empty((0, *self.dataset.sample_shape), self.dataset.dtype)
        plain: list[Infer] = [adapter.infer for adapter in self.adapters]
        if self.fixed_batch is None or self.fixed_batch == 1:
            return plain
        return [padded(infer, self.fixed_batch, like) for infer in plain]

    def samples(self, end_to_end: bool) -> Samples:
        return RawSamples(self.dataset) if end_to_end else PreparedSamples(self.dataset)

    def close(self) -> None:
        for adapter in self.adapters:
            adapter.close()
