"""Networks of a sweep that are built on demand, by their axes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Annotated

from pydantic import Field, field_validator

from qutiperf.spec.config import StrictModel
from qutiperf.spec.limits import MOST_POINTS
from qutiperf.spec.topology import NetworkDatatype

_MOST_STEPS = 10_000
Value = int | float | str


def values_of(texts: Sequence[Value]) -> list[float]:
    """Numbers, with ranges expanded: `12.5:100:x2` doubles, `160:224:32` adds; raises ValueError."""
    return list(dict.fromkeys(chain.from_iterable(map(_range, texts))))


def _range(text: Value) -> list[float]:
    if isinstance(text, int | float):
        return [float(text)]
    problem = ValueError(f"is neither a number nor a range such as 25:100:x2: '{text[:40]}'")
    parts = text.split(":")
    factor = len(parts) == 3 and parts[2].startswith("x")
    try:
        low, high, step = (float(part) for part in (*parts[:2], parts[2].removeprefix("x")))
    except (ValueError, IndexError):
        raise problem from None
    usable = math.isfinite(low + high + step) and 0 < low <= high and step > (1 if factor else 0)
    if len(parts) != 3 or not usable:
        raise problem
    values: list[float] = []
    while low <= high and len(values) < _MOST_STEPS:
        values.append(low)
        low = low * step if factor else low + step
    return values


@dataclass(frozen=True, slots=True)
class BuiltNetwork:
    """One network: channels in percent, the side of its input in pixels (None as published), its weights."""

    topology: str
    channel_scale_percent: float
    input_size: int | None
    datatype: NetworkDatatype
    sparsity_percent: float

    @property
    def name(self) -> str:
        """`cnv-50-int8`; `-sparse75` and `-160px` where they are not 0 and as published."""
        sparse = f"-sparse{self.sparsity_percent:g}" if self.sparsity_percent else ""
        size = f"-{self.input_size}px" if self.input_size else ""
        return f"{self.topology}-{self.channel_scale_percent:g}-{self.datatype}{sparse}{size}"


class Networks(StrictModel):
    """Every combination of these is a workload on random images, with seeded random weights.

    `topologies` are names of `qutiperf models list`, or globs. `scales` are channels in percent of the
    published number, `input_sizes` pixels of a side (by default as published), `sparsities` the percentage of
    weights that are zero, at random places. Numbers can be ranges: 12.5:100:x2, 160:224:32. Datatypes are
    fp32, fp16, int8 by ONNX Runtime's static quantization, and int4 weights under fp32 activations.
    """

    topologies: Annotated[list[str], Field(min_length=1)]
    scales: Annotated[list[Value], Field(min_length=1)] = [100]
    input_sizes: Annotated[list[Value], Field(min_length=1)] | None = None
    datatypes: Annotated[list[NetworkDatatype], Field(min_length=1)] = ["fp32"]
    sparsities: Annotated[list[Value], Field(min_length=1)] = [0]

    @field_validator("scales", "input_sizes", "sparsities")
    @classmethod
    def _are_numbers(cls, texts: list[Value] | None) -> list[Value] | None:
        if texts is not None:
            values_of(texts)
        return texts

    @field_validator("input_sizes")
    @classmethod
    def _are_whole(cls, texts: list[Value] | None) -> list[Value] | None:
        if texts is not None and not all(value.is_integer() and value >= 1 for value in values_of(texts)):
            raise ValueError("has a value that is not a whole number of pixels")
        return texts

    @field_validator("scales")
    @classmethod
    def _are_percent(cls, texts: list[Value]) -> list[Value]:
        if not all(0 < value <= 100 for value in values_of(texts)):
            raise ValueError("has a value that is not above 0 and up to 100")
        return texts

    @field_validator("sparsities")
    @classmethod
    def _are_shares(cls, texts: list[Value]) -> list[Value]:
        if not all(0 <= value < 100 for value in values_of(texts)):
            raise ValueError("has a value that is not from 0 to below 100")
        return texts

    def points(self, topologies: Sequence[str]) -> Iterator[BuiltNetwork]:
        """Every combination, with these names for the globs; raises ValueError above 10,000."""
        sizes: list[int | None] = [None]
        if self.input_sizes is not None:
            sizes = [int(value) for value in values_of(self.input_sizes)]
        axes = (topologies, values_of(self.scales), sizes, self.datatypes, values_of(self.sparsities))
        count = math.prod(len(axis) for axis in axes)
        if count > MOST_POINTS:
            raise ValueError(f"are {count:,} networks, more than the limit of {MOST_POINTS:,}")
        for topology, scale, size, datatype, sparsity in product(*axes):
            yield BuiltNetwork(topology, scale, size, datatype, sparsity)
