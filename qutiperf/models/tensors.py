"""What a model file asks for and answers, whatever its format."""

from dataclasses import dataclass

EXAMPLE_SIZE = 16  # where a message has to make a size up
Dimensions = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class FileTensor:
    """Name, numpy dtype name and shape; a dimension is a number, a name, or None where the file is silent.

    `quantization` is (scale, zero point) of integers that stand for real numbers. `vocabulary` is the number
    of rows of the table that an input of integers looks up, where the graph shows one. `has_rank` is
    False where the file says nothing about the shape, which is () then.
    """

    name: str
    dtype: str
    shape: Dimensions
    quantization: tuple[float, int] | None = None
    vocabulary: int | None = None
    has_rank: bool = True


@dataclass(frozen=True, slots=True)
class ModelTensors:
    """Inputs and outputs in the file's order."""

    inputs: list[FileTensor]
    outputs: list[FileTensor]
