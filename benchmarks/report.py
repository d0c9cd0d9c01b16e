"""Times of `qutiperf report` against its goals; run on a quiet machine, Chromium for the last line.

    python benchmarks/report.py [--share 0.1]

Prints one JSON object: seconds for a site of 1,000 runs (goal 5) and of a table of 100,000 rows (goal 60),
the largest page with all that it loads in MB (goal 5), and the seconds from navigation to the last chart of
the index (goal 1.5; the median of five, absent without Chromium). Exits with 1 if a goal is missed. `--share`
makes both smaller, to try the command.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from qutiperf.published.result import PublishedResult, to_csv
from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from tests.browser import browser, program
from tests.report.folders import accuracy, performance, stored

GOALS = {"runs_s": 5.0, "rows_s": 60.0, "page_mb": 5.0, "drawn_s": 1.5}
RUNS, ROWS = 1_000, 100_000
REPEATS = 5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0)
    share = parser.parse_args().share
    with tempfile.TemporaryDirectory() as name:
        measured = dict(measure(Path(name), int(RUNS * share), int(ROWS * share)))
    print(json.dumps({"share": share, **measured, "goals": GOALS}, indent=1))
    return int(any(measured[name] > goal for name, goal in GOALS.items() if name in measured))


def measure(folder: Path, runs: int, rows: int) -> Iterator[tuple[str, float]]:
    stored(
        folder / "runs",
        [*(performance(number, 100.0 + number) for number in range(runs - 1)), accuracy(97.0)],
    )
    yield "runs_s", seconds(folder / "runs", folder / "site-runs")
    (folder / "rows.csv").write_text(to_csv(table(rows)), encoding="utf-8")
    yield "rows_s", seconds(folder / "rows.csv", folder / "site-rows")
    yield "page_mb", max(loaded_mb(folder / site) for site in ("site-runs", "site-rows"))
    write_site(read_sources(["qutibench"]), folder / "site-qutibench")
    if program() is not None:
        yield "drawn_s", max(drawn_s(folder / site) for site in ("site-runs", "site-rows", "site-qutibench"))


def seconds(results: Path, site: Path) -> float:
    start = time.perf_counter()
    write_site(read_sources([str(results)]), site)
    return round(time.perf_counter() - start, 2)


def table(count: int) -> Iterator[PublishedResult]:
    """So many rows of 100 systems and 50 networks, with accuracy, throughput, latency and power."""
    for number in range(count):
        rate = 10.0 + (number * 7919) % 100_003
        yield PublishedResult(
            source="qutibench",
            system=f"system {number % 100}",
            benchmark=f"task {number // 100 % 4}",
            model=f"network {number // 100 % 50}",
            datatype=("int8", "fp16", "fp32")[number % 3],
            deployment=f"batch {number // 5_000 + 1}",
            scenario="Offline",
            figure=rate,
            unit="samples/s",
            compute_throughput_ips=1.2 * rate,
            system_latency_ms=1_000.0 / rate,
            top1_percent=60.0 + number // 100 % 50 / 3,
            full_power_w=5.0 + number % 17,
        )


def loaded_mb(site: Path) -> float:
    """The largest page of a site, with the scripts and the style that it loads."""
    shared = [*(site / "assets").iterdir(), site / "data/rows.js"]
    largest = max(path.stat().st_size for path in site.rglob("*.html"))
    return round((largest + sum(path.stat().st_size for path in shared)) / 1e6, 2)


def drawn_s(site: Path) -> float:
    with browser() as page:
        page.resize(1600)
        times = []
        for _ in range(REPEATS):
            page.open(f"{(site / 'index.html').resolve().as_uri()}")
            page.wait("document.documentElement.hasAttribute('data-drawn')")
            times.append(float(str(page.value("document.documentElement.dataset.drawn"))) / 1_000)
    return round(statistics.median(times), 3)


if __name__ == "__main__":
    sys.exit(main())
