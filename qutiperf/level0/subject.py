"""The subject of a prediction: the network of a workload and its datatypes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.level0.count import requirements_of_file, requirements_of_model
from qutiperf.level0.graph import Shapes
from qutiperf.level0.network import Network, network_of
from qutiperf.level0.requirements import Requirements
from qutiperf.models.built import declare_built
from qutiperf.models.topologies import declare
from qutiperf.spec.formats import inputs_of
from qutiperf.spec.source import ConstantSource
from qutiperf.spec.workload import InputSpec, ModelSpec, Workload

_DATATYPE_OF_BITS = {32: "fp32", 16: "fp16", 8: "int8", 4: "int4", 2: "int2"}
DEFAULT_DATATYPE = "fp32"


@dataclass(frozen=True, slots=True)
class Subject:
    """A network, the datatype of its arithmetic and that of its stored weights."""

    network: Network
    datatype: str
    weight_datatype: str


def subject_of_workload(workload: Workload) -> Subject:
    """Raises InputError if there is no model to count."""
    spec = workload.model
    declared = declare_built(spec)
    if declared is not None:
        name = spec.topology.name if spec.topology else workload.name
        counted = requirements_of_model(declared, name, _shapes(spec.inputs))
    elif spec.file is not None:
        path, inputs = _readable(spec)
        counted = requirements_of_file(path, _shapes(inputs), _constants(inputs))
    else:
        raise InputError(
            "model: has neither file nor topology", where=workload.name, cure="nothing to predict"
        )
    if spec.many:
        layers = tuple(layer.repeated(spec.steps) for layer in counted.layers)
        counted = replace(counted, layers=layers, batch=spec.fixed_batch or 1)
    variant = workload.variant
    network = network_of(counted, variant.topology)
    weights = variant.weight_datatype or _datatype(counted.weight_bits)
    return Subject(network, variant.activation_datatype or weights, weights)


def _readable(spec: ModelSpec) -> tuple[Path, Sequence[InputSpec]]:
    """The file to count, and its inputs: the ONNX file if there is one, regardless of the loaded format."""
    for other in spec.other_files:
        if other.file.endswith(".onnx") and not str(spec.file).endswith(".onnx"):
            return Path(other.file), inputs_of(other, spec)
    return Path(str(spec.file)), spec.inputs


def _shapes(inputs: Sequence[InputSpec]) -> Shapes:
    """Of one batch: the file's own, or one sample."""
    return {each.name: [size if isinstance(size, int) else 1 for size in each.shape] for each in inputs}


def _constants(inputs: Sequence[InputSpec]) -> dict[str, float]:
    """The values that may decide which branch of the model is taken."""
    sources = {each.name: each.source for each in inputs}
    return {
        name: float(source.constant)
        for name, source in sources.items()
        if isinstance(source, ConstantSource) and not isinstance(source.constant, str)
    }


def subject_of_file(path: Path, input_shapes: Shapes | None = None) -> Subject:
    """Datatypes from the graph; raises InputError or SetupError."""
    return subject_of(requirements_of_file(path, input_shapes))


def subject_of_topology(name: str, channel_scale_percent: float) -> Subject:
    """A built network computes in fp32 by default; raises InputError."""
    return subject_of(requirements_of_model(declare(name, channel_scale_percent), name))


def subject_of(counted: Requirements) -> Subject:
    weights = _datatype(counted.weight_bits)
    return Subject(network_of(counted), weights, weights)


def _datatype(bits: float | None) -> str:
    """The datatype of a mean width; for mixed widths the next wider one."""
    if bits is None:
        return DEFAULT_DATATYPE
    wide_enough = [width for width in _DATATYPE_OF_BITS if width >= bits]
    return _DATATYPE_OF_BITS[min(wide_enough)] if wide_enough else DEFAULT_DATATYPE
