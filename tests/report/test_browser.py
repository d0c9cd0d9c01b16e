# ruff: noqa: E501 - expressions of the browser are easier to read on one line
"""The pages of a report in a real browser: they draw, keep their view in the address, and do no harm.

Screenshots are kept in pytest's folder of the run, `--basetemp` or the system's temporary folder.
"""

import json
from pathlib import Path

import pytest

from tests.browser import REASON, Browser, program
from tests.report.on_screen import WIDTHS, check_layout, click, one_of_each, show, text

pytestmark = [pytest.mark.slow, pytest.mark.skipif(program() is None, reason=REASON)]


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
