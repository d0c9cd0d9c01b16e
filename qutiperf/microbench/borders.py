"""What a part pays for standing alone, and what is left of its time inside a network.

A part alone pays for the call, and for converting its input and output to the layout of the runtime. Where
the runtime has a profiler, its nodes say what is conversion: those that only move or convert values, before
and after the others. A profiler takes time for each node itself. With t the time of a part, measured without
it, and p the profiled sum of its n nodes,

    t - p = call - n x node

is fitted to all profiled parts. Without a profiler, edge = 2 t2 - t4 = call + elements x conversion is fitted
to stacks of two and of four layers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from qutiperf.microbench.measured_parts import Batches, MeasuredPart
from qutiperf.spec.microbench import State
from qutiperf.spec.part import BuiltPart

LEAST_SHARE = 0.1  # of a part's time that its time inside a network is at least
StackKey = tuple[str, int, State]


@dataclass(frozen=True, slots=True)
class Borders:
    """Seconds of a call, of converting an element, and of profiling a node; `node_s` is None if none was."""

    call_s: float
    conversion_s: float
    node_s: float | None

    def edge_s(self, elements: float, batch: int) -> float:
        """What a part alone pays that a network pays once, where its nodes are not known."""
        return self.call_s + self.conversion_s * elements * batch

    def inside(self, part: MeasuredPart) -> Batches:
        """Seconds of a batch inside a network, by its size."""
        return {batch: self._inside_s(part, batch, seconds) for batch, seconds in part.seconds.items()}

    def _inside_s(self, part: MeasuredPart, batch: int, seconds: float) -> float:
        nodes = part.nodes.get(batch)
        if nodes is not None:
            return self._without_profiler(nodes.computing_s, nodes.computing)
        return max(seconds - self.edge_s(elements_of(part.part), batch), LEAST_SHARE * seconds)

    def conversions(self, part: MeasuredPart) -> tuple[Batches, Batches]:
        """Seconds of converting its input and its output, where its nodes are known."""
        return (
            {size: self._without_profiler(each.before_s, each.before) for size, each in part.nodes.items()},
            {size: self._without_profiler(each.after_s, each.after) for size, each in part.nodes.items()},
        )

    def _without_profiler(self, seconds: float, nodes: int) -> float:
        return max(seconds - (self.node_s or 0.0) * nodes, LEAST_SHARE * seconds)


def borders_of(parts: Sequence[MeasuredPart], stacks: Mapping[StackKey, MeasuredPart]) -> Borders:
    """Fitted by least squares of the error relative to each part's time, so that short parts decide."""
    call_s, conversion_s = _of_stacks(stacks)
    rows, values = [], []
    for part in parts:
        for batch, nodes in part.nodes.items():
            seconds = part.seconds[batch]
            rows.append([1.0 / seconds, -nodes.count / seconds])
            values.append((seconds - nodes.seconds) / seconds)
    if not rows:
        return Borders(call_s, conversion_s, None)
    solution, _ = nnls(np.array(rows), np.array(values))
    return Borders(float(solution[0]), conversion_s, float(solution[1]))


def _of_stacks(stacks: Mapping[StackKey, MeasuredPart]) -> tuple[float, float]:
    """Seconds of a call, and of converting an element, from 2 t2 - t4 of every stack."""
    rows, values = [], []
    for (key, depth, state), two in stacks.items():
        four = stacks.get((key, 4, state)) if depth == 2 else None
        if four is None:
            continue
        elements = elements_of(two.part)
        for batch in two.seconds.keys() & four.seconds.keys():
            edge = 2 * two.seconds[batch] - four.seconds[batch]
            if edge > 0:
                rows.append([1.0 / edge, elements * batch / edge])
                values.append(1.0)
    if not rows:
        return 0.0, 0.0
    solution, _ = nnls(np.array(rows), np.array(values))
    return float(solution[0]), float(solution[1])


def marginals(stacks: Mapping[StackKey, MeasuredPart], borders: Borders) -> dict[tuple[str, State], Batches]:
    """Seconds of one layer in a stack: a quarter of the nodes of four, else (t4 - t2) / 2."""
    found = {}
    for (key, depth, state), four in stacks.items():
        two = stacks.get((key, 2, state)) if depth == 4 else None
        if two is None:
            continue
        inside = borders.inside(four)
        found[key, state] = {
            size: inside[size] / 4
            if size in four.nodes
            else max((four.seconds[size] - two.seconds[size]) / 2, LEAST_SHARE * four.seconds[size] / 4)
            for size in four.seconds.keys() & two.seconds.keys()
        }
    return {key: batches for key, batches in found.items() if batches}


def streamed_inside(streamed: MeasuredPart, resident: MeasuredPart | None, borders: Borders) -> Batches:
    """Seconds inside a network whose weights come from memory: that of cached ones, and what is beyond.

    Weights are read once for a batch of any size. So what is beyond is that of the smallest batch, where the
    noise of the two times hides it least.
    """
    own = borders.inside(streamed)
    if resident is None or not resident.nodes:
        return own
    cached = borders.inside(resident)
    both = streamed.seconds.keys() & resident.nodes.keys()
    least = min(both, default=0)
    beyond = max(0.0, streamed.seconds[least] - resident.seconds[least]) if both else 0.0
    return {size: cached[size] + beyond if size in both else own[size] for size in own}


def elements_of(part: BuiltPart) -> float:
    """Of its inputs and its output, for one input."""
    first, last = part.parts[0], part.parts[-1]
    return float(sum(math.prod(shape) for shape in first.input_shapes) + math.prod(last.output_shape))
