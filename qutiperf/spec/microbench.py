"""A suite of microbenchmarks, and its expansion into parts by one pure function."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from qutiperf.errors import InputError
from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, parse_model
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.layer import Build, DatatypeName
from qutiperf.spec.limits import MOST_POINTS
from qutiperf.spec.part import BuiltPart
from qutiperf.spec.variant import Variant
from qutiperf.spec.workload import ModelSpec, Workload

State = Literal["resident", "streamed"]
Depth = Literal[1, 2, 4]
Sparsity = Literal[0, 50, 75, 90, "2:4"]
Alternatives = dict[str, JsonValue]
MOST_COPIES = 64
CACHE_SHARE = 1.25  # of the last-level cache that the copies of streamed weights take together, at least
SAMPLE_BYTES = 32_000_000  # of the samples of a part that are kept in memory
MOST_SAMPLES = 64
MOST_CROSSED = 5  # times as many points before the parts that cannot be are left out
_BYTES_PER_GB = 1e9


class MicrobenchSuite(StrictModel):
    """Layers and blocks with lists of alternatives, crossed with datatypes, sparsities, states and depths.

    In `layers` and `blocks` a list is a set of alternatives ([[1, 7], [7, 1]] for pairs). `depths` 2 and 4
    are stacks of equal layers, of those that take their own output. `weights` streamed rotates copies that
    are larger than the host's cache. `stacks` are lists of unlike layers.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    description: str = ""
    datatypes: Annotated[list[DatatypeName], Field(min_length=1)] = ["fp32"]
    batch_sizes: Annotated[list[Annotated[int, Field(ge=1, le=100_000)]], Field(min_length=1)] = [1]
    sparsities: Annotated[list[Sparsity], Field(min_length=1)] = [0]
    weights: Annotated[list[State], Field(min_length=1)] = ["resident"]
    depths: Annotated[list[Depth], Field(min_length=1)] = [1]
    duration_s: Annotated[float, Field(ge=0.01, le=3600)] = 0.1
    layers: list[Alternatives] = []
    stacks: list[list[Alternatives]] = []
    blocks: list[Alternatives] = []


@dataclass(frozen=True, slots=True)
class SuitePart:
    """One part with its build; `label` names it for people, its workload's name is unique and stable."""

    part: BuiltPart
    label: str

    @property
    def name(self) -> str:
        return f"{self.label}-{self.part.build.datatype}-{self.part.digest[:8]}"

    @property
    def state(self) -> State:
        return "streamed" if self.part.build.weight_copies > 1 else "resident"

    def memory_bytes(self, batch_size: int) -> int:
        """Of the weights of all copies, stored as the file has them and as the runtime packs them, and of the
        inputs and outputs of every layer for a batch."""
        weights = 2 * weight_bytes(self.part) * self.part.build.weight_copies
        shapes = [shape for each in self.part.parts for shape in (*each.input_shapes, each.output_shape)]
        return weights + batch_size * self.part.build.weight_bytes * sum(map(math.prod, shapes))


def load_suite(name: str) -> tuple[MicrobenchSuite, CatalogFile]:
    """A shipped suite or a file; raises InputError."""
    file = read("microbench", name)
    return parse_model(MicrobenchSuite, file.data, str(file.path)), file


def expand_suite(suite: MicrobenchSuite, where: str, cache_bytes: float | None) -> list[SuitePart]:
    """Every part of the suite once, in its order; raises InputError.

    `cache_bytes` is the last-level cache of the device; nothing is streamed if it is unknown.
    """
    parts = []
    for alone in _alone(suite, where):
        parts += list(variants(alone, suite, where, cache_bytes))
    unique = {one.part.digest: one for one in parts}
    return list(unique.values())


def variants(
    alone: BuiltPart, suite: MicrobenchSuite, where: str, cache_bytes: float | None
) -> Iterator[SuitePart]:
    """A part in every datatype, sparsity, depth and state of the suite."""
    for datatype, sparsity, depth in product(suite.datatypes, suite.sparsities, suite.depths):
        part = stacked(alone, depth)
        if part is None or (datatype == "int8" and _recurrent(part)):
            continue
        for state in suite.weights:
            build = Build(datatype=datatype, sparsity=sparsity)
            whole = part.model_copy(update={"build": build})
            copies = 1 if state == "resident" else copies_to_stream(whole, cache_bytes)
            if copies is not None:
                build = build.model_copy(update={"weight_copies": copies})
                yield SuitePart(whole.model_copy(update={"build": build}), label_of(whole))


def stacked(alone: BuiltPart, depth: int) -> BuiltPart | None:
    """The part `depth` times in a row; None unless it takes its own output."""
    if depth == 1:
        return alone
    layer = alone.layer
    if layer is None or layer.input_shapes != [layer.output_shape]:
        return None
    return BuiltPart(stack=[layer] * depth, build=alone.build)


def copies_to_stream(part: BuiltPart, cache_bytes: float | None) -> int | None:
    """Copies whose weights exceed the cache; None if it is unknown or too many small ones were needed."""
    stored = weight_bytes(part)
    if cache_bytes is None or not stored:
        return None
    copies = max(2, math.ceil(CACHE_SHARE * cache_bytes / stored))
    return copies if copies <= MOST_COPIES else None


