"""The network that a workload's `model: {topology: ...}` specifies."""

import math
from pathlib import Path

import numpy as np
import onnx

from qutiperf.errors import SetupError
from qutiperf.models.narrowed import in_fp16, with_int4_weights
from qutiperf.models.topologies import build, check_seed, check_weights, declare, save
from qutiperf.spec.topology import Topology
from qutiperf.spec.workload import InputSpec

BATCH = "batch"
_CALIBRATED = 4  # images


def declare_for(topology: Topology, source: InputSpec) -> onnx.ModelProto:
    """Without weights; raises InputError if there is no such network or the input does not fit it."""
    check_seed(topology.seed, topology.name)
    batch = source.fixed_batch or BATCH
    model = declare(topology.name, topology.channel_scale_percent, _size(source), batch)
    check_weights(model, topology.name)
    return model


def write_for(topology: Topology, source: InputSpec, path: Path) -> None:
    """Builds the file; raises InputError, or SetupError if it cannot be written or quantised."""
    batch = source.fixed_batch or BATCH
    sparsity = topology.sparsity_percent or 0.0
    model = build(
        topology.name, topology.channel_scale_percent, _size(source), batch, topology.seed, sparsity
    )
    if topology.datatype == "int8":
        model = _int8(model, source, topology)
    elif topology.datatype == "fp16":
        model = in_fp16(model)
    elif topology.datatype == "int4":
        model = with_int4_weights(model)
    save(model, path)


def _int8(model: onnx.ModelProto, source: InputSpec, topology: Topology) -> onnx.ModelProto:
    """Calibrated on a batch of random images, as of the dataset `synthetic`."""
    try:
        from qutiperf.models.digits.quantise import quantise_int8
    except ImportError as error:
        cure = "pip install onnxruntime"
        raise SetupError(f"int8 needs ONNX Runtime: {error}", where=topology.name, cure=cure) from None
    shape = (source.fixed_batch or _CALIBRATED, *source.sample_shape)
    return quantise_int8(model, np.random.default_rng(topology.seed).random(shape, np.float32))


def _size(source: InputSpec) -> int | None:
    """Side of a square image in pixels, also of a vector; None (as published) for other shapes."""
    shape = source.sample_shape
    return {1: math.isqrt(shape[-1]), 3: shape[-1]}.get(len(shape)) if shape else None
