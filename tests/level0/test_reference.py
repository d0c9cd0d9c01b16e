"""The published points: what they are, how they were printed, how good the plain model is on them."""

from pathlib import Path

import numpy as np
import pytest

from qutiperf.errors import InputError
from qutiperf.level0.evaluate import best_of, measured_points
from qutiperf.level0.predict import plain
from qutiperf.level0.reference import network, published_measurements, published_networks, read_measurements
from qutiperf.level0.scores import front, keep_list, score, score_front
from qutiperf.level0.suite import SUITE_SUTS, suite
from qutiperf.spec import catalog
from qutiperf.spec.sut import load_sut


def test_the_table_is_whole() -> None:
    rows = published_measurements()
    usable = [row for row in rows if row.throughput_ips is not None]
    assert (len(rows), len(usable)) == (982, 969)
    assert len({row.configuration for row in usable}) == 131
    assert sum("above_peak" in row.caveats for row in rows) == 9
    assert sum("not_one_run" in row.caveats for row in rows) == 97


def test_marked_rows_are_those_above_the_peak() -> None:
    usable = [row for row in published_measurements() if row.throughput_ips is not None]
    measured = measured_points(usable)
    above = measured.throughput_ips > plain(measured.points).compute_ips
    assert [row.caveats for row, is_above in zip(usable, above, strict=True) if is_above] == [
        row.caveats for row in usable if "above_peak" in row.caveats
    ]


def test_the_plain_model_is_far_off() -> None:
    """5.8 with 2 and 4 bit weights packed, as published; 5.5 where they are bytes, as the CPU stores them."""
    usable = [row for row in published_measurements() if row.throughput_ips is not None]
    measured = measured_points(usable)
    best = best_of(measured)
    assert best.sum() == 131
    found = score(plain(measured.points).throughput_ips[best], measured.throughput_ips[best])
    assert found.gm == pytest.approx(5.46, abs=0.01)
    assert found.mape_percent > 2000


@pytest.mark.parametrize("name", sorted(published_networks()))
def test_layers_agree_with_the_published_totals(name: str) -> None:
    published = published_networks()[name]
    layers = network(published.topology, published.channel_scale_percent)
    assert layers.total_ops / 1e9 == pytest.approx(published.gop, rel=0.012)


def test_published_cells() -> None:
    """min(peak, bandwidth x intensity) / GOP from printed values: by hand for three cells."""
    cells = {
        (cell.sut, cell.operating_mode, cell.datatype, cell.topology, cell.channel_scale_percent): cell
        for cell in suite("published")
    }
    assert cells["TX2", "maxn", "fp16", "resnet50-v1", 100.0].predicted_throughput_ips == pytest.approx(
        1330 / 7.72
    )
    dpu = cells["Ultra96-DPU", "default", "int8", "mlp", 50.0]
    assert dpu.bound == "memory"
    assert dpu.predicted_throughput_ips == pytest.approx(4.26 * 2 / 0.006)
    finn = cells["ZCU104-FINN", "default", "int2", "cnv", 12.5]
    assert finn.operational_intensity_ops_per_byte == 332.6
    assert finn.predicted_throughput_ips == pytest.approx(19.2 * 332.6 / 0.01)
    assert len(cells) == 17 * 20


def test_every_platform_of_the_suite_ships() -> None:
    assert set(SUITE_SUTS) <= set(catalog.names("sut"))
    for name in SUITE_SUTS:
        system = load_sut(name)[0]
        assert system.adapter != "none"
        assert system.platform.calibration is not None
        assert system.verified_on_hardware is None


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (("batch_size,", ""), "has no column 'batch_size'"),
        ((",100,int8,1,", ",100,int8,0,"), "line 2: batch_size: should be a positive number, not '0'"),
        ((",38.462,", ",-3,"), "line 2: compute_throughput_ips: should be a positive number, not '-3'"),
        ((",100,int8,1,", ",100,int8,,"), "line 2: batch_size: is empty"),
    ],
)
def test_bad_measurements_name_their_line(tmp_path: Path, replace: tuple[str, str], message: str) -> None:
    source = catalog.root() / "reports/reference/qutibench_measurements.csv"
    lines = source.read_text(encoding="utf-8").splitlines()[:2]
    text = "\n".join(lines).replace(*replace)
    path = tmp_path / "mine.csv"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_measurements(path)
    assert message in str(caught.value)


def test_fronts_by_hand() -> None:
    accuracy = np.array([90.0, 80.0, 70.0, 60.0])
    measured = np.array([1.0, 5.0, 4.0, 9.0])
    predicted = np.array([1.0, 5.0, 6.0, 9.0])
    assert front(np.column_stack([-accuracy, -measured])) == [0, 1, 3]
    found = score_front(accuracy, predicted, measured)
    assert (found.front, found.precision_percent, found.recall_percent) == (3, 75.0, 100.0)
    assert keep_list(accuracy, predicted) == [0, 1, 2, 3]
    assert keep_list(accuracy, np.array([8.0, 5.0, 6.0, 9.0])) == [0, 2, 3]


def test_scores_by_hand() -> None:
    found = score(np.array([1.0, 2.0, 8.0]), np.array([1.0, 1.0, 2.0]))
    assert found.gm == pytest.approx(2.0)
    assert found.mape_percent == pytest.approx(400 / 3)
    assert found.spearman == pytest.approx(0.866, abs=0.001)
    assert found.within_1_25x_percent == pytest.approx(100 / 3)
    assert found.within_2x_percent == pytest.approx(200 / 3)
