"""The types of a workload: model, data and task."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from qutiperf.element_type import BEYOND_NUMPY
from qutiperf.errors import InputError
from qutiperf.spec.block import Block
from qutiperf.spec.build import Build
from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, YamlValue, parse_model, without_unset
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.layer import Layer
from qutiperf.spec.part import PART_KEYS, BuiltPart, tensors_of
from qutiperf.spec.source import (
    ConstantSource,
    LengthSource,
    MaskSource,
    PaddingSpec,
    Source,
    check_padding,
    leader_of,
    padding_problem,
)
from qutiperf.spec.tensor_references import unlisted_references
from qutiperf.spec.topology import Topology
from qutiperf.spec.variant import Variant

Dimension = int | str
MOST_STEPS = 100_000  # of a sequence, as each is a call of the runtime
DTYPES = (
    *("float32", "float16", "float64", "bool"),
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *BEYOND_NUMPY,
)
CLASSIFICATION = "image-classification"
TASK_FILE = ".py:"  # in the name of a task that is a class in a file


class QuantizationSpec(StrictModel):
    """`real = scale * (integer - zero_point)`, for the whole tensor."""

    scale: Annotated[float, Field(gt=0)]
    zero_point: int = 0


class InputSpec(StrictModel):
    """An input of the model as the harness feeds it: one dimension may have a name, and is the batch.

    Without a name the first dimension of the first input is a fixed batch; other inputs without one are
    given as they are. `batch_axis` says otherwise: an axis, or `none` for a model that takes one sample.
    `source` is where the values come from, the dataset's field of this name unless given; `padding` is for
    samples of different lengths.
    `quantization` is for integer inputs that stand for real numbers: samples are rounded to it when they
    are preprocessed, as MLPerf allows ("convert data among numerical formats" is not timed).
    """

    name: str
    dtype: str
    shape: list[Dimension]
    quantization: QuantizationSpec | None = None
    batch_axis: Annotated[int, Field(ge=0)] | Literal["none"] | None = None
    source: Source | None = None
    padding: PaddingSpec | None = None

    @property
    def axis(self) -> int | None:
        """The axis of the batch; None if the input has none."""
        if self.batch_axis is not None:
            return self.batch_axis if isinstance(self.batch_axis, int) else None
        names = [axis for axis, size in enumerate(self.shape) if isinstance(size, str)]
        return names[0] if names else (0 if self.shape else None)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return tuple(int(size) for axis, size in enumerate(self.shape) if axis != self.axis)

    @property
    def fixed_batch(self) -> int | None:
        """The file's own batch; 1 for a model without a batch axis."""
        if self.axis is None:
            return 1
        size = self.shape[self.axis]
        return size if isinstance(size, int) else None

    @property
    def leader(self) -> str | None:
        """The input whose lengths this one has; None if it has its own, or none."""
        return leader_of(self.source, self.padding)

    @property
    def most_length(self) -> int | None:
        """The size of the padded axis that the model takes; None if there is none."""
        return None if self.padding is None else int(self.shape[self.padding.axis])

    @property
    def has_data(self) -> bool:
        return self.source in (None, "data")

    @model_validator(mode="after")
    def _only_batch_is_symbolic(self) -> "InputSpec":
        axis = self.axis
        if axis is not None and axis >= len(self.shape):
            raise ValueError(f"batch_axis: {axis}, but the shape has {len(self.shape)} dimensions")
        sizes = [size for number, size in enumerate(self.shape) if number != axis or isinstance(size, int)]
        if any(not isinstance(size, int) or size < 1 for size in sizes):
            raise ValueError("only the batch may have a name, the other dimensions are positive numbers")
        if self.padding is not None:
            check_padding(self.shape, axis, self.padding)
            if self.dtype in BEYOND_NUMPY:
                raise ValueError(f"padding: {self.dtype} is not padded")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return without_unset(serialize(self), "batch_axis", "source", "padding")


class OutputSpec(StrictModel):
    """What the model answers: scores per class, or the class itself; `tensor` outputs are not judged.

    `label_offset` is subtracted from the model's class to get the dataset's (1 for models whose class 0
    is `background`).
    """

    name: str
    kind: Literal["scores", "class_id", "tensor"]
    label_offset: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    quantization: QuantizationSpec | None = None


