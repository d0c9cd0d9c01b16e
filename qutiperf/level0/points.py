"""Combines networks, platforms and settings into the arrays that a prediction takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qutiperf.level0.capability import Capability
from qutiperf.level0.network import Network
from qutiperf.level0.predict import Points


@dataclass(frozen=True, slots=True)
class PredictedPoint:
    """One point: the number of its network, the capability that it runs on, and the inputs in flight.

    `in_flight` is the batch size, or the number of streams on a platform with several cores; `share` is the
    part of an FPGA's fabric that the design uses, 1 elsewhere.
    """

    network: int
    capability: Capability
    in_flight: float
    share: float = 1.0


def points_of(networks: Sequence[Network], settings: Sequence[PredictedPoint]) -> Points:
    """Arrays over `settings`, in their order."""
    able = [setting.capability for setting in settings]
    return Points(
        networks=networks,
        network=np.array([setting.network for setting in settings], dtype=np.int64),
        batch=np.array([setting.in_flight for setting in settings], dtype=np.float64),
        weight_bytes=np.array([one.weight_bytes for one in able]),
        activation_bytes=np.array([one.activation_bytes for one in able]),
        peak=np.array([one.peak for one in able]),
        narrow_peak=np.array([one.narrow_peak for one in able]),
        bandwidth=np.array([one.bandwidth for one in able]),
        on_chip_bytes=np.array([one.on_chip_bytes for one in able]),
        clock_ratio=np.array([one.clock_ratio for one in able]),
        share=np.array([setting.share for setting in settings], dtype=np.float64),
        cores=np.array([one.cores for one in able], dtype=np.float64),
        caches=np.array([one.caches for one in able], dtype=bool),
    )
