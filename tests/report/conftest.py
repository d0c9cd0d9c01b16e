"""The browser, and a site of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qutiperf.report.beside import beside
from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from qutiperf.results.record import Figures, Observed, PhaseTime
from qutiperf.spec.scenario import ScenarioName
from tests.browser import Browser, browser
from tests.report.folders import HOSTILE, accuracy, hostile_records, performance, stored
from tests.report.test_beside import resnet


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
