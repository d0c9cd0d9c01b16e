"""What stacks show of their layers: the time of one more layer, of the borders, and of standing alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qutiperf.microbench.measured_parts import MeasuredPart, key_of
from qutiperf.spec.build import Build
from qutiperf.spec.layer import Layer
from qutiperf.spec.microbench import State, label_of
from qutiperf.spec.part import BuiltPart
from qutiperf.units import MILLISECONDS_PER_SECOND

_OF_DEPTH = {1: "", 2: "2 x ", 4: "4 x "}


@dataclass(frozen=True, slots=True)
class StackFigures:
    """Of a part at a batch size, in ms; None where the stacks were not measured.

    With t2 and t4 of stacks of two and four layers, marginal = (t4 - t2) / 2 is one more layer, of a pair the
    mean of both, and edge = 2 t2 - t4 is what a call costs beside its layers; it may be negative by noise.
    excess is the time of a stack over the sum of its layers alone: below 1 they share the costs of a call.
    """

    marginal_latency_ms: float | None
    edge_latency_ms: float | None
    excess: float | None


@dataclass(frozen=True, slots=True)
class PartRow:
    """A measured part at a batch size, with what its stacks show."""

    part: str
    datatype: str
    weights: str
    batch_size: int
    latency_ms: float
    marginal_latency_ms: float | None
    edge_latency_ms: float | None
    excess: float | None
    ran_as: str | None


class Stacks:
    """Measured parts by what they are, how often in a row, and where their weights come from."""

    def __init__(self, parts: Sequence[MeasuredPart]) -> None:
        self._parts: Mapping[tuple[str, int, State], MeasuredPart] = {
            (key_of(part.part), part.depth, part.state): part for part in parts
        }

    def seconds(self, part: BuiltPart, depth: int, state: State, batch: int) -> float | None:
        found = self._parts.get((key_of(part), depth, state))
        return None if found is None else found.seconds.get(batch)

    def computing_s(self, part: BuiltPart, batch: int) -> float | None:
        """The nodes that compute a part alone, by the runtime's profiler; None without one."""
        found = self._parts.get((key_of(part), 1, "resident"))
        nodes = found.nodes.get(batch) if found else None
        return None if nodes is None else nodes.computing_s

    def marginal_ms(self, part: BuiltPart, state: State, batch: int) -> float | None:
        """Of one more layer; of a pair, which is a stack of four if it is there twice, the mean of both."""
        two, four = self._two_and_four(part, state, batch)
        return None if two is None or four is None else MILLISECONDS_PER_SECOND * (four - two) / 2

    def edge_ms(self, part: BuiltPart, state: State, batch: int) -> float | None:
        two, four = self._two_and_four(part, state, batch)
        return None if two is None or four is None else MILLISECONDS_PER_SECOND * (2 * two - four)

    def _two_and_four(self, part: BuiltPart, state: State, batch: int) -> tuple[float | None, float | None]:
        layers = len(part.parts)
        if layers > 2:
            return None, None
        return (
            self.seconds(part, 2 // layers, state, batch),
            self.seconds(part, 4 // layers, state, batch),
        )

    def figures(self, measured: MeasuredPart, batch: int) -> StackFigures:
        part, state = measured.part, measured.state
        return StackFigures(
            marginal_latency_ms=self.marginal_ms(part, state, batch),
            edge_latency_ms=self.edge_ms(part, state, batch),
            excess=self.excess(part, state, batch, measured.depth),
        )

    def excess(self, part: BuiltPart, state: State, batch: int, depth: int | None = None) -> float | None:
        """Of a stack of two, or of a part `depth` times; None unless its layers were measured alone."""
        layers = layers_of(part)
        times = max(1, 2 // len(layers)) if depth is None else depth
        stacked = self.seconds(part, times, state, batch)
        alone = [self.seconds(layer, 1, state, batch) for layer in layers]
        known = [each for each in alone if each is not None]
        if stacked is None or times * len(layers) < 2 or len(known) < len(layers):
            return None
        return stacked / (times * sum(known))


def layers_of(part: BuiltPart) -> list[BuiltPart]:
    """Each layer of a stack on its own, in its datatype; of other parts only themselves."""
    if part.stack is None:
        return [part]
    return [_layer(layer, part.build, number) for number, layer in enumerate(part.stack)]


def _layer(layer: Layer, build: Build, number: int) -> BuiltPart:
    datatype = build.datatypes[number] if build.datatypes else build.datatype
    return BuiltPart(layer=layer, build=Build(datatype=datatype, sparsity=build.sparsity))


def part_rows(parts: Sequence[MeasuredPart]) -> list[PartRow]:
    """Every part, state and batch size, in the order of the folder."""
    stacks = Stacks(parts)
    return [
        _row(part, batch, seconds, stacks.figures(part, batch))
        for part in parts
        for batch, seconds in sorted(part.seconds.items())
    ]


def _row(part: MeasuredPart, batch: int, seconds: float, figures: StackFigures) -> PartRow:
    return PartRow(
        part=_OF_DEPTH.get(part.depth, f"{part.depth} x ") + name_of(part.part),
        datatype=part.part.build.label,
        weights=part.state,
        batch_size=batch,
        latency_ms=seconds * MILLISECONDS_PER_SECOND,
        marginal_latency_ms=figures.marginal_latency_ms,
        edge_latency_ms=figures.edge_latency_ms,
        excess=figures.excess,
        ran_as=part.ran_as,
    )


def name_of(part: BuiltPart) -> str:
    """The label of a layer or block; those of its layers for a stack of unlike ones."""
    return "+".join(label_of(each) for each in layers_of(part))
