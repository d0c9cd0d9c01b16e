"""The network that a workload's `model: {topology: ...}` specifies."""

from pathlib import Path

import onnx

from qutiperf.models.topologies import check_seed, declare, write
from qutiperf.spec.workload import InputSpec, Topology

BATCH = "batch"


def declare_for(topology: Topology, source: InputSpec) -> onnx.ModelProto:
    """Without weights; raises InputError if there is no such network or the input does not fit it."""
    check_seed(topology.seed, topology.name)
    batch = source.fixed_batch or BATCH
    return declare(topology.name, topology.channel_scale_percent, _size(source), batch)


def write_for(topology: Topology, source: InputSpec, path: Path) -> None:
    """Builds the file; raises InputError, or SetupError if it cannot be written."""
    batch = source.fixed_batch or BATCH
    write(path, topology.name, topology.channel_scale_percent, _size(source), batch, topology.seed)


def _size(source: InputSpec) -> int | None:
    """Side of a square image in pixels; None (as published) for a vector."""
    return source.sample_shape[-1] if len(source.sample_shape) == 3 else None
