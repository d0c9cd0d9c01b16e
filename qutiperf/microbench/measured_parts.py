"""Measured layers, stacks and networks of a results folder, as tables of seconds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qutiperf import host
from qutiperf.errors import InputError
from qutiperf.harness.execution import MOVING_NODES
from qutiperf.results.derived import ran_as
from qutiperf.results.record import NodeTime, RunRecord
from qutiperf.spec.build import Build
from qutiperf.spec.microbench import State
from qutiperf.spec.part import BuiltPart
from qutiperf.spec.scenario import Mode
from qutiperf.units import MILLISECONDS_PER_SECOND, NANOSECONDS_PER_SECOND

Batches = dict[int, float]


@dataclass(frozen=True, slots=True)
class PartNodes:
    """The nodes of a part by the runtime's profiler, in seconds of a batch, and their numbers.

    Those before and after the first and last that compute convert the part's input and output.
    """

    before_s: float
    computing_s: float
    after_s: float
    before: int
    computing: int
    after: int

    @property
    def seconds(self) -> float:
        return self.before_s + self.computing_s + self.after_s

    @property
    def count(self) -> int:
        return self.before + self.computing + self.after


@dataclass(frozen=True, slots=True)
class MeasuredPart:
    """A part (depth 1), or a stack that repeats it: seconds of a batch by its size; `spent_s` to measure.

    A part is a layer, a block, or a pair of unlike layers. `ran_as` says how it ran in its datatype. `nodes`
    has its nodes by batch size where the runtime has a profiler.
    """

    part: BuiltPart
    depth: int
    state: State
    seconds: Batches
    spent_s: float
    ran_as: str | None = None
    nodes: Mapping[int, PartNodes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What measured layers depend on beside themselves."""

    sut: str
    host: str
    versions: Mapping[str, str]
    threads: int | None
    streams: int

    @property
    def label(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.sut}, host {self.host}, {versions}, {self.threads or 'unknown'} threads"


@dataclass(frozen=True, slots=True)
class MeasuredParts:
    """Everything usable of a folder under one set of conditions; `failed` counts what is left out."""

    conditions: Conditions
    parts: Sequence[MeasuredPart]
    networks: Sequence[RunRecord]
    failed: int


def key_of(part: BuiltPart) -> str:
    """A layer and its datatype, however its weights are stored in memory and whatever their seed."""
    stated = part.build
    build = Build(datatype=stated.datatype, datatypes=stated.datatypes, sparsity=stated.sparsity)
    return part.model_copy(update={"build": build}).digest


def measured_parts(
    records: Sequence[RunRecord], where: str, sut: str | None = None, threads: int | None = None
) -> MeasuredParts:
    """The parts of the most frequent conditions, of a system and thread count if they are given.

    Raises InputError for a folder without a usable layer.
    """
    layers = [record for record in records if record.inputs.workload.model.part is not None]
    usable = [record for record in layers if _usable(record)]
    if not usable:
        problem = f"none of its {len(layers)} layers was measured" if layers else "has no measured layers"
        cure = "measure some with `qutiperf microbench run`"
        raise InputError(problem, where=where, cure=cure)
    kept = [
        record for record in usable if sut in (None, record.point.sut) and threads in (None, _threads(record))
    ]
    if not kept:
        there = sorted({f"{record.point.sut} with {_threads(record)} threads" for record in usable})
        given = f"no layers of {sut or 'any system'}" + (f" with {threads} threads" if threads else "")
        raise InputError(f"has {given}", where=where, cure=f"it has {', '.join(there)}")
    [(chosen, _)] = Counter(_key(record) for record in kept).most_common(1)
    same = [record for record in kept if _key(record) == chosen]
    return MeasuredParts(
        conditions_of(same[0]), _parts(same), _networks(records, chosen), len(layers) - len(usable)
    )


def conditions_of(record: RunRecord) -> Conditions:
    described = record.observed.adapter if record.observed else {}
    versions = {
        name: value for name, value in described.items() if name in record.versions or name == "openvino"
    }
    return Conditions(
        record.point.sut,
        host.fingerprint(record.host),
        versions,
        _threads(record),
        int(record.point.deployment.get("streams", 1)),
    )


