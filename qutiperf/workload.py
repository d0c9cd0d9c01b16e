"""The types of a workload: model, data and task."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qutiperf.catalog import CatalogFile, read
from qutiperf.config import StrictModel, YamlValue, parse_model

Percent = Annotated[float, Field(ge=0, le=100)]
Dimension = int | str
TaskName = Literal["image-classification", "none"]


class InputSpec(StrictModel):
    """The model's input as the harness feeds it; the first dimension is the batch, by name or fixed."""

    name: str
    dtype: str
    shape: Annotated[list[Dimension], Field(min_length=1)]

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
    label_offset: int = 0


class Topology(StrictModel):
    """A network built on demand with seeded random weights: speed, but no accuracy."""

    name: str
    channel_scale_percent: Percent = 100.0
    seed: int = 1


class ModelSpec(StrictModel):
    """A model file (relative to the workload file) or a topology, with the tensors the harness uses.

    With neither there is no model: only an adapter that simulates can answer.
    """

    file: str | None = None
    topology: Topology | None = None
    sha256: str | None = None
    input: InputSpec
    output: OutputSpec

    @model_validator(mode="after")
    def _one_source(self) -> "ModelSpec":
        if self.file is not None and self.topology is not None:
            raise ValueError("has both file and topology, give one")
        return self


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


def load_workload(name: str) -> tuple[Workload, CatalogFile]:
    """The workload with model file and dataset folder resolved against its file; raises InputError."""
    file = read("workload", name)
    for section, key in (("model", "file"), ("dataset", "directory")):
        _resolve(file.data.get(section), key, file.path.parent)
    return parse_model(Workload, file.data, str(file.path)), file


def _resolve(section: YamlValue, key: str, base: Path) -> None:
    if isinstance(section, dict) and isinstance(section.get(key), str):
        section[key] = str(base / Path(str(section[key])).expanduser())
