"""Keeps the indices of all queries in their order, off the measured path and in eight bytes each."""

from array import array
from collections.abc import Sequence

import numpy as np

from qutiperf.results.sample_order import SampleOrder, sample_order

_LARGE = 4096  # indices of a query that are only copied after the test


class AskedSamples:
    """`keep` takes a query of any size, `keep_short` one of a few samples in less time.

    A test uses one of them: `keep_short` goes on with the array that it began with.
    """

    def __init__(self) -> None:
        self._short = array("Q")
        self._parts: list[array[int] | Sequence[int]] = [self._short]
        self.keep_short = self._short.fromlist

    def keep(self, indices: Sequence[int]) -> None:
        """The list itself where it is long, since LoadGen's thread would copy it while streams compute."""
        if len(indices) > _LARGE:
            self._short = array("Q")
            self._parts += [indices, self._short]
        else:
            self._short.extend(indices)

    def order(self) -> SampleOrder:
        return sample_order(np.asarray(part, np.uint64) for part in self._parts)
