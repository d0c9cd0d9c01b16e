# ruff: noqa: E501 - expressions of the browser are easier to read on one line
"""The pages of a report in a real browser: they draw, keep their view in the address, and do no harm.

Screenshots are kept in pytest's folder of the run, `--basetemp` or the system's temporary folder.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from qutiperf.report.beside import beside
from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from qutiperf.results.record import Figures, Observed, PhaseTime, Sustained, ThrottleSign
from qutiperf.results.sustained import Interval, write_intervals
from qutiperf.spec.scenario import ScenarioName
from tests.browser import REASON, Browser, browser, program
from tests.report.folders import HOSTILE, accuracy, hostile_records, performance, stored
from tests.report.test_beside import resnet

pytestmark = [pytest.mark.slow, pytest.mark.skipif(program() is None, reason=REASON)]
DRAWN = "document.documentElement.hasAttribute('data-drawn')"
WIDTHS = (390, 1600)
# pairs of texts of one chart whose boxes overlap by more than 1.5 pixels both ways
OVERLAPS = """
[...document.querySelectorAll('figure.chart svg')].flatMap((svg) => {
  const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent.trim() && !text.closest('[aria-label=tip]'));
  const boxes = texts.map((text) => text.getBoundingClientRect());
  const found = [];
  for (let a = 0; a < boxes.length; a += 1) for (let b = a + 1; b < boxes.length; b += 1) {
    const wide = Math.min(boxes[a].right, boxes[b].right) - Math.max(boxes[a].left, boxes[b].left);
    const high = Math.min(boxes[a].bottom, boxes[b].bottom) - Math.max(boxes[a].top, boxes[b].top);
    if (wide > 1.5 && high > 1.5 && !rotated(texts[a]) && !rotated(texts[b])) {
      found.push(svg.closest('figure').id + ': ' + texts[a].textContent + ' / ' + texts[b].textContent);
    }
  }
  function rotated(text) { return (text.getAttribute('transform') || '').includes('rotate'); }
  return found;
})
"""
# charts without a mark that has a size
BLANK = """
[...document.querySelectorAll('figure.chart')].filter((figure) =>
  ![...figure.querySelectorAll('svg circle, svg rect, svg path, svg line')].some((mark) => {
    const box = mark.getBoundingClientRect();
    return box.width > 0 || box.height > 0;
  })).map((figure) => figure.id)
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screenshots")


def observed() -> Observed:
    time = PhaseTime(mean_ns=5e6, p50_ns=4e6, p90_ns=6e6, p99_ns=7e6, p99_9_ns=9e6, max_ns=9.5e6)
    return Observed(adapter={}, phases={"queue": time, "compute": time, "total": time})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve Offline runs, two of them noisy, one INVALID, with a SingleStream run and accuracy."""
    folder = tmp_path_factory.mktemp("runs")
    records = [
        performance(
            number, 100.0 * (number + 1), quality="noisy" if number in (3, 4) else "ok", valid=number != 5
        )
        for number in range(12)
    ]
    single = performance(20, 50.0, observed=observed(), figures=Figures(system_latency_p90_ms=0.5))
    point = single.point.model_copy(update={"scenario": ScenarioName.SINGLE_STREAM})
    stored(folder / "mine", [*records, single.model_copy(update={"point": point}), accuracy(97.5)])
    readings = [f"file,{second},in {rail},{second + rail}," for rail in (1, 2) for second in range(20)]
    lines = ["meter,time_s,rail,watts,joules", *readings]
    (folder / "mine/000000000014-1/power.csv").write_text("\n".join(lines))
    write_site(read_sources([str(folder / "mine")]), folder / "site", "Runs")
    return folder / "site"


@pytest.fixture(scope="module")
def qutibench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qutibench") / "site"
    write_site(read_sources(["qutibench"]), folder, "qutibench")
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    stored(folder / "results", hostile_records())
    write_site(read_sources([str(folder / "results")]), folder / "site", HOSTILE[0])
    return folder / "site"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ResNet-50 with the page beside published results."""
    folder = tmp_path_factory.mktemp("published")
    stored(folder / "results", [resnet()])
    compared = beside([resnet()], ["mlperf-v6.0", "qutibench"])
    write_site(read_sources([str(folder / "results")]), folder / "site", "Beside", compared)
    return folder / "site"


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rounds") / "site"
    write_site(read_sources(["mlperf-v6.0"]), folder, "v6.0")
    return folder


