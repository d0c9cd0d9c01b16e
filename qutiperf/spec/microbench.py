"""A suite of microbenchmarks, and its expansion into parts by one pure function."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from qutiperf.errors import InputError
from qutiperf.spec.build import WEIGHTS_ALONE, Build, DatatypeName
from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, parse_model
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.layer import Attention, Threshold
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
# of a weight while the output is checked: the model built again, and its copies in float64; a dense layer of
# 8,000 x 8,000 in fp32 took 36 bytes a weight in all
CHECK_BYTES = 28
# of the samples of a part: the layer before it in a network has just written its input, so that it is cached
SAMPLE_BYTES = 4_000_000
# of a part's duration that its test must last: it is meant to last all of it, at the rate of a short probe
LEAST_SHARE = 0.7
MOST_SAMPLES = 64
MOST_CROSSED = 5  # times as many points before the parts that cannot be are left out
_BYTES_PER_GB = 1e9
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")  # in names of folders


class MicrobenchSuite(StrictModel):
    """Layers and blocks with lists of alternatives, crossed with datatypes, sparsities, states and depths.

    In `layers` and `blocks` a list is a set of alternatives ([[1, 7], [7, 1]] for pairs). `depths` 2 and 4
    are stacks of equal layers, of those that take their own output. `weights` streamed rotates copies that
    are larger than the host's cache. `stacks` are lists of unlike layers. `mixed` has a datatype for each
    layer of the stacks of its length, beside `datatypes`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    description: str = ""
    datatypes: Annotated[list[DatatypeName], Field(min_length=1)] = ["fp32"]
    mixed: list[list[DatatypeName]] = []
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
        label = _UNSAFE.sub("-", self.label).strip("-")
        return f"{label}-{self.part.build.label.replace('+', '-')}-{self.part.digest[:8]}"

    @property
    def state(self) -> State:
        return "streamed" if self.part.build.weight_copies > 1 else "resident"

    def memory_bytes(self, batch_size: int) -> float:
        """Of weights, inputs and outputs for a batch.

        Weights are those of all copies, as the file has them and as the runtime packs them, and those of the
        reference; inputs and outputs are those of every layer, with what is between the nodes of one.
        """
        weights = 2 * self.part.weight_bytes * self.part.build.weight_copies
        weights += CHECK_BYTES * sum(each.weights for each in self.part.parts)
        shapes = [shape for each in self.part.parts for shape in (*each.input_shapes, each.output_shape)]
        elements = sum(map(math.prod, shapes))
        elements += sum(int(getattr(each, "inner_elements", 0)) for each in self.part.parts)
        return weights + batch_size * self.part.build.activation_bytes * elements


def load_suite(name: str) -> tuple[MicrobenchSuite, CatalogFile]:
    """A shipped suite or a file; raises InputError."""
    file = read("microbench", name)
    return parse_model(MicrobenchSuite, file.data, str(file.path)), file


def expand_suite(suite: MicrobenchSuite, where: str, cache_bytes: float | None) -> list[SuitePart]:
    """Every part of the suite once, in its order; raises InputError, also if none of them can be built.

    `cache_bytes` is the last-level cache of the device; nothing is streamed if it is unknown.
    """
    parts: list[SuitePart] = []
    for number, mixed in enumerate(suite.mixed):
        if len(mixed) not in map(len, suite.stacks):
            problem = f"mixed.{number}: has {len(mixed)} datatypes, but no stack has as many layers"
            raise InputError(problem, where=where, cure="give one for each layer of a stack")
    whole = [each for alone in _alone(suite, where) for each in builds(alone, suite)]
    for part in whole:
        if part.unbuildable is None:
            parts += states(part, suite, cache_bytes)
    if not parts:
        reason = next((part.unbuildable for part in whole if part.unbuildable), "no part is in any state")
        raise InputError(f"has nothing that can be built: {reason}", where=where)
    unique = {one.part.digest: one for one in parts}
    return list(unique.values())


def variants(alone: BuiltPart, suite: MicrobenchSuite, cache_bytes: float | None) -> Iterator[SuitePart]:
    """A part in every datatype, sparsity, depth and state of the suite in which it can be built."""
    for part in builds(alone, suite):
        if part.unbuildable is None:
            yield from states(part, suite, cache_bytes)


def builds(alone: BuiltPart, suite: MicrobenchSuite) -> Iterator[BuiltPart]:
    """A part in every datatype, sparsity and depth; stacks with the datatypes of `mixed` too."""
    for datatype, sparsity, depth in product(suite.datatypes, suite.sparsities, suite.depths):
        part = stacked(alone, depth)
        if part is not None:
            yield part.model_copy(update={"build": Build(datatype=datatype, sparsity=sparsity)})
    if alone.stack is not None:
        fitting = [mixed for mixed in suite.mixed if len(mixed) == len(alone.stack)]
        for mixed, sparsity in product(fitting, suite.sparsities):
            build = Build(datatype=mixed[0], datatypes=mixed, sparsity=sparsity)
            yield alone.model_copy(update={"build": build})


def states(part: BuiltPart, suite: MicrobenchSuite, cache_bytes: float | None) -> Iterator[SuitePart]:
    """A part with resident weights, with streamed ones, or both, as the suite has it."""
    for state in suite.weights:
        copies = 1 if state == "resident" else copies_to_stream(part, cache_bytes)
        if copies is not None:
            build = part.build.model_copy(update={"weight_copies": copies})
            yield SuitePart(part.model_copy(update={"build": build}), label_of(part))


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
    stored = part.weight_bytes
    if cache_bytes is None or not stored:
        return None
    copies = max(2, math.ceil(CACHE_SHARE * cache_bytes / stored))
    return copies if copies <= MOST_COPIES else None


def workload_of(one: SuitePart) -> Workload:
    """The workload of a part on random samples, few enough to stay in memory."""
    part = one.part
    model = ModelSpec.model_validate(
        {"layer": part.layer, "stack": part.stack, "block": part.block, "build": part.build}
    )
    sample = sum(math.prod(shape) for shape in part.parts[0].input_shapes) * part.build.activation_bytes
    count = max(1, min(MOST_SAMPLES, int(SAMPLE_BYTES / max(sample, 1))))
    sparsity, datatype = part.build.sparsity, part.build.label
    variant = Variant(
        topology=one.label,
        weight_datatype=datatype,
        activation_datatype="fp32" if datatype in WEIGHTS_ALONE else datatype,
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
    if isinstance(first, Attention):
        ending = f"-h{first.heads}" if first.projections else "-alone"
    if isinstance(first, Threshold):
        ending = f"-{first.bits}bit"
    return f"{depth}{kind}-{source}-{result}{window}{groups}{ending}".replace("_", "-")


def _stride(layer: object) -> int:
    stride = getattr(layer, "stride", None) or getattr(layer, "kernel", [1])
    return int(stride[0])


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
    parse_model(ModelSpec, data, where)
    return BuiltPart.model_validate(data)


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
    count *= (
        (len(suite.datatypes) + len(suite.mixed))
        * len(suite.sparsities)
        * len(suite.weights)
        * len(suite.depths)
    )
    if count * len(suite.batch_sizes) > MOST_CROSSED * MOST_POINTS:
        problem = f"has up to {count * len(suite.batch_sizes):,} points, far more than {MOST_POINTS:,}"
        raise InputError(problem, where=where, cure="name fewer alternatives")
    if not count:
        raise InputError("has no layers, stacks or blocks", where=where, cure="add an entry to one of them")