def check_own(conditions: Conditions, where: str) -> None:
    """Raises InputError for layers of another host or of other versions than those installed here."""
    here, versions = host.fingerprint(host.facts()), host.versions()
    cure = "measure them here, or accept them with --allow-foreign"
    if conditions.host != here:
        raise InputError(
            f"its layers are of host {conditions.host}, this one is {here}", where=where, cure=cure
        )
    for name, version in conditions.versions.items():
        if versions.get(name, version) != version:
            problem = f"its layers were measured with {name} {version}, installed is {versions[name]}"
            raise InputError(problem, where=where, cure=cure)


def _usable(record: RunRecord) -> bool:
    return bool(record.figures.compute_latency_p50_ms) and record.failure is None


def _threads(record: RunRecord) -> int | None:
    value = record.point.deployment.get("threads")
    return value if isinstance(value, int) else None


def _key(record: RunRecord) -> str:
    return conditions_of(record).label + f" {record.point.deployment.get('streams')}"


def _parts(records: Sequence[RunRecord]) -> list[MeasuredPart]:
    """One entry for each part and state, with every batch size."""
    groups: dict[tuple[str, int, State], list[RunRecord]] = {}
    parts: dict[tuple[str, int, State], BuiltPart] = {}
    for record in records:
        part = record.inputs.workload.model.part
        if part is None:
            continue
        alone, depth = _alone(part)
        key = (key_of(alone), depth, _state(part))
        groups.setdefault(key, []).append(record)
        parts[key] = alone
    return [_measured(parts[key], key[1], key[2], same) for key, same in groups.items()]


def _measured(part: BuiltPart, depth: int, state: State, records: Sequence[RunRecord]) -> MeasuredPart:
    seconds = {
        int(record.point.deployment["batch_size"]): (record.figures.compute_latency_p50_ms or 0.0)
        / MILLISECONDS_PER_SECOND
        for record in records
    }
    profiled = [(record, record.observed.profile) for record in records if record.observed]
    nodes = {
        int(record.point.deployment["batch_size"]): part_nodes(each) for record, each in profiled if each
    }
    spent_s = sum(record.elapsed_s for record in records)
    return MeasuredPart(part, depth, state, seconds, spent_s, ran_as(records[0]), nodes)


def part_nodes(nodes: Sequence[NodeTime]) -> PartNodes:
    """Nodes in the order in which they ran; of a part that only moves values, all compute."""
    computing = [number for number, node in enumerate(nodes) if node.operator not in MOVING_NODES]
    first, last = (computing[0], computing[-1] + 1) if computing else (0, len(nodes))
    before, inside, after = (
        sum(node.time_ns for node in some) / NANOSECONDS_PER_SECOND
        for some in (nodes[:first], nodes[first:last], nodes[last:])
    )
    return PartNodes(before, inside, after, first, last - first, len(nodes) - last)


def _alone(part: BuiltPart) -> tuple[BuiltPart, int]:
    """What a stack repeats, a layer or a pair, and how often; other parts as they are, with depth 1."""
    layers = part.stack
    if layers is None:
        return part, 1
    kinds = list(zip(layers, part.datatypes, strict=True))
    if all(kind == kinds[0] for kind in kinds):
        build = part.build.model_copy(update={"datatypes": None})
        return BuiltPart(layer=layers[0], build=build), len(layers)
    if len(layers) == 4 and kinds[:2] == kinds[2:]:
        datatypes = part.build.datatypes and part.build.datatypes[:2]
        build = part.build.model_copy(update={"datatypes": datatypes})
        return BuiltPart(stack=layers[:2], build=build), 2
    return part, 1


def _state(part: BuiltPart) -> State:
    return "streamed" if part.build.weight_copies > 1 else "resident"


def _networks(records: Sequence[RunRecord], key: str) -> list[RunRecord]:
    """Whole networks under the same conditions."""
    return [
        record
        for record in records
        if record.inputs.workload.model.part is None
        and record.point.mode is Mode.PERFORMANCE
        and _usable(record)
        and _key(record) == key
    ]