def show(page: Browser, site: Path, path: str, width: int = 1600, dark: bool = False) -> None:
    """Opens a page; fails on any error of its scripts and on any request that leaves the disk."""
    page.errors.clear()
    page.resize(width)
    page.dark(dark)
    page.open(f"{site.resolve().as_uri()}/{path}")
    page.wait(DRAWN)
    assert page.errors == []


def text(page: Browser, selector: str) -> str:
    return str(page.value(f"document.querySelector({json.dumps(selector)}).innerText"))


def click(page: Browser, selector: str) -> None:
    page.value(f"document.querySelector({json.dumps(selector)}).click()")


def one_of_each(site: Path) -> list[str]:
    """A page of every kind that the site has."""
    folders = [site / name for name in ("task", "system", "workload", "run") if (site / name).is_dir()]
    pages = [next(iter(sorted(folder.iterdir()))).relative_to(site).as_posix() for folder in folders]
    alone = ["chart.html", "row.html#id=none", *(["beside.html"] if (site / "beside.html").exists() else [])]
    return ["index.html#charts=all", *(f"{path}#charts=all" for path in pages), *alone]


def check_layout(page: Browser, name: str) -> None:
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
    assert page.value(BLANK) == [], name
    assert page.value(OVERLAPS) == [], name


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["runs", "qutibench", "hostile", "rounds", "published"])
def test_every_kind_of_page_draws(
    kind: str, width: int, page: Browser, shots: Path, request: pytest.FixtureRequest
) -> None:
    site: Path = request.getfixturevalue(kind)
    for number, path in enumerate(one_of_each(site)):
        show(page, site, path, width, dark=number % 2 == 1)
        check_layout(page, f"{kind} {path} at {width}")
        page.screenshot(shots / f"{kind}-{number}-{width}.png", whole=True)


@pytest.mark.parametrize("task", ["imagenet", "cifar10", "mnist"])
def test_every_task_of_qutibench_has_its_charts(task: str, page: Browser, qutibench: Path) -> None:
    show(page, qutibench, f"index.html#task={task}&datatype=all&status=all&charts=all")
    check_layout(page, task)
    ids = page.value("[...document.querySelectorAll('figure.chart')].map((figure) => figure.id)")
    assert isinstance(ids, list)
    expected = {"front", "roofline", "latency", "watts", "power", "boxes", "heatmap", "efficiency"}
    assert {f"chart-{name}" for name in expected} <= set(ids)


def test_the_cards_answer_the_five_questions(page: Browser, runs: Path) -> None:
    show(page, runs, "index.html")
    cards = page.value("[...document.querySelectorAll('#cards li')].map((card) => card.innerText)")
    assert isinstance(cards, list)
    first, second, third, fourth, fifth = map(str, cards)
    assert "1,200 inputs/s" in first
    assert "batch 12" in first
    assert "97.5 %" in first
    assert "10 ms" in second
    assert "SingleStream p90 of the model: 0.5 ms" in second
    assert "power: not measured" in second
    assert "unknown" in third
    assert "batch 1 to 12" in fourth
    assert "1 of 12" in fifth
    assert "9 clean, 2 noisy, 1 INVALID" in fifth


def test_noisy_and_invalid_runs_are_off_until_chosen(page: Browser, runs: Path) -> None:
    show(page, runs, "index.html")
    counts = []
    for level in ("clean", "marked", "all"):
        click(page, f"#status-{level}")
        counts.append(page.value("Number(document.querySelector('#chart-front').dataset.points)"))
    assert counts == [9, 11, 12]


