"""The figure of `plot`: the points it has, its front and scales, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

import qutiperf
from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.report.figure import front_of_points, points_of
from tests.conftest import fails
from tests.report.folders import accuracy, performance, stored


@pytest.fixture
def results(tmp_path: Path) -> str:
    records = [performance(number, 10.0 ** (number + 1)) for number in range(3)]
    records.append(performance(3, 5.0, valid=False))
    return str(stored(tmp_path / "mine", [*records, performance(4, 7.0, quality="noisy"), accuracy(97.5)]))


def test_the_front_by_hand_in_every_direction() -> None:
    points = [(1.0, 5.0), (2.0, 4.0), (3.0, 4.5), (3.0, 1.0), (0.5, 5.0)]
    assert front_of_points(points, 1, 1) == [(1.0, 5.0), (3.0, 4.5)]
    assert front_of_points(points, -1, 1) == [(0.5, 5.0)]
    assert front_of_points(points, 1, -1) == [(3.0, 1.0)]
    assert front_of_points(points, -1, -1) == [(0.5, 5.0), (2.0, 4.0), (3.0, 1.0)]


@pytest.mark.slow
def test_the_figure_has_the_clean_points_and_their_scales(results: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = qutiperf.plot(results, out=tmp_path / "f.svg")
    [axes] = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("system throughput (inputs/s)", "top-1 accuracy (%)")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert np.asarray(axes.collections[0].get_offsets()).tolist() == [
        [10.0, 97.5],
        [100.0, 97.5],
        [1000.0, 97.5],
    ]
    assert axes.get_title() == ""
    assert "<svg" in (tmp_path / "f.svg").read_text()


def test_noisy_points_are_drawn_if_there_are_no_others(results: str) -> None:
    rows: list[dict[str, str | int | float | bool | None]] = [
        {"sut": "s", "status": status, "mode": None, "top1_percent": 1.0, "full_power_w": 2.0}
        for status in ("noisy", "INVALID")
    ]
    assert [row["status"] for row, _, _ in points_of(rows, "top1_percent", "full_power_w")] == ["noisy"]
    with pytest.raises(InputError, match="no valid row has both"):
        points_of(rows[1:], "top1_percent", "full_power_w")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--x", "speed"], "--x: no row has the figure 'speed'"),
        (["--y", "sut"], "--y: no row has the figure 'sut'"),
        (["--where", "task"], "--where: 'task' is not column=value"),
        (["--where", "batch_size=many"], "--where: batch_size: 'many' is not a number"),
        (["--where", "task=none"], "no row has the figure"),
    ],
)
def test_bad_options_are_one_line(
    words: list[str], message: str, results: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(capsys, ["plot", results, "--out", str(tmp_path / "f.svg"), *words], 2)
    assert "is not a picture's name" in fails(capsys, ["plot", results, "--out", str(tmp_path / "f.doc")], 2)


@pytest.mark.slow
def test_the_verb_writes_the_picture(results: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "f.png"
    words = ["--where", "batch_size=2", "--x", "compute_latency_ms", "--y", "compute_throughput_ips"]
    assert main(["plot", results, "--out", str(out), *words], debug=False) == 0
    assert out.read_bytes()[:4] == b"\x89PNG"