def weight_bytes(part: BuiltPart) -> int:
    return sum(each.weights for each in part.parts) * part.build.weight_bytes


def workload_of(one: SuitePart) -> Workload:
    """The workload of a part on random samples, few enough to stay in memory."""
    part = one.part
    model = ModelSpec.model_validate(
        {"layer": part.layer, "stack": part.stack, "block": part.block, "build": part.build}
    )
    sample = sum(math.prod(shape) for shape in part.parts[0].input_shapes) * part.build.weight_bytes
    count = max(1, min(MOST_SAMPLES, int(SAMPLE_BYTES / max(sample, 1))))
    sparsity = part.build.sparsity
    variant = Variant(
        topology=one.label,
        weight_datatype=part.build.datatype,
        activation_datatype=part.build.datatype,
        sparsity_percent=50.0 if sparsity == "2:4" else float(sparsity),
    )
    dataset = DatasetSpec(name="synthetic", count=count)
    return Workload(name=one.name, task="none", dataset=dataset, model=model, variant=variant)


def check_memory(parts: Iterable[SuitePart], batch_size: int, memory_gb: float, where: str) -> None:
    """Raises InputError for a part that does not fit into the memory, before anything is built."""
    for one in parts:
        needed = one.memory_bytes(batch_size) / _BYTES_PER_GB
        if needed > memory_gb:
            what = f"{needed:,.1f} GB of weights and activations at batch {batch_size:,}"
            problem = f"{one.label}: {what} do not fit into {memory_gb:g} GB of memory"
            raise InputError(problem, where=where, cure="leave it out, or name fewer alternatives")


def label_of(part: BuiltPart) -> str:
    """`convolution-64x56x56-64-k3x3-s1`, `2-dense-784-2048`, `residual-256x56x56-256`."""
    first, last = part.parts[0], part.parts[-1]
    depth = f"{len(part.parts)}-" if part.stack else ""
    source, result = ("x".join(map(str, shape)) for shape in (first.input_shapes[0], last.output_shape))
    kind = getattr(first, "operator", None) or first.kind
    kernel = getattr(first, "kernel", None)
    window = f"-k{kernel[0]}x{kernel[1]}-s{_stride(first)}" if kernel else ""
    groups = f"-g{groups}" if (groups := getattr(first, "groups", 1)) > 1 else ""
    activation = getattr(first, "activation", "none")
    ending = "" if activation == "none" else f"-{activation}"
    return f"{depth}{kind}-{source}-{result}{window}{groups}{ending}".replace("_", "-")


def _stride(layer: object) -> int:
    stride = getattr(layer, "stride", None) or getattr(layer, "kernel", [1])
    return int(stride[0])


def _recurrent(part: BuiltPart) -> bool:
    return any(each.kind == "recurrent" for each in part.parts)


def _alone(suite: MicrobenchSuite, where: str) -> list[BuiltPart]:
    """Each layer, stack and block once, in fp32."""
    parts: list[BuiltPart] = []
    _check_count(suite, where)
    for number, entry in enumerate(suite.layers):
        for chosen in _crossed(entry):
            place = f"{where}: layers.{number}"
            parts.append(_parsed({"layer": chosen}, place))
    for number, stack in enumerate(suite.stacks):
        for layers in product(*(list(_crossed(entry)) for entry in stack)):
            parts.append(_parsed({"stack": list(layers)}, f"{where}: stacks.{number}"))
    for number, entry in enumerate(suite.blocks):
        for chosen in _crossed(entry):
            parts.append(_parsed({"block": chosen}, f"{where}: blocks.{number}"))
    return parts


def _parsed(data: Mapping[str, JsonValue], where: str) -> BuiltPart:
    """The part as a workload's model would have it; raises InputError with the key that is wrong."""
    model = parse_model(ModelSpec, data, where)
    assert model.part is not None
    return model.part


def _crossed(entry: Alternatives) -> Iterator[Alternatives]:
    """Every combination of the alternatives of an entry; a value that is no list has one."""
    axes = [value if isinstance(value, list) else [value] for value in entry.values()]
    for values in product(*axes):
        yield dict(zip(entry, values, strict=True))


def _check_count(suite: MicrobenchSuite, where: str) -> None:
    """Raises InputError for an empty suite, and before a cross product explodes."""
    entries: Sequence[Sequence[Alternatives]] = [
        *([entry] for entry in (*suite.layers, *suite.blocks)),
        *suite.stacks,
    ]
    count = sum(
        math.prod(len(value) for entry in group for value in entry.values() if isinstance(value, list))
        for group in entries
    )
    count *= len(suite.datatypes) * len(suite.sparsities) * len(suite.weights) * len(suite.depths)
    if count * len(suite.batch_sizes) > MOST_CROSSED * MOST_POINTS:
        problem = f"has up to {count * len(suite.batch_sizes):,} points, far more than {MOST_POINTS:,}"
        raise InputError(problem, where=where, cure="name fewer alternatives")
    if not count:
        raise InputError("has no layers, stacks or blocks", where=where, cure="add an entry to one of them")