def test_the_address_repeats_the_view(page: Browser, qutibench: Path) -> None:
    show(page, qutibench, "index.html")
    page.value(
        "Object.assign(document.querySelector('#choose-task'), {value: 'mnist'}).dispatchEvent(new Event('change'))"
    )
    click(page, "#chip-datatype-0")
    click(page, "#sort-top1_percent")
    before = [text(page, "#cards"), text(page, "#table tbody tr"), text(page, "#chart-front figcaption")]
    address = str(page.value("location.href"))
    assert "task=mnist" in address
    assert "sort=-top1_percent" in address
    show(page, qutibench, f"index.html#{address.partition('#')[2]}")
    assert [
        text(page, "#cards"),
        text(page, "#table tbody tr"),
        text(page, "#chart-front figcaption"),
    ] == before
    page.value("location.hash = 'task=cifar10'")
    page.wait("document.querySelector('#choose-task').value === 'cifar10'")
    click(page, "#reset")
    assert page.value("location.hash") == ""


def test_the_table_searches_sorts_and_pages(page: Browser, qutibench: Path) -> None:
    show(page, qutibench, "index.html#task=mnist&datatype=all&search=finn+int4&sort=-compute_throughput_ips")
    cells = page.value(
        "[...document.querySelectorAll('#table tbody tr')].map((row) => row.cells[1].innerText)"
    )
    assert isinstance(cells, list)
    assert set(cells) == {"ZCU104-FINN"}
    rates = page.value(
        "(() => { const head = [...document.querySelectorAll('#table thead th')].findIndex((cell) => cell.innerText.startsWith('compute throughput'));"
        "return [...document.querySelectorAll('#table tbody tr')].map((row) => Number(row.cells[head].innerText.replaceAll(',', ''))); })()"
    )
    assert isinstance(rates, list)
    assert len(rates) > 10
    assert rates == sorted(rates, reverse=True)
    assert (
        page.value("document.querySelector('[aria-sort=descending] button').id")
        == "sort-compute_throughput_ips"
    )
    show(page, qutibench, "index.html#task=mnist&datatype=all")
    assert "50 of" in text(page, "#table [role=status]")
    click(page, "#more")
    assert page.value("document.querySelectorAll('#table tbody tr').length") == 313


def test_links_lead_to_files(page: Browser, runs: Path, qutibench: Path) -> None:
    for site in (runs, qutibench):
        show(page, site, "index.html")
        links = page.value("[...document.querySelectorAll('a[href]')].map((link) => link.href)")
        assert isinstance(links, list)
        local = [link for link in map(str, links) if link.startswith("file:")]
        assert len(local) > 8
        for link in local:
            path = link.partition("#")[0].removeprefix("file://")
            assert Path(path).exists(), link


def test_a_row_of_the_table_leads_to_its_page(page: Browser, qutibench: Path, runs: Path) -> None:
    show(page, qutibench, "index.html")
    address = str(page.value("document.querySelector('#table tbody a').href"))
    show(page, qutibench, address.rpartition("/")[2])
    assert "top-1 accuracy" in text(page, "#facts")
    show(page, runs, "run/000000000014-1.html")
    assert "compute" in text(page, "#chart-phases")
    lines = page.value(
        "[...document.querySelectorAll('#chart-percentiles svg path')].map((path) => path.getAttribute('d'))"
    )
    assert isinstance(lines, list)
    line = max(map(str, lines), key=lambda path: path.count("L"))
    places = [float(part.split(",")[0]) for part in line.removeprefix("M").split("L")]
    assert len(places) == 5
    assert places == sorted(places)
    assert page.value("document.querySelectorAll('#chart-percentiles circle').length") == 5
    assert "file in 1" in text(page, "#chart-power-over-time .legend")
    assert page.value("document.querySelectorAll('#chart-power-over-time svg path').length >= 2")


def test_hostile_text_stays_text(page: Browser, hostile: Path) -> None:
    paths = [path.relative_to(hostile).as_posix() for path in sorted(hostile.rglob("*.html"))]
    assert len(paths) > 20
    for path in paths:
        show(page, hostile, f"{path}#charts=all&columns=all&status=all&datatype=all")
        assert page.value("window.harmed") is None, path
        assert page.value("document.querySelectorAll('img, main script, main b').length") == 0, path
        assert not set("\u202e\u2066") & set(str(page.value("document.body.innerText"))), path
    show(
        page,
        hostile,
        "index.html#status=all&charts=all&task=%3Cscript%3Ealert(1)%3C/script%3E&sort=__proto__&x=constructor&search=%22%3E%3Cimg%3E",
    )
    assert page.value("window.harmed") is None


