"""The order of measuring, as a pure function of points and a seed."""

import pytest

from qutiperf.errors import InputError
from qutiperf.spec.order import in_order
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.sweep import Order, Sweep


def sweep(order: Order, repeats: int = 3, seed: int = 0) -> Sweep:
    return Sweep(
        name="s",
        suts=["a", "b"],
        workloads=["w"],
        scenarios=[ScenarioName.OFFLINE],
        order=order,
        repeats=repeats,
        order_seed=seed,
    )


def points(repeats: int = 3) -> list[Point]:
    """Two systems with an accuracy run and batches 1 to 6 of each repeat."""
    return [
        Point(
            sut=sut,
            workload="w",
            scenario=ScenarioName.OFFLINE,
            mode=mode,
            profile=Profile.STANDARD,
            settings=RunSettings(),
            deployment={"batch_size": batch, "streams": 1},
            repeat=repeat,
        )
        for sut in ("a", "b")
        for mode, repeat, batch in [
            (Mode.ACCURACY, 1, 6),
            *[(Mode.PERFORMANCE, repeat, batch) for repeat in range(1, repeats + 1) for batch in range(1, 7)],
        ]
    ]


def outline(blocks: list[list[Point]]) -> list[tuple[str, int, int]]:
    """System, first repeat and length of each block."""
    return [(block[0].sut, block[-1].repeat, len(block)) for block in blocks]


def test_listed_is_the_order_of_the_sweep() -> None:
    blocks = in_order(points(), sweep(Order.LISTED))
    assert [point for block in blocks for point in block] == points()
    assert outline(blocks) == [("a", 3, 19), ("b", 3, 19)]


def test_random_keeps_loads_together_accuracy_first_and_repeats_apart() -> None:
    blocks = in_order(points(), sweep(Order.RANDOM))
    assert outline(blocks) == [("a", 3, 19), ("b", 3, 19)]
    first = blocks[0]
    assert first[0].mode is Mode.ACCURACY
    assert [point.repeat for point in first[1:]] == [1] * 6 + [2] * 6 + [3] * 6
    rounds = [[point.deployment["batch_size"] for point in first[1 + 6 * n : 7 + 6 * n]] for n in range(3)]
    assert all(sorted(map(int, each)) == [1, 2, 3, 4, 5, 6] for each in rounds)
    assert len({tuple(each) for each in rounds}) == 3
    assert in_order(points(), sweep(Order.RANDOM)) == blocks
    assert in_order(points(), sweep(Order.RANDOM, seed=1)) != blocks


def test_balanced_loads_anew_for_every_repeat_and_reverses() -> None:
    blocks = in_order(points(4), sweep(Order.BALANCED, 4))
    assert outline(blocks) == [
        *[("a", 1, 7), ("b", 1, 7)],
        *[("b", 2, 6), ("a", 2, 6)],
        *[("a", 3, 6), ("b", 3, 6)],
        *[("b", 4, 6), ("a", 4, 6)],
    ]
    with pytest.raises(InputError, match="order: balanced needs 3 repeats or more, not 2; set repeats to 4"):
        in_order(points(2), sweep(Order.BALANCED, 2))
