"""What stacks and pairs show, by hand."""

from dataclasses import replace

import pytest

from qutiperf.errors import InputError
from qutiperf.microbench.evaluation import _without_own
from qutiperf.microbench.layer_model import LayerModel, layer_model
from qutiperf.microbench.measured_parts import Conditions, MeasuredPart, MeasuredParts, _alone
from qutiperf.microbench.network_layers import NetworkLayer, NetworkLayers
from qutiperf.microbench.selection import pair_of
from qutiperf.microbench.stacks import Stacks, layers_of, name_of, part_rows
from qutiperf.spec.build import Build
from qutiperf.spec.layer import Dense
from qutiperf.spec.part import BuiltPart

HERE = Conditions("it", "host", {}, 2, 1)
WIDE = BuiltPart(layer=Dense(inputs=8, outputs=16))
NARROW = BuiltPart(layer=Dense(inputs=16, outputs=8))


def pair(first: BuiltPart, second: BuiltPart, times: int = 1) -> BuiltPart:
    made = pair_of(first, second, times)
    assert made is not None
    return made


def measured(part: BuiltPart, milliseconds: float) -> MeasuredPart:
    alone, depth = _alone(part)
    return MeasuredPart(alone, depth, "resident", {1: milliseconds / 1e3}, 1.0, "native")


def of_depth(depth: int, size: int = 8) -> BuiltPart:
    layer = Dense(inputs=size, outputs=size)
    return BuiltPart(layer=layer) if depth == 1 else BuiltPart(stack=[layer] * depth)


def test_stacks_of_equal_layers_by_hand() -> None:
    """5, 8 and 14 ms: 3 ms for one more layer, 2 ms beside the layers, 8 instead of 10 ms for two."""
    parts = [measured(of_depth(depth), time) for depth, time in ((1, 5.0), (2, 8.0), (4, 14.0))]
    rows = part_rows(parts)
    assert [row.part for row in rows] == ["dense-8-8", "2 x dense-8-8", "4 x dense-8-8"]
    assert [row.excess for row in rows] == [None, pytest.approx(0.8), pytest.approx(0.7)]
    for row in rows:
        assert row.marginal_latency_ms == pytest.approx(3.0)
        assert row.edge_latency_ms == pytest.approx(2.0)
        assert row.ran_as == "native"
    assert part_rows(parts[:2])[1].marginal_latency_ms is None


def test_pairs_of_unlike_layers_by_hand() -> None:
    """4 and 6 ms alone, 7 ms in a row, 12 ms twice in a row: (12 - 7) / 2, 2 x 7 - 12, 7 / 10, 12 / 20."""
    both = pair(WIDE, NARROW)
    parts = [
        measured(WIDE, 4.0),
        measured(NARROW, 6.0),
        measured(both, 7.0),
        measured(pair(WIDE, NARROW, 2), 12),
    ]
    assert [part.depth for part in parts] == [1, 1, 1, 2]
    once, twice = part_rows(parts)[2:]
    assert (once.part, twice.part) == ("dense-8-16+dense-16-8", "2 x dense-8-16+dense-16-8")
    assert once.marginal_latency_ms == pytest.approx(2.5)
    assert once.edge_latency_ms == pytest.approx(2.0)
    assert once.excess == pytest.approx(0.7)
    assert twice.excess == pytest.approx(0.6)
    assert Stacks(parts).excess(both, "resident", 1) == pytest.approx(0.7)
    assert Stacks(parts[1:]).excess(both, "resident", 1) is None
    assert Stacks(parts).excess(both, "streamed", 1) is None


def test_pairs_of_unlike_datatypes() -> None:
    other = BuiltPart(layer=Dense(inputs=16, outputs=8), build=Build(datatype="int8"))
    mixed = pair(WIDE, other)
    assert mixed.build.label == "fp32+int8"
    assert [part.build.datatype for part in layers_of(mixed)] == ["fp32", "int8"]
    assert name_of(mixed) == "dense-8-16+dense-16-8"
    assert _alone(pair(WIDE, other, 2)) == (mixed, 2)
    parts = [measured(WIDE, 4.0), measured(other, 1.0), measured(mixed, 6.0)]
    assert part_rows(parts)[2].excess == pytest.approx(1.2)
    assert pair_of(WIDE, WIDE) is None
    equal = BuiltPart(stack=[Dense(inputs=8, outputs=8)] * 2, build=Build(datatypes=["fp32", "int8"]))
    assert _alone(equal) == (equal, 1)


