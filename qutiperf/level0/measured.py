"""Measured points, the input of a fit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qutiperf.level0.network import Array
from qutiperf.level0.predict import Points


@dataclass(frozen=True, slots=True)
class Measured:
    """Points with their measured inputs/s, the configuration and network group of each [points]."""

    points: Points
    throughput_ips: Array
    configuration: NDArray[np.int64]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.throughput_ips)

    def take(self, index: NDArray[np.int64]) -> "Measured":
        return Measured(
            self.points.take(index), self.throughput_ips[index], self.configuration[index], self.group[index]
        )

    @property
    def weights(self) -> Array:
        """1 / points of the same configuration."""
        _, inverse, counts = np.unique(self.configuration, return_inverse=True, return_counts=True)
        weights: Array = 1.0 / counts[inverse]
        return weights
