"""The order in which points are measured: blocks of points that share a load of the model."""

import random
from collections import defaultdict
from collections.abc import Sequence

from qutiperf.errors import InputError
from qutiperf.spec.config import canonical_json
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sweep import Order, Sweep

_FEWEST_BALANCED = 3


def in_order(points: Sequence[Point], sweep: Sweep) -> list[list[Point]]:
    """Blocks in the order of the sweep, accuracy first in the first block of its load; pure.

    `random` shuffles the points of each repeat, with the same result for the same seed. `balanced` makes
    every repeat of a load a block of its own and reverses the loads in every other repeat (A B, B A, A B).
    Raises InputError for a balanced order of too few repeats.
    """
    loads = _by_load(points)
    if sweep.order is Order.LISTED:
        return list(loads.values())
    shuffled = {key: _shuffled(key, load, sweep.order_seed) for key, load in loads.items()}
    if sweep.order is Order.RANDOM:
        return list(shuffled.values())
    if sweep.most_repeats < _FEWEST_BALANCED:
        problem = f"order: balanced needs {_FEWEST_BALANCED} repeats or more, not {sweep.most_repeats}"
        raise InputError(problem, where=f"sweep {sweep.name}", cure="set repeats to 4")
    return _balanced(list(shuffled.values()), sweep.most_repeats)


def _by_load(points: Sequence[Point]) -> dict[str, list[Point]]:
    loads: defaultdict[str, list[Point]] = defaultdict(list)
    for point in points:
        loads[load_key(point)].append(point)
    return dict(loads)


def load_key(point: Point) -> str:
    """The same for points that one load of a model serves."""
    return canonical_json([point.sut, point.workload, point.load_parameters])


def _shuffled(key: str, points: Sequence[Point], seed: int) -> list[Point]:
    """Repeats stay one after the other, so that each is spread over the whole time of the load."""
    ordered = [point for point in points if point.mode is Mode.ACCURACY]
    performance = [point for point in points if point.mode is not Mode.ACCURACY]
    for repeat in sorted({point.repeat for point in performance}):
        block = [point for point in performance if point.repeat == repeat]
        random.Random(f"{seed} {repeat} {key}").shuffle(block)
        ordered += block
    return ordered


def _balanced(loads: Sequence[Sequence[Point]], repeats: int) -> list[list[Point]]:
    blocks: list[list[Point]] = []
    for repeat in range(1, repeats + 1):
        for load in loads if repeat % 2 else reversed(loads):
            blocks.append([point for point in load if point.repeat == repeat])
    return [block for block in blocks if block]
