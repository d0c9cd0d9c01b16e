"""Draws the pictures of docs/report.md: screenshots of the report of the published QuTiBench points.

    python docs/make_gallery.py

Needs Chromium. Every picture is a view of one site; its address is in PICTURES.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from tests.browser import REASON, browser, program

FOLDER = Path(__file__).parent / "pictures"
# name: page with its view, width and height
PICTURES = {
    "report-index": ("index.html#task=cifar10&datatype=all", 1400, 900),
    "report-latency": ("chart.html#chart=latency&task=imagenet&datatype=all", 900, 600),
    "report-spread": ("chart.html#chart=boxes&task=mnist", 900, 960),
    "report-power": ("chart.html#chart=power&task=imagenet", 900, 940),
}


def main() -> None:
    if program() is None:
        sys.exit(REASON)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browser() as page:
        site = Path(name) / "site"
        write_site(read_sources(["qutibench"]), site, "QuTiBench, published points")
        for picture, (address, width, height) in PICTURES.items():
            page.resize(width, height)
            page.open(f"{site.as_uri()}/{address}")
            page.wait("document.documentElement.hasAttribute('data-drawn')")
            page.screenshot(FOLDER / f"{picture}.png")


if __name__ == "__main__":
    main()