def test_charts_are_saved_as_svg_png_and_csv(page: Browser, qutibench: Path) -> None:
    show(page, qutibench, "chart.html#chart=front&task=imagenet")
    page.value(
        "window.saved = []; window.qutiperf.save = (blob, name) => { window.saved.push([name, blob]); }"
    )
    for number in (1, 2, 3):
        click(page, f".tools button:nth-of-type({number})")
    page.wait("window.saved.length === 3")
    names = page.value("window.saved.map(([name]) => name).sort()")
    assert names == ["qutiperf-front.csv", "qutiperf-front.png", "qutiperf-front.svg"]
    contents = page.value(
        "Promise.all(window.saved.map(async ([name, blob]) => [name.slice(-3), name.endsWith('png') ? JSON.stringify([...new Uint8Array(await blob.arrayBuffer())].slice(0, 4)) : await blob.text()]))"
    )
    assert isinstance(contents, list)
    by_kind = {str(kind): str(content) for kind, content in contents}
    assert by_kind["png"] == "[137,80,78,71]"
    assert by_kind["svg"].startswith("<svg")
    assert "EdgeTPU" in by_kind["svg"]
    assert by_kind["csv"].startswith("sut,operating_mode,workload,datatype,setting,")


def test_cells_of_a_saved_table_are_not_formulas(page: Browser, hostile: Path) -> None:
    show(page, hostile, "index.html")
    saved = str(page.value("window.qutiperf.csv(['a'], [{a: '=1+1'}, {a: '@x'}, {a: -5}, {a: 'x,\"y\"'}])"))
    assert saved == 'a\n\'=1+1\n\'@x\n-5\n"x,""y"""\n'


def test_another_report_is_overlaid(page: Browser, runs: Path, qutibench: Path) -> None:
    show(page, runs, "index.html")
    page.value(f"window.qutiperf.overlay({json.dumps((runs / 'data/rows.csv').read_text())}, 'other.csv')")
    assert page.value("Number(document.querySelector('#chart-front').dataset.points)") == 18
    assert "2 sources: Runs" not in text(page, "#cards")
    assert "2 sources" in text(page, "#cards")
    thrown = page.value(
        "(() => { try { window.qutiperf.overlay('a,b\\n1,2\\n', 'x.csv'); return 'none'; } catch (error) { return error.message; } })()"
    )
    assert thrown == "is not the rows.csv of a report"


def test_the_keyboard_reaches_and_operates_everything(page: Browser, qutibench: Path) -> None:
    show(page, qutibench, "index.html")
    page.press("Tab")
    assert page.value("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.press("Tab")
        reached.add(str(page.value("document.activeElement.id || document.activeElement.textContent")))
    assert {"theme", "choose-task", "chip-datatype-1", "choose-workload", "all-charts", "search"} <= reached
    page.value("document.querySelector('#all-charts').focus()")
    page.press("Enter")
    page.wait("document.querySelectorAll('figure.chart').length > 6")
    assert page.value("document.activeElement.id") == "all-charts"


@pytest.mark.parametrize("dark", [False, True])
def test_axe_has_no_serious_finding(
    dark: bool, page: Browser, runs: Path, qutibench: Path, published: Path
) -> None:
    axe_core = pytest.importorskip("axe_core_python")
    script = Path(axe_core.__file__).parent / "axe.min.js"
    pages = [(runs, each) for each in one_of_each(runs)]
    for site, path in ((qutibench, "index.html#charts=all"), (published, "beside.html"), *pages):
        show(page, site, path, dark=dark)
        page.run_file(script)
        found = page.value(
            "axe.run().then((result) => result.violations.filter((each) => ['serious', 'critical'].includes(each.impact))"
            ".map((each) => each.id + ': ' + each.nodes.slice(0, 2).map((node) => node.html.slice(0, 160)).join(' | ')))"
        )
        assert found == [], path


def test_pages_print_without_their_controls(page: Browser, runs: Path) -> None:
    show(page, runs, "index.html")
    page.call("Emulation.setEmulatedMedia", {"media": "print"})
    assert page.value("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert page.value("getComputedStyle(document.querySelector('#filters')).display") == "none"
    page.call("Emulation.setEmulatedMedia", {"media": ""})


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
