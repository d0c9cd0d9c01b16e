"""The part of a network that a workload names instead of a model file."""

from collections.abc import Sequence

from pydantic import ValidationError, model_validator

from qutiperf.spec.block import Block, Part, check_size, check_stack
from qutiperf.spec.config import StrictModel, sha256_of
from qutiperf.spec.layer import Build, Layer

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
        check_stack(self.parts)
        check_size(self.parts)
        return self

    @property
    def parts(self) -> Sequence[Part]:
        """The layers in order, or the block."""
        return self.stack or [part for part in (self.layer, self.block) if part is not None]

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
