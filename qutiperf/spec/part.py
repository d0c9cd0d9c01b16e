"""The part of a network that a workload names instead of a model file."""

from collections.abc import Sequence

from pydantic import ValidationError, model_validator

from qutiperf.spec.block import Block, Part, check_size, check_stack
from qutiperf.spec.build import BYTES_OF_WEIGHT, WEIGHT_BLOCK, WEIGHTS_ALONE, Build, DatatypeName
from qutiperf.spec.config import StrictModel, sha256_of
from qutiperf.spec.layer import Attention, Dense, Layer, Recurrent

MOST_STACKED = 64
PART_KEYS = ("layer", "stack", "block", "build")


class BuiltPart(StrictModel):
    """A layer, a stack of layers or a block, built on demand with seeded random weights."""

    layer: Layer | None = None
    stack: list[Layer] | None = None
    block: Block | None = None
    build: Build = Build()

    @model_validator(mode="after")
    def _one_part(self) -> "BuiltPart":
        count = sum(part is not None for part in (self.layer, self.stack, self.block))
        if count != 1:
            raise ValueError(f"has {'several' if count else 'none'} of layer, stack and block, give one")
        if self.stack is not None and not 2 <= len(self.stack) <= MOST_STACKED:
            raise ValueError(f"stack: has {len(self.stack)} layers, give two or more, up to {MOST_STACKED}")
        stated = self.build.datatypes
        if stated is not None and len(stated) != len(self.parts):
            raise ValueError(f"build.datatypes: has {len(stated)}, but the part has {len(self.parts)} layers")
        check_stack(self.parts)
        check_size(self.parts)
        return self

    @property
    def parts(self) -> Sequence[Part]:
        """The layers in order, or the block."""
        return self.stack or [part for part in (self.layer, self.block) if part is not None]

    @property
    def datatypes(self) -> Sequence[DatatypeName]:
        """Of each layer."""
        return self.build.datatypes or [self.build.datatype] * len(self.parts)

    @property
    def weight_bytes(self) -> float:
        """Of all weights as stored, without biases and the scales of blocks."""
        pairs = zip(self.parts, self.datatypes, strict=True)
        return sum(part.weights * BYTES_OF_WEIGHT[datatype] for part, datatype in pairs)

    @property
    def unbuildable(self) -> str | None:
        """Why a layer is not built in its datatype; None if all are."""
        if set(self.datatypes) <= set(WEIGHTS_ALONE) and not any(part.weights for part in self.parts):
            return f"{self.parts[0].kind} layers have no weights, which alone are {self.build.datatype}"
        reasons = (
            _unbuildable(part, datatype) for part, datatype in zip(self.parts, self.datatypes, strict=True)
        )
        return next((reason for reason in reasons if reason is not None), None)

    @property
    def digest(self) -> str:
        """Of everything that is stated; keys that later versions add do not change it by their defaults."""
        stated = self.model_dump(mode="json", exclude_defaults=True)
        return sha256_of({"kinds": [part.kind for part in self.parts], "part": stated})

    @property
    def tensors(self) -> dict[str, object]:
        """`inputs` and `outputs` as in a file."""
        shapes = self.parts[0].input_shapes
        names = ["input"] if len(shapes) == 1 else [f"input_{number}" for number in range(len(shapes))]
        inputs = [
            {"name": name, "dtype": self.build.dtype, "shape": ["batch", *shape]}
            for name, shape in zip(names, shapes, strict=True)
        ]
        return {"inputs": inputs, "outputs": [{"name": "output", "kind": "tensor"}]}


def _unbuildable(part: Part, datatype: DatatypeName) -> str | None:
    if datatype == "int8" and isinstance(part, Recurrent):
        return "recurrent layers are not built in int8, as ONNX has no operator for it"
    if datatype not in WEIGHTS_ALONE or not part.weights:
        return None
    if not isinstance(part, Dense | Attention):
        return f"{part.kind} layers are not built in {datatype}: runtimes have it for matrix products alone"
    inputs = part.inputs if isinstance(part, Dense) else part.width
    if inputs % WEIGHT_BLOCK:
        return f"{datatype} weights have a scale for {WEIGHT_BLOCK} inputs, which {inputs} is no multiple of"
    return None


def tensors_of(data: dict[str, object]) -> dict[str, object]:
    """Those of the part in a file, without what the file states; of any kind for a part that is wrong."""
    given = {key: data[key] for key in PART_KEYS if data.get(key) is not None}
    try:
        tensors = BuiltPart.model_validate(given).tensors
    except ValidationError:
        shape: list[int | str] = ["batch", 1]
        tensors = {
            "inputs": [{"name": "input", "dtype": "float32", "shape": shape}],
            "outputs": [{"name": "output", "kind": "tensor"}],
        }
    return {key: value for key, value in tensors.items() if key not in data and key[:-1] not in data}
