"""Loads instances of a model through an adapter."""

from collections.abc import Mapping
from pathlib import Path

from qutiperf.adapters.base import InputTensor, Model, Quantization
from qutiperf.adapters.registry import AnyAdapter, adapter_class, make_options
from qutiperf.datasets.inputs import sample_shape
from qutiperf.harness.rotation import Rotation
from qutiperf.spec.config import sha256_of
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.workload import InputSpec, ModelSpec, OutputSpec, Workload


def load_instances(
    sut: SystemUnderTest, workload: Workload, options: Mapping[str, object], count: int, folder: Path
) -> list[AnyAdapter]:
    """`count` loaded instances; a file that is built goes into `folder`. Raises what the adapter raises."""
    kind = adapter_class(sut.adapter)
    checked = make_options(kind, dict(options), sut.name)
    model, part = model_for(workload, folder), workload.model.part
    copies = part.build.weight_copies if part else 1

    def instance() -> AnyAdapter:
        loaded = kind()
        loaded.load(model, checked)
        return loaded

    if copies == 1:
        return [instance() for _ in range(count)]
    return [Rotation([instance() for _ in range(copies)]) for _ in range(count)]


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
    """Path of the file of a topology or part; empty where there is none."""
    spec = workload.model
    if not spec.is_built:
        return ""
    from qutiperf.models.built import write_built

    path = built_path(spec, folder)
    if not path.is_file():
        write_built(spec, path)
    return str(path)


def built_path(spec: ModelSpec, folder: Path) -> Path:
    """Where a built model goes: a worker may hold several in turn."""
    return folder.resolve() / f"{sha256_of(spec.model_dump(mode='json'))[:12]}.onnx"
