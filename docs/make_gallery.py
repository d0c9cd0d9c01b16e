"""Draws docs/gallery: screenshots of reports in Chromium, of runs on this machine and of published points.

    python docs/make_gallery.py [--results FOLDER]

Calibrates this machine and measures two short sweeps into FOLDER first (results/gallery, about five
minutes); what is there is not measured again. Close other programs: reports say where a run was disturbed.
Needs Chromium and the extras openvino, litert and plot. PICTURES has the address of each view.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from tests.browser import REASON, browser, program

FOLDER = Path(__file__).parent / "gallery"
MOST_BYTES = 600_000  # of all pictures together
_COLOURS = 128
_RUNTIMES = "suts=cpu-onnxruntime,cpu-openvino,cpu-litert"
_WORKLOADS = "workloads=digits-cnv-100-int8,digits-cnv-50-int8,digits-cnv-50-fp32"


class Picture(NamedTuple):
    """A view of a site: its address, the size of the window, and the scheme."""

    name: str
    site: str
    address: str
    width: int
    height: int
    dark: bool = False


PICTURES = (
    Picture("quickstart", "quickstart", "index.html#status=marked", 1400, 860),
    Picture("quickstart-run", "quickstart", "{run}", 1400, 760),
    Picture("quickstart-gap", "quickstart", "chart.html#chart=gap&status=marked", 760, 420),
    Picture("runtimes", "runtimes", "index.html#status=marked", 1400, 860),
    Picture("qutibench", "qutibench", "index.html#task=cifar10&datatype=all", 1400, 880),
    Picture("qutibench-phone", "qutibench", "index.html#task=imagenet", 390, 1720, dark=True),
    Picture(
        "qutibench-latency", "qutibench", "chart.html#chart=latency&task=imagenet&datatype=all", 900, 600
    ),
    Picture("qutibench-spread", "qutibench", "chart.html#chart=boxes&task=mnist", 900, 960),
    Picture("qutibench-power", "qutibench", "chart.html#chart=power&task=imagenet", 900, 940, dark=True),
)


def main(results: Path) -> None:
    if program() is None:
        sys.exit(REASON)
    measure(results)
    sources = {
        "quickstart": (str(results / "quickstart"), "quickstart, on a calibrated CPU"),
        "runtimes": (str(results / "runtimes"), "three runtimes on one CPU"),
        "qutibench": ("qutibench", "QuTiBench, published points"),
    }
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for site, (source, title) in sources.items():
            write_site(read_sources([source]), Path(name) / site, title)
        draw(Path(name), run_page(results / "quickstart"))
    size = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    if size > MOST_BYTES:
        sys.exit(f"{FOLDER}: {size:,} bytes are more than {MOST_BYTES:,}")


def measure(results: Path) -> None:
    """Runs that are not there yet; INVALID ones (exit code 1) are part of the pictures."""
    results.mkdir(parents=True, exist_ok=True)
    calibrated = results / "calibrated.yaml"
    if not calibrated.exists():
        qutiperf("calibrate", "cpu-onnxruntime", "--out", str(calibrated), "--force")
    quickstart = ["run", "quickstart", "--out"]
    qutiperf(*quickstart, str(results / "quickstart"), "--set", f"suts={calibrated}")
    qutiperf(*quickstart, str(results / "runtimes"), "--set", _RUNTIMES, "--set", _WORKLOADS)


def qutiperf(*words: str) -> None:
    done = subprocess.run([sys.executable, "-P", "-m", "qutiperf", *words], check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)


def run_page(results: Path) -> str:
    """The page of the SingleStream run with the highest compute throughput."""
    rows = [
        row
        for row in read_sources([str(results)]).rows
        if row["scenario"] == "SingleStream" and row["status"] not in ("INVALID", "failed")
    ]
    best = max(rows, key=lambda row: float(str(row.get("compute_throughput_ips") or 0)))
    return f"run/{best['id']}.html"


def draw(folder: Path, run: str) -> None:
    with browser() as page:
        for picture in PICTURES:
            page.resize(picture.width, picture.height)
            page.dark(picture.dark)
            site = folder / picture.site
            page.open(f"{site.as_uri()}/{picture.address.format(run=run)}")
            page.wait("document.documentElement.hasAttribute('data-drawn')")
            path = FOLDER / f"{picture.name}.png"
            page.screenshot(path)
            shrink(path)


def shrink(path: Path) -> None:
    """A palette is enough for charts, and takes a third of the bytes."""
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def parsed(words: Sequence[str] | None = None) -> Path:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results/gallery"))
    results: Path = parser.parse_args(words).results
    return results


if __name__ == "__main__":
    main(parsed())