def model_of(*parts: MeasuredPart) -> LayerModel:
    return layer_model(MeasuredParts(HERE, parts, [], 0), None)


def network() -> NetworkLayers:
    layers = [NetworkLayer("it", part, 1.0, 128.0, 24.0) for part in (WIDE, NARROW)]
    return NetworkLayers("it", tuple(layers), {}, "test", 0.0, ((0, 1),))


@pytest.mark.parametrize(("together", "between"), [(13.0, 3.0), (9.0, -1.0), (2.0, -8.0), (0.5, -9.0)])
def test_measured_pairs_correct_a_prediction(together: float, between: float) -> None:
    """4 + 6 ms alone without stacks; all savings together leave a tenth of the layers."""
    alone = [measured(WIDE, 4.0), measured(NARROW, 6.0)]
    model = model_of(*alone, measured(pair(WIDE, NARROW), together))
    predicted = model.predict(network(), [1])
    assert predicted.seconds[0] == pytest.approx((10 + between) / 1e3)
    assert predicted.between_share[0] == pytest.approx(between / (10 + between))
    assert predicted.measured_share[0] == pytest.approx(1.0)
    for without in (model.predict(network(), [1], pairs=False), model_of(*alone).predict(network(), [1])):
        assert without.seconds[0] == pytest.approx(0.01)
        assert without.between_share[0] == 0.0


def test_pairs_count_from_the_smallest_batch_size_at_which_they_were_measured() -> None:
    alone = [replace(measured(part, 1.0), seconds={1: 1e-3, 8: 8e-3}) for part in (WIDE, NARROW)]
    together = replace(measured(pair(WIDE, NARROW), 1.0), seconds={8: 12e-3})
    predicted = model_of(*alone, together).predict(network(), [1, 8])
    assert predicted.seconds == pytest.approx([2e-3, 12e-3])


def test_a_pair_of_a_layer_that_was_not_measured_alone_is_not_used() -> None:
    model = model_of(measured(WIDE, 4.0), measured(pair(WIDE, NARROW), 9.0))
    predicted = model.predict(network(), [1])
    assert predicted.between_share[0] == 0.0
    assert predicted.interpolated_share[0] > 0


def test_pairs_count_the_border_of_a_call_once() -> None:
    """Two sizes have an edge of 2 ms; the pair has it once, so that 8 = 2 + (4 - 2) + (6 - 2) + 0."""
    stacks = [
        measured(of_depth(depth, size), time)
        for size in (8, 64)
        for depth, time in ((1, 5.0), (2, 8.0), (4, 14.0))
    ]
    model = model_of(*stacks, measured(WIDE, 4.0), measured(NARROW, 6.0), measured(pair(WIDE, NARROW), 8.0))
    assert model.borders.edge_s(16.0, 1) == pytest.approx(0.002)
    predicted = model.predict(network(), [1])
    assert predicted.between_share[0] == pytest.approx(0.0, abs=1e-9)
    assert predicted.seconds[0] == pytest.approx(0.008)


def test_without_any_single_layer_nothing_is_interpolated() -> None:
    """A folder of pairs, of stacks or of blocks alone."""
    model = model_of(measured(pair(WIDE, NARROW), 9.0))
    with pytest.raises(InputError, match=r"dense-8-16 was not measured, and no single layer .*--for NETWORK"):
        model.predict(network(), [1])


def test_a_network_is_not_interpolated_from_its_own_pairs() -> None:
    alone = [measured(WIDE, 4.0), measured(NARROW, 6.0), measured(pair(WIDE, NARROW), 9.0)]
    assert _without_own(MeasuredParts(HERE, alone, [], 0), network(), None) is None
    other = measured(BuiltPart(layer=Dense(inputs=32, outputs=8)), 1.0)
    rest = _without_own(MeasuredParts(HERE, [*alone, other], [], 0), network(), None)
    assert rest is not None
    assert rest.pairs == {}
    assert rest.predict(network(), [1]).interpolated_share[0] == pytest.approx(1.0)
