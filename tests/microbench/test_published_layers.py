"""The published layers and blocks: what they are, what they say, and the measured ones beside them."""

import math

import pytest

from qutiperf.errors import InputError
from qutiperf.microbench.measured_parts import MeasuredPart
from qutiperf.microbench.published_layers import PublishedPart, agreements, compare_parts, published_parts
from qutiperf.spec.block import Block
from qutiperf.spec.layer import Convolution
from qutiperf.spec.microbench import expand_suite, load_suite
from qutiperf.spec.part import BuiltPart


def tx2(batch: int) -> list[PublishedPart]:
    rows = [row for row in published_parts() if row.sut == "TX2" and row.operating_mode == "maxn"]
    return [row for row in rows if row.batch_size == batch]


def latency(row: PublishedPart) -> float:
    assert row.latency_ms is not None
    return row.latency_ms


def test_the_tables_are_complete() -> None:
    rows = published_parts()
    assert len(rows) == 208 + 384
    layers = [row for row in rows if len(row.shape) == 5]
    assert len(layers) == 208
    assert len({row.shape for row in layers}) == 19
    assert len({row.shape for row in rows if len(row.shape) == 4}) == 8
    assert sum("gops_of_two_cores" in row.caveats for row in rows) == 52
    assert sum("efficiency_of_swapped_peaks" in row.caveats for row in rows) == 256


@pytest.mark.parametrize(
    ("batch", "excess", "layers_ms", "blocks_ms"), [(1, 1.94, 9.89, 18.64), (128, 1.53, 917.29, 1416.18)]
)
def test_blocks_alone_pay_borders(batch: int, excess: float, layers_ms: float, blocks_ms: float) -> None:
    """The network's own compute time is 10.69 ms at batch 1 and 978.64 ms at batch 128."""
    rows = tx2(batch)
    blocks = [row for row in rows if len(row.shape) == 4]
    layers = [row for row in rows if len(row.shape) == 5]
    ratios = [
        latency(block) / sum(latency(layer) for layer in layers if layer.name.startswith(f"{block.name}_"))
        for block in blocks
    ]
    assert len(ratios) == 16
    assert math.exp(sum(map(math.log, ratios)) / 16) == pytest.approx(excess, abs=0.005)
    assert sum(map(latency, layers)) == pytest.approx(layers_ms)
    assert sum(map(latency, blocks)) == pytest.approx(blocks_ms)


def test_operations_are_those_of_the_shapes() -> None:
    """2 x in x out x kernel^2 x output^2: `output_size` is the output's side where the stride is 2, too."""
    for row in published_parts():
        if len(row.shape) == 5:
            source, result, size, kernel, _ = row.shape
            assert row.mop == pytest.approx(2 * source * result * kernel**2 * size**2 / 1e6, rel=0.01)


def test_the_shipped_suite_measures_every_published_row() -> None:
    suite, file = load_suite("resnet50-published")
    parts = expand_suite(suite.model_copy(update={"datatypes": ["fp32"]}), str(file.path), None)
    measured = [MeasuredPart(part.part, 1, "resident", {1: 1e-3, 128: 0.1}, 1.0) for part in parts]
    rows = compare_parts(measured, "results")
    published = [row for row in published_parts() if row.batch_size in (1, 128)]
    assert len(rows) == len(published)


def test_a_comparison_by_hand() -> None:
    layer = Convolution(in_channels=64, out_channels=64, size=[56, 56])
    block = Block(
        kind="residual", in_channels=1024, channels=512, out_channels=2048, size=[14, 14], stride=[2, 2]
    )
    parts = [
        MeasuredPart(BuiltPart(layer=layer), 1, "resident", {1: 2e-3}, 1.0),
        MeasuredPart(BuiltPart(block=block), 1, "resident", {1: 5e-3}, 1.0),
    ]
    rows = [row for row in compare_parts(parts, "results") if row.device == "TX2 maxn fp16"]
    assert [(row.part, row.batch_size, row.published_ms, row.measured_ms) for row in rows] == [
        ("res2a_branch2a", 1, 0.06, 2.0),
        ("res5a", 1, rows[1].published_ms, 5.0),
    ]
    assert rows[0].measured_gops == pytest.approx(25.7e6 / 2e-3 / 1e9)
    [line] = agreements(rows)
    assert (line.device, line.n, line.spearman) == ("TX2 maxn fp16", 2, None)
    with pytest.raises(InputError, match="no published layer or block at a published batch size"):
        compare_parts([MeasuredPart(BuiltPart(layer=layer), 1, "resident", {3: 2e-3}, 1.0)], "results")
