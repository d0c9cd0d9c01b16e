"""Where the values of a model's inputs come from, and what happens to samples of different lengths."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qutiperf.spec.config import StrictModel

Size = Annotated[int, Field(ge=1)]


class RandomSource(StrictModel):
    """Uniform from the first to the last value; integers include both. Of text these are lengths."""

    random: Annotated[list[float], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _in_order(self) -> "RandomSource":
        if not self.random[0] <= self.random[1]:
            raise ValueError("random: the first value is above the last")
        return self


class ConstantSource(StrictModel):
    """The same value everywhere, for every sample."""

    constant: float | int | bool | str


class StateSource(StrictModel):
    """Zeros in the first step, then this output of the step before."""

    state: str


class MaskSource(StrictModel):
    """1 wherever this input has data."""

    mask: str


class LengthSource(StrictModel):
    """The size of the last axis of this input; of its padded axis without the padding, if it has one."""

    length: str


Source = (
    Literal["data", "zeros", "random"]
    | RandomSource
    | ConstantSource
    | StateSource
    | MaskSource
    | LengthSource
)


class PaddingSpec(StrictModel):
    """An axis of an input in which samples differ; the number in `shape` is the most that the model takes.

    A batch is filled with `value` up to its longest sample, or to the next of the `buckets`. `like` names the
    input whose lengths this one has; with the source `mask` it is the input of the mask. Random samples have
    `lengths` from the first to the second, by default from 1.
    """

    axis: Annotated[int, Field(ge=0)]
    buckets: Annotated[list[Size], Field(min_length=1)] | None = None
    value: float | int | bool = 0
    like: str | None = None
    lengths: Annotated[list[Size], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "PaddingSpec":
        if any(left >= right for left, right in pairwise(self.buckets or [])):
            raise ValueError("buckets: each must be above the one before")
        if self.lengths is not None and self.lengths[0] > self.lengths[1]:
            raise ValueError("lengths: the first is above the second")
        return self

    def size_for(self, length: int, most: int) -> int:
        """What a batch whose longest sample has this length is padded to."""
        sizes = self.buckets or [length]
        return next((size for size in sizes if size >= length), most)


def check_padding(shape: list[int | str], batch_axis: int | None, padding: PaddingSpec) -> None:
    """Raises ValueError if the axis cannot be padded, or a limit is above its size."""
    if padding.axis >= len(shape) or padding.axis == batch_axis:
        raise ValueError(f"padding.axis: {padding.axis} is not an axis of a sample")
    most = int(shape[padding.axis])
    for name in ("buckets", "lengths"):
        given = getattr(padding, name)
        if given and given[-1] > most:
            raise ValueError(f"padding.{name}: {given[-1]} is above the {most} of the shape")


def leader_of(source: Source | None, padding: PaddingSpec | None) -> str | None:
    """The input whose lengths an input has; None if it has its own, or none."""
    if padding is None:
        return None
    return source.mask if isinstance(source, MaskSource) else padding.like


def padding_problem(
    source: Source | None, padding: PaddingSpec | None, others: Mapping[str, PaddingSpec | None]
) -> str | None:
    """What contradicts the other inputs in the padding of an input."""
    if padding is None:
        if isinstance(source, MaskSource) and others.get(source.mask) is not None:
            return f"'{source.mask}' is padded, so its mask needs padding too, such as {{axis: 1}}"
        return None
    if isinstance(source, StateSource | LengthSource):
        return "padding: a state or a length has no axis to pad"
    leader = leader_of(source, padding)
    own = source in (None, "data", "random") or isinstance(source, RandomSource)
    if leader is None:
        return None if own else "padding: it has no lengths of its own; name an input in padding.like"
    if others.get(leader) is None:
        return f"padding: '{leader}' is not an input with padding of its own"
    limits = padding.buckets or padding.lengths
    return f"padding: buckets and lengths are those of '{leader}'" if limits else None
