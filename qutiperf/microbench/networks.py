"""The networks whose layers are measured or predicted: workloads, model files and topologies by name."""

from dataclasses import dataclass
from pathlib import Path

import onnx

from qutiperf.errors import InputError
from qutiperf.level0.graph import Shapes, read_model
from qutiperf.microbench.fusion import Fusion, fusion_of
from qutiperf.microbench.network_layers import NetworkLayers, layers_of_model
from qutiperf.models.topologies import TOPOLOGIES, build, declare
from qutiperf.models.workload_of import Given, workload_of_file
from qutiperf.regular_file import unreadable
from qutiperf.run.pairing import chosen_for
from qutiperf.spec.config import shortened
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.topology import Topology
from qutiperf.spec.variant import Variant
from qutiperf.spec.workload import InputSpec, ModelSpec, OutputSpec, Workload, load_workload

SCALE_SIGN = "@"
_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class WholeNetwork:
    """A network as a workload, and its layers as the runtime of a system fuses them."""

    workload: Workload
    layers: NetworkLayers


def whole_network(name: str, sut: SystemUnderTest) -> WholeNetwork:
    """Raises InputError for an unknown name or a model that is not ONNX, SetupError from the runtime."""
    workload = workload_named(name)
    return WholeNetwork(workload, layers_on(workload, sut))


def workload_named(name: str) -> Workload:
    """A workload's name or file, an .onnx file, or a topology such as resnet50 or resnet50@50 (percent)."""
    topology, sign, scale = name.partition(SCALE_SIGN)
    if topology in TOPOLOGIES:
        return _of_topology(topology, _percent(scale, name) if sign else 100.0)
    if Path(name).suffix == ".onnx":
        return workload_of_file(Path(name), Given([], [], [], None))
    return load_workload(name)[0]


def layers_on(workload: Workload, sut: SystemUnderTest) -> NetworkLayers:
    """The layers of a workload's model, fused as the system's runtime does."""
    chosen = chosen_for(sut, workload)
    model, shapes = _model_of(chosen)
    fusion: Fusion | None = fusion_of(model, sut.adapter, sut.options)
    return layers_of_model(model, workload.name, shapes, fusion)


def _model_of(workload: Workload) -> tuple[onnx.ModelProto, Shapes]:
    """With weights, as runtimes fuse nothing without them."""
    spec = workload.model
    shapes = {
        each.name: [size if isinstance(size, int) else 1 for size in each.shape] for each in spec.inputs
    }
    if spec.topology is not None:
        size = spec.input.sample_shape[-1] if len(spec.input.sample_shape) == 3 else None
        scale = spec.topology.channel_scale_percent
        return build(spec.topology.name, scale, size, 1, spec.topology.seed), shapes
    if spec.file is None or not spec.file.endswith(".onnx"):
        given = Path(spec.file).name if spec.file else "no model file"
        cure = "name a system that loads the model as ONNX"
        raise InputError(f"layers are read from ONNX files, not from {given}", where=workload.name, cure=cure)
    if (problem := unreadable(spec.file)) is not None:
        raise InputError(problem, where=shortened(spec.file), cure="name an existing model file")
    read_model(Path(spec.file))
    return onnx.load(spec.file), shapes


def _of_topology(name: str, scale: float) -> Workload:
    """The topology on random samples, with its published input size."""
    graph = declare(name, scale).graph
    source = graph.input[0]
    sizes = [dim.dim_value for dim in source.type.tensor_type.shape.dim[1:]]
    return Workload(
        name=f"{name}-{scale:g}",
        task="none",
        dataset=DatasetSpec(name="synthetic", count=_SAMPLES),
        model=ModelSpec(
            topology=Topology(name=name, channel_scale_percent=scale),
            inputs=[InputSpec(name=source.name, dtype="float32", shape=["batch", *sizes])],
            outputs=[OutputSpec(name=graph.output[0].name, kind="tensor")],
        ),
        variant=Variant(topology=name, channel_scale_percent=scale, weight_datatype="fp32"),
    )


def _percent(text: str, name: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 100:
        cure = f"write a topology and its channels in percent: resnet50{SCALE_SIGN}50"
        raise InputError(f"'{shortened(name, 80)}' has no scale from 0 to 100", cure=cure)
    return scale
