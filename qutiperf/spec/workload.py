"""The types of a workload: model, data and task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qutiperf.errors import InputError
from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, YamlValue, parse_model

Percent = Annotated[float, Field(ge=0, le=100)]
Dimension = int | str
TOPOLOGY_SUFFIX = ".onnx"  # of the file that is built for model.topology
TaskName = Literal["image-classification", "none"]


class QuantizationSpec(StrictModel):
    """`real = scale * (integer - zero_point)`, for the whole tensor."""

    scale: Annotated[float, Field(gt=0)]
    zero_point: int = 0


class InputSpec(StrictModel):
    """The model's input as the harness feeds it; the first dimension is the batch, by name or fixed.

    `quantization` is for integer inputs that stand for real numbers: samples are rounded to it when they
    are preprocessed, as MLPerf allows ("convert data among numerical formats" is not timed).
    """

    name: str
    dtype: str
    shape: Annotated[list[Dimension], Field(min_length=1)]
    quantization: QuantizationSpec | None = None

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.shape[1:])

    @property
    def fixed_batch(self) -> int | None:
        return self.shape[0] if isinstance(self.shape[0], int) else None

    @model_validator(mode="after")
    def _only_batch_is_symbolic(self) -> "InputSpec":
        sizes = self.shape[1:] + [size for size in self.shape[:1] if isinstance(size, int)]
        if any(not isinstance(size, int) or size < 1 for size in sizes):
            raise ValueError("only the first dimension may have a name, the others are positive numbers")
        return self


class OutputSpec(StrictModel):
    """What the model answers: scores per class, or the class itself; `tensor` outputs are not judged.

    `label_offset` is subtracted from the model's class to get the dataset's (1 for models whose class 0
    is `background`).
    """

    name: str
    kind: Literal["scores", "class_id", "tensor"]
    label_offset: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    quantization: QuantizationSpec | None = None


class Topology(StrictModel):
    """A network built on demand with seeded random weights: speed, but no accuracy."""

    name: str
    channel_scale_percent: Percent = 100.0
    seed: int = 1


class OtherFile(StrictModel):
    """The same model in another format, for adapters that do not load the first; `converter` made it.

    `input` and `output` are those of the model unless given: converters rename tensors and quantize them.
    """

    file: str
    sha256: str | None = None
    converter: str | None = None
    input: InputSpec | None = None
    output: OutputSpec | None = None


class ModelSpec(StrictModel):
    """A model file (relative to the workload file) or a topology, with the tensors the harness uses.

    With neither there is no model: only an adapter that simulates can answer.
    """

    file: str | None = None
    topology: Topology | None = None
    sha256: str | None = None
    input: InputSpec
    output: OutputSpec
    other_files: list[OtherFile] = []

    @model_validator(mode="after")
    def _one_source(self) -> "ModelSpec":
        if self.file is not None and self.topology is not None:
            raise ValueError("has both file and topology, give one")
        if self.other_files and self.file is None:
            raise ValueError("other_files are other formats of file, which is not given")
        return self

    @property
    def files(self) -> list[str]:
        """Every file of the model, the one that is loaded first."""
        return [*([self.file] if self.file else []), *(other.file for other in self.other_files)]


class DatasetSpec(StrictModel):
    """A registered dataset by name, its folder where it is not shipped, and its own options."""

    name: str
    split: Literal["train", "test"] = "test"
    directory: str | None = None
    preprocessing: str | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    seed: int = 1


class Variant(StrictModel):
    """How the model came to be, so that results can be compared along one axis."""

    topology: str | None = None
    channel_scale_percent: Percent | None = None
    weight_datatype: str | None = None
    activation_datatype: str | None = None
    sparsity_percent: Percent | None = None
    training_framework: str | None = None
    converter: str | None = None
    calibration: str | None = None
    tuning: str | None = None
    development_effort_hours: Annotated[float, Field(ge=0)] | None = None


class Workload(StrictModel):
    """Model, data and task; `rehearsal` marks a synthetic stand-in that must never be submitted."""

    name: str
    task: TaskName
    dataset: DatasetSpec
    model: ModelSpec
    variant: Variant = Variant()
    mlperf_benchmark: str | None = None
    rehearsal: bool = False


def for_suffixes(workload: Workload, suffixes: Sequence[str]) -> Workload:
    """The workload with the file that an adapter loads in first place; raises InputError if it has none.

    `suffixes` are those of the adapter in its order of preference; with none any model will do.
    """
    spec = workload.model
    if not suffixes or (spec.topology is not None and TOPOLOGY_SUFFIX in suffixes):
        return workload
    if spec.file is None:
        what = "a topology, which is built as ONNX" if spec.topology else "no model"
        cure = f"it loads {', '.join(suffixes)}"
        raise InputError(f"model: the adapter does not load {what}", where=workload.name, cure=cure)
    for suffix in suffixes:
        if Path(spec.file).suffix == suffix:
            return workload
        for other in spec.other_files:
            if Path(other.file).suffix == suffix:
                return _with_first(workload, other)
    given, wanted = ", ".join(Path(file).name for file in spec.files), ", ".join(suffixes)
    cure = f"it loads {wanted}: choose another system, or add such a file to model.other_files"
    raise InputError(f"model: the adapter does not load {given}", where=workload.name, cure=cure)


def _with_first(workload: Workload, chosen: OtherFile) -> Workload:
    spec, variant = workload.model, workload.variant
    before = OtherFile(
        file=str(spec.file),
        sha256=spec.sha256,
        converter=variant.converter,
        input=spec.input,
        output=spec.output,
    )
    model = spec.model_copy(
        update={
            "file": chosen.file,
            "sha256": chosen.sha256,
            "input": chosen.input or spec.input,
            "output": chosen.output or spec.output,
            "other_files": [before, *(other for other in spec.other_files if other is not chosen)],
        }
    )
    named = variant.model_copy(update={"converter": chosen.converter or variant.converter})
    return workload.model_copy(update={"model": model, "variant": named})


def load_workload(name: str, beside: Path | None = None) -> tuple[Workload, CatalogFile]:
    """The workload with model file and dataset folder resolved against its file; raises InputError."""
    file = read("workload", name, beside)
    model = file.data.get("model")
    others = model.get("other_files") if isinstance(model, dict) else None
    for section in (model, *(others if isinstance(others, list) else [])):
        _resolve(section, "file", file.path.parent)
    _resolve(file.data.get("dataset"), "directory", file.path.parent)
    return parse_model(Workload, file.data, str(file.path)), file


def _resolve(section: YamlValue, key: str, base: Path) -> None:
    if isinstance(section, dict) and isinstance(section.get(key), str):
        section[key] = str(base / Path(str(section[key])).expanduser())
