"""The models that a workload names instead of a file: topologies, layers, stacks and blocks."""

from pathlib import Path

import onnx

from qutiperf.models.parts import declare_part, write_part
from qutiperf.models.topology_spec import declare_for, write_for
from qutiperf.spec.workload import ModelSpec


def declare_built(spec: ModelSpec) -> onnx.ModelProto | None:
    """Without weights, None for a model that is not built; raises InputError if it cannot be built."""
    if spec.topology is not None:
        return declare_for(spec.topology, spec.input)
    return None if spec.part is None else declare_part(spec.part)


def write_built(spec: ModelSpec, path: Path) -> None:
    """Builds the file; raises InputError, or SetupError if it cannot be written."""
    if spec.topology is not None:
        write_for(spec.topology, spec.input, path)
    elif spec.part is not None:
        write_part(spec.part, path)
