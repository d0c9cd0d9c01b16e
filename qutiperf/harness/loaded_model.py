"""Loaded adapter instances and everything that is needed to answer queries with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from qutiperf.adapters.base import Model
from qutiperf.adapters.registry import AnyAdapter
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.datasets.task import Task
from qutiperf.harness.fresh_samples import Numbers
from qutiperf.harness.many import InferMany, ManySamples, as_tuple, filled, first_output, stepwise
from qutiperf.harness.padded import PaddedSamples
from qutiperf.harness.samples import KeptSamples, PreparedSamples, Preparing, RawSamples, Samples
from qutiperf.harness.streams import Infer, padded
from qutiperf.spec.workload import ModelSpec

UNITS = ("_ns", "_us", "_ms", "_s", "_mb", "_mb_per_s", "_percent")


@dataclass(slots=True)
class LoadedModel:
    """Instances of one model, one a stream, with data and task; `benchmark` is its name in mlperf.conf.

    `spec` and `model` are needed for models that are `many`; `numbers` are the samples that LoadGen's
    numbers stand for, if these are not the same. `probed` is set by the first probe.
    """

    adapters: Sequence[AnyAdapter]
    dataset: Dataset
    task: Task
    fixed_batch: int | None
    benchmark: str | None = None
    spec: ModelSpec | None = None
    model: Model | None = None
    preparing: Preparing = field(default_factory=Preparing)
    probed: bool = False
    numbers: Numbers | None = None
    _samples: Samples | None = None

    def tune(self, batch_size: int) -> None:
        for adapter in self.adapters:
            adapter.tune(self.fixed_batch or batch_size)

    @property
    def over_network(self) -> bool:
        return any(adapter.over_network for adapter in self.adapters)

    def infers(self) -> list[Infer]:
        """One callable per instance, which pads batches where the model fixes their size."""
        if isinstance(self.dataset, ManyInputs):
            return self._many_infers(self.dataset)
        like = np.empty((0, *self.dataset.sample_shape), self.dataset.dtype)
        plain: list[Infer] = [adapter.infer for adapter in self.adapters]
        if self.fixed_batch is not None and self.fixed_batch > 1:
            plain = [padded(infer, self.fixed_batch, like) for infer in plain]
        return [cast("Infer", as_tuple(infer)) for infer in plain] if self.task.takes_all else plain

    def samples(self, end_to_end: bool) -> Samples:
        """Those of a run; prepared ones are the same object in every run."""
        if end_to_end:
            return self._renumbered(RawSamples(self.dataset))
        if self._samples is None:
            self._samples = self._renumbered(self._prepared_samples())
        return self._samples

    def _renumbered(self, samples: Samples) -> Samples:
        if self.numbers is not None:
            samples.renumber(self.numbers)
        return samples

    @property
    def samples_mapped(self) -> bool:
        """Whether the samples in memory are those of a file that processes share."""
        return isinstance(self._samples, KeptSamples) and self._samples.mapped

    def padding_share_percent(self) -> float | None:
        """Of the last run; None where all samples have the same size."""
        samples = cast("object", self._samples)
        if not isinstance(samples, PaddedSamples):
            return None
        return samples.padding_share_percent(len(self.adapters))

    def _prepared_samples(self) -> Samples:
        dataset = self.dataset
        if not isinstance(dataset, ManyInputs):
            return PreparedSamples(dataset, self.preparing)
        spec, model = self._tensors()
        if spec.padded:
            return cast("Samples", PaddedSamples(dataset, model, spec, self.preparing))
        # the batches of these samples go to the callables of _many_infers alone, which take tuples
        return cast("Samples", ManySamples(dataset, model, spec.steps, self.preparing))

    def _many_infers(self, dataset: ManyInputs) -> list[Infer]:
        spec, _ = self._tensors()
        found = []
        for adapter in self.adapters:
            infer: InferMany = adapter.infer_many
            if spec.steps > 1:
                infer = stepwise(infer, spec, dataset.shared)
            if self.fixed_batch is not None and self.fixed_batch > 1:
                infer = filled(infer, self._axes(dataset), self.fixed_batch)
            found.append(cast("Infer", infer if self.task.takes_all else first_output(infer)))
        return found

    def _axes(self, dataset: ManyInputs) -> list[int | None]:
        """The batch axis of each array of a batch; an array of a sequence has its steps first."""
        spec, model = self._tensors()
        steps = int(spec.steps > 1)
        return [
            None if tensor.batch_axis is None else tensor.batch_axis + (steps if shared is None else 0)
            for tensor, shared in zip(model.inputs, dataset.shared, strict=True)
        ]

    def _tensors(self) -> tuple[ModelSpec, Model]:
        if self.spec is None or self.model is None:
            raise ValueError("a model of several tensors needs its spec and its model")
        return self.spec, self.model

    def figures(self) -> dict[str, float]:
        """The adapters' own numbers of the last run: sums of counts, means of what has a unit."""
        found: dict[str, list[float]] = {}
        for adapter in self.adapters:
            for name, value in adapter.figures().items():
                found.setdefault(name, []).append(value)
        return {
            name: sum(values) / (len(values) if name.endswith(UNITS) else 1) for name, values in found.items()
        }

    def close(self) -> None:
        for adapter in self.adapters:
            adapter.close()
