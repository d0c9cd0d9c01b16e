"""Loads instances of a model through an adapter."""

from collections.abc import Mapping
from pathlib import Path

from qutiperf.adapters.base import InputTensor, Model, Quantization
from qutiperf.adapters.registry import AnyAdapter, adapter_class, make_options
from qutiperf.datasets.inputs import sample_shape
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.workload import InputSpec, OutputSpec, Workload


def load_instances(
    sut: SystemUnderTest, workload: Workload, options: Mapping[str, object], count: int, folder: Path
) -> list[AnyAdapter]:
    """`count` loaded instances; a topology's file goes into `folder`. Raises what the adapter raises."""
    kind = adapter_class(sut.adapter)
    checked = make_options(kind, dict(options), sut.name)
    model = model_for(workload, folder)
    instances: list[AnyAdapter] = []
    for _ in range(count):
        instance = kind()
        instance.load(model, checked)
        instances.append(instance)
    return instances


def model_for(workload: Workload, folder: Path) -> Model:
    """What an adapter loads; the path is empty where the workload has no model."""
    spec, axes = workload.model, workload.model.axes
    return Model(
        path=spec.file or _built(workload, folder),
        input_name=spec.input.name,
        input_dtype=spec.input.dtype,
        input_shape=sample_shape(spec, 0),
        output_name=spec.output.name,
        fixed_batch=spec.fixed_batch,
        input_quantization=_quantization(spec.input),
        output_quantization=_quantization(spec.output),
        batch_axis=axes[0],
        more_inputs=tuple(
            InputTensor(each.name, each.dtype, sample_shape(spec, number), axes[number])
            for number, each in enumerate(spec.inputs)
            if number > 0
        ),
        more_outputs=tuple(output.name for output in spec.outputs[1:]),
        many=spec.many,
    )


def _quantization(spec: InputSpec | OutputSpec) -> Quantization | None:
    quantization = spec.quantization
    return None if quantization is None else Quantization(quantization.scale, quantization.zero_point)


def _built(workload: Workload, folder: Path) -> str:
    """Path of the topology's file; empty where there is none."""
    spec = workload.model
    if spec.topology is None:
        return ""
    from qutiperf.models.topology_spec import write_for

    path = folder.resolve() / "topology.onnx"
    if not path.is_file():
        write_for(spec.topology, spec.input, path)
    return str(path)
