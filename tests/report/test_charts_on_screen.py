# ruff: noqa: E501 - expressions of the browser are easier to read on one line
"""Single charts of a report in a real browser: their values, and what they say beside them."""

import json
from pathlib import Path

import pytest

from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from qutiperf.results.record import Sustained, ThrottleSign
from qutiperf.results.sustained import Interval, write_intervals
from tests.browser import REASON, Browser, program
from tests.report.folders import performance, stored
from tests.report.on_screen import WIDTHS, check_layout, click, show, text

pytestmark = [pytest.mark.slow, pytest.mark.skipif(program() is None, reason=REASON)]


def gap_steps(page: Browser, **row: object) -> list[list[object]]:
    """Name and microseconds of each step of the gap chart for one row."""
    steps = page.value(
        f"window.qutiperf.gapChart.draw({{visible: [{json.dumps(row)}], limit: null}}, 600).rows.map((row) => [row.step, Math.round(1e6 * row.time_us) / 1e6])"
    )
    assert isinstance(steps, list)
    return steps


def test_the_steps_of_the_gap_by_hand(page: Browser, runs: Path) -> None:
    show(page, runs, "index.html")
    rates = {
        "system_throughput_ips": 100.0,
        "compute_throughput_ips": 125.0,
        "predicted_throughput_ips": 500.0,
    }
    assert gap_steps(page, **rates) == [
        *(
            ["roofline", 2000],
            ["lost in compute", 6000],
            ["lost in the system", 2000],
            ["LoadGen's figure", 10000],
        ),
    ]
    refined = {**rates, "roofline_throughput_ips": 1000.0}
    assert gap_steps(page, **refined)[:3] == [
        *(["roofline", 1000], ["calibrated prediction", 1000], ["lost in compute", 6000]),
    ]
    layers = {"gap_layer_sum_ms": 12.0, "gap_call_ms": 1.0, "gap_unexplained_ms": -1.0, "gap_system_ms": 8.0}
    assert gap_steps(page, **refined, **layers, batch_size=2) == [
        *(["roofline", 1000], ["layers beyond it", 5000], ["call and borders", 500], ["not explained", -500]),
        *(["lost in the system", 4000], ["LoadGen's figure", 10000]),
    ]
    unpredicted = {"system_throughput_ips": 100.0, **layers, "batch_size": 2}
    assert gap_steps(page, **unpredicted)[0] == ["layers", 6000]


def test_measured_and_predicted_points_are_shown_apart_or_together(page: Browser, qutibench: Path) -> None:
    view = "index.html#task=mnist&datatype=all&x=compute_throughput_ips&shown="
    captions = []
    for shown in ("measured", "predicted", "both"):
        show(page, qutibench, view + shown)
        captions.append(text(page, "#chart-front figcaption"))
    assert "Diamonds" not in captions[0]
    assert "predicted points are on the front" in captions[1]
    assert "Diamonds and the dashed line" in captions[2]
    assert page.value("document.querySelector('#choose-shown').value") == "both"


def test_a_held_run_shows_its_throughput_and_signs(page: Browser, tmp_path: Path) -> None:
    sign = ThrottleSign(kind="clock", at_s=30.0, text="2 GHz of 3 GHz")
    hold = Sustained(
        requested_s=60,
        held_s=60,
        begin_s=0,
        intervals=60,
        window_s=6,
        first_ips=100,
        last_ips=80,
        signs=[sign],
    )
    folder = stored(tmp_path / "mine", [performance(0, 100.0, sustained=hold)])
    intervals = [Interval(second, second + 1, 100 if second < 30 else 80) for second in range(60)]
    write_intervals(folder / "000000000000-1/sustained.csv", intervals)
    write_site(read_sources([str(folder)]), tmp_path / "site")
    for width in WIDTHS:
        show(page, tmp_path / "site", "run/000000000000-1.html", width)
        check_layout(page, f"held at {width}")
    caption = text(page, "#chart-held figcaption")
    assert "80 % of the throughput of the first" in caption
    assert "30 s clock: 2 GHz of 3 GHz" in caption


def test_a_faster_run_that_is_hidden_is_named(page: Browser, tmp_path: Path) -> None:
    records = [performance(0, 100.0), performance(1, 300.0, quality="unstable"), performance(2, 200.0)]
    write_site(read_sources([str(stored(tmp_path / "mine", records))]), tmp_path / "site")
    show(page, tmp_path / "site", "index.html")
    assert "hidden and faster: a row 300 inputs/s, unstable" in text(page, "#cards")
    assert "1 hidden here" in text(page, "#cards")
    click(page, "#status-marked")
    assert "hidden" not in text(page, "#cards")


def test_bars_and_points_show_their_values_under_the_pointer(page: Browser, qutibench: Path) -> None:
    show(page, qutibench, "index.html#task=mnist&datatype=all&charts=all")
    ids = page.value("[...document.querySelectorAll('figure.chart')].map((figure) => figure.id)")
    assert isinstance(ids, list)
    assert len(ids) > 8
    without = []
    for name in map(str, ids):
        place = page.value(
            f"(() => {{ const figure = document.getElementById('{name}'); figure.scrollIntoView({{block: 'center'}});"
            " const boxes = [...figure.querySelectorAll('svg rect, svg circle, svg path')].map((mark) => mark.getBoundingClientRect())"
            "  .filter((box) => box.width > 3 && box.width < 400 && box.height > 3 && box.top > 0 && box.bottom < innerHeight);"
            " const box = boxes[Math.floor(boxes.length / 2)]; return [box.left + box.width / 2, box.top + box.height / 2]; })()"
        )
        assert isinstance(place, list)
        for shift in (1, 0):
            point = {"x": place[0] + shift, "y": place[1]}
            page.call("Input.dispatchMouseEvent", {"type": "mouseMoved", **point})
        page.value("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        if not page.value(f"Boolean(document.querySelector('#{name} svg').value)"):
            without.append(name)
    assert without == []
