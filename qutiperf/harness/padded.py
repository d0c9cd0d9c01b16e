"""Samples of different lengths: batches padded to one size, and the share of them that is padding."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from qutiperf.adapters.base import Array, Arrays, Model
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.harness.many import ManySamples
from qutiperf.harness.samples import Preparing
from qutiperf.spec.workload import ModelSpec


class Tally:
    """Elements of the padded inputs that one stream had: all of them, and those with data."""

    __slots__ = ("data", "elements")

    def __init__(self) -> None:
        self.elements = self.data = 0


class PaddedSamples(ManySamples):
    """As ManySamples; inputs that differ in length are kept sample by sample, and padded when gathered.

    LoadGen's order is kept: samples are not sorted by length.
    """

    def __init__(self, dataset: ManyInputs, model: Model, spec: ModelSpec, preparing: Preparing) -> None:
        super().__init__(dataset, model, 1, preparing)
        self._ragged = dataset.ragged
        self._leaders = [
            number for number, each in enumerate(spec.inputs) if each.padding and each.leader is None
        ]
        self._samples: dict[int, list[Array | float]] = {}
        self._lengths: dict[int, list[int]] = {}
        self._tallies: list[Tally] = []

    def _take(self, order: Sequence[int]) -> None:
        for number, ragged in self._ragged.items():
            self._samples[number] = [ragged.one(index) for index in order]
            self._lengths[number] = [int(ragged.lengths[index]) for index in order]
        self._rows = self._dataset.load_fixed(order)
        self._singles = [self._batch([slot]) for slot in range(len(order))]

    def scratch(self, batch_size: int) -> Arrays:
        """The tally of a stream; the harness only passes it on to `gather`."""
        tally = Tally()
        self._tallies.append(tally)
        return cast("Arrays", tally)

    def gather(self, prepared: Sequence[int], scratch: Arrays) -> Arrays:
        self._keep_count([self._slots[index] for index in prepared], cast("Tally", scratch))
        return super().gather(prepared, scratch)

    def padding_share_percent(self, streams: int) -> float | None:
        """Of the elements in the batches of the last test, which had as many streams."""
        last = self._tallies[-streams:]
        elements = sum(tally.elements for tally in last)
        return 100 * (1 - sum(tally.data for tally in last) / elements) if elements else None

    def _keep_count(self, slots: Sequence[int], tally: Tally) -> None:
        for number in self._leaders:
            ragged, lengths = self._ragged[number], self._lengths[number]
            longest = total = 0
            for slot in slots:
                length = lengths[slot]
                total += length
                longest = max(longest, length)
            each = ragged.elements_of_a_step
            tally.data += each * total
            tally.elements += each * len(slots) * ragged.size_for(longest)

    def _tensor(self, number: int, slots: Sequence[int]) -> Array:
        ragged = self._ragged.get(number)
        if ragged is None:
            return super()._tensor(number, slots)
        samples, lengths = self._samples[number], self._lengths[number]
        chosen = [lengths[slot] for slot in slots]
        batch = ragged.batch([samples[slot] for slot in slots], chosen, ragged.size_for(max(chosen)))
        axis = self._axes[number]
        return np.asarray(batch[0]) if axis is None else self._placed(axis, batch)