class OtherFile(StrictModel):
    """The same model in another format, for adapters that do not load the first; `converter` made it.

    `inputs` and `outputs` are those of the model unless given, in the model's order: converters rename
    tensors and quantize them. `input` and `output` are short for the first, the others being the same.
    """

    file: str
    sha256: str | None = None
    converter: str | None = None
    input: InputSpec | None = None
    output: OutputSpec | None = None
    inputs: list[InputSpec] | None = None
    outputs: list[OutputSpec] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "OtherFile":
        for one, several in (("input", "inputs"), ("output", "outputs")):
            if getattr(self, one) is not None and getattr(self, several) is not None:
                raise ValueError(f"has both {one} and {several}, give one")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return without_unset(serialize(self), "inputs", "outputs")


class ModelSpec(StrictModel):
    """A model file (relative to the workload file), a topology or a part of a network, with its tensors.

    A `layer`, a `stack` of layers or a `block` needs no inputs and outputs; `build` is how it is built.

    With neither there is no model: only an adapter that simulates can answer. The first output is the one
    that is judged; `input` and `output` are short for lists of one. With `steps` a sample is a sequence,
    answered one step after the other: it is one query, and inputs with the source `state` go from step to
    step.
    """

    file: str | None = None
    topology: Topology | None = None
    layer: Layer | None = None
    stack: list[Layer] | None = None
    block: Block | None = None
    build: Build | None = None
    sha256: str | None = None
    inputs: Annotated[list[InputSpec], Field(min_length=1)]
    outputs: Annotated[list[OutputSpec], Field(min_length=1)]
    other_files: list[OtherFile] = []
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 1

    @property
    def input(self) -> InputSpec:
        """The first input."""
        return self.inputs[0]

    @property
    def output(self) -> OutputSpec:
        """The output that is judged."""
        return self.outputs[0]

    @property
    def axes(self) -> list[int | None]:
        """The batch axis of each input: others than the first have one if it is named, or has its size."""
        fixed = self.input.fixed_batch
        return [
            spec.axis
            if number == 0 or spec.batch_axis is not None or spec.fixed_batch is None or _same(spec, fixed)
            else None
            for number, spec in enumerate(self.inputs)
        ]

    @property
    def fixed_batch(self) -> int | None:
        """1 too where an input with values of its own for each sample has no batch axis."""
        alone = any(
            axis is None and not self._is_shared(spec)
            for axis, spec in zip(self.axes, self.inputs, strict=True)
        )
        return 1 if alone else self.input.fixed_batch

    @property
    def padded(self) -> bool:
        """Whether samples differ in an axis."""
        return any(spec.padding is not None for spec in self.inputs)

    @property
    def one_size(self) -> bool:
        """Whether every batch has the sizes of the shapes: all samples are padded to the most."""
        leaders = [spec for spec in self.inputs if spec.padding is not None and spec.leader is None]
        return all(spec.padding and spec.padding.buckets == [spec.most_length] for spec in leaders)

    def _is_shared(self, spec: InputSpec) -> bool:
        """Whether one tensor does for all samples of a batch."""
        if isinstance(spec.source, LengthSource | MaskSource):
            return not self.padded
        return isinstance(spec.source, ConstantSource) or spec.source == "zeros"

    @property
    def many(self) -> bool:
        """Whether the harness and the adapter exchange several tensors, or a batch that is not first."""
        several = len(self.inputs) > 1 or len(self.outputs) > 1 or self.steps > 1
        return several or self.padded or self.input.axis != 0 or not self.input.has_data

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: object) -> object:
        """`input` and `output` as lists of one."""
        if not isinstance(data, dict):
            return data
        if any(data.get(key) is not None for key in PART_KEYS):
            data = {**tensors_of(data), **data}
        for one, several in (("input", "inputs"), ("output", "outputs")):
            if one in data and several in data:
                raise ValueError(f"has both {one} and {several}, give one")
            if one in data:
                data = {**{key: value for key, value in data.items() if key != one}, several: [data[one]]}
        return data

    @model_validator(mode="after")
    def _tensors_fit(self) -> "ModelSpec":
        for kind, names in (
            ("inputs", [spec.name for spec in self.inputs]),
            ("outputs", [spec.name for spec in self.outputs]),
        ):
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{kind}: '{twice[0]}' is listed twice")
        for spec in self.inputs:
            paddings = {each.name: each.padding for each in self.inputs if each.leader is None}
            if problem := padding_problem(spec.source, spec.padding, paddings):
                raise ValueError(f"input '{spec.name}': {problem}")
            leader = next((each for each in self.inputs if each.name == spec.leader), spec)
            if leader.most_length != spec.most_length:
                problem = (
                    f"padding: its axis has {spec.most_length}, that of '{leader.name}' {leader.most_length}"
                )
                raise ValueError(f"input '{spec.name}': {problem}")
        if self.padded and self.steps > 1:
            raise ValueError("steps: the steps of a sequence cannot be padded")
        return self

    @property
    def unlisted(self) -> dict[str, str]:
        """What is wrong with sources that name another tensor, by the name of their input."""
        sources = {spec.name: spec.source for spec in self.inputs}
        return unlisted_references(sources, [output.name for output in self.outputs])

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Lists of one in their short form, so that the digests of such workloads stay."""
        short = {} if self.many else {"inputs": "input", "outputs": "output"}
        return {
            short.get(key, key): value[0] if key in short else value
            for key, value in serialize(self).items()
            if (key != "steps" or value != 1) and (value is not None or key not in PART_KEYS)
        }

    @model_validator(mode="after")
    def _one_source(self) -> "ModelSpec":
        if self.file is not None and self.topology is not None:
            raise ValueError("has both file and topology, give one")
        if self._has_part and (self.file is not None or self.topology is not None):
            raise ValueError("has a file or topology beside layer, stack or block, give one")
        if self.other_files and self.file is None:
            raise ValueError("other_files are other formats of file, which is not given")
        return self

    @model_validator(mode="after")
    def _other_files_have_as_many(self) -> "ModelSpec":
        for number, other in enumerate(self.other_files):
            for key in ("inputs", "outputs"):
                given, own = getattr(other, key), getattr(self, key)
                if given is not None and len(given) != len(own):
                    problem = f"other_files.{number}.{key}: {len(given)}, but the model has {len(own)}"
                    raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _part_fits(self) -> "ModelSpec":
        """Raises ValueError for layers that do not fit each other."""
        if self._has_part:
            try:
                self.part  # noqa: B018 - building it checks it
            except ValidationError as error:
                raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self

    @property
    def part(self) -> BuiltPart | None:
        """The layer, stack or block to build."""
        if not self._has_part:
            return None
        build = self.build or Build()
        return BuiltPart(layer=self.layer, stack=self.stack, block=self.block, build=build)

    @property
    def _has_part(self) -> bool:
        return any(getattr(self, key) is not None for key in PART_KEYS)

    @property
    def is_built(self) -> bool:
        return self.topology is not None or self.part is not None

    @property
    def files(self) -> list[str]:
        """Every file of the model, the one that is loaded first."""
        return [*([self.file] if self.file else []), *(other.file for other in self.other_files)]


def _same(spec: InputSpec, fixed_batch: int | None) -> bool:
    return fixed_batch is not None and fixed_batch > 1 and spec.fixed_batch == fixed_batch


class Workload(StrictModel):
    """Model, data and task; `rehearsal` marks a synthetic stand-in that must never be submitted.

    `task` is image-classification, none, one of an installed package, or `file.py:Class`.
    """

    name: str
    task: str
    dataset: DatasetSpec
    model: ModelSpec
    variant: Variant = Variant()
    mlperf_benchmark: str | None = None
    rehearsal: bool = False


def load_workload(name: str, beside: Path | None = None) -> tuple[Workload, CatalogFile]:
    """As `read_workload`; raises InputError also for sources that name a tensor that is not listed."""
    workload, file = read_workload(name, beside)
    if problems := workload.model.unlisted:
        raise InputError("; ".join(problems.values()), where=str(file.path))
    return workload, file


def read_workload(name: str, beside: Path | None = None) -> tuple[Workload, CatalogFile]:
    """The workload with model file and dataset folder resolved against its file; raises InputError."""
    file = read("workload", name, beside)
    model = file.data.get("model")
    others = model.get("other_files") if isinstance(model, dict) else None
    for section in (model, *(others if isinstance(others, list) else [])):
        _resolve(section, "file", file.path.parent)
    for key in ("directory", "file"):
        _resolve(file.data.get("dataset"), key, file.path.parent)
    if TASK_FILE in str(file.data.get("task")):
        _resolve(file.data, "task", file.path.parent)
    return parse_model(Workload, file.data, str(file.path)), file


def _resolve(section: YamlValue, key: str, base: Path) -> None:
    if isinstance(section, dict) and isinstance(section.get(key), str):
        section[key] = str(base / Path(str(section[key])).expanduser())
