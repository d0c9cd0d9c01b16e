"""Cited peaks and operation counts for the roofline relation: from the shipped systems and tables."""

import csv
from functools import cache

from qutiperf.published.result import PublishedResult
from qutiperf.spec import catalog
from qutiperf.spec.sut import Platform, load_sut

_TERA, _GIGA = 1e12, 1e9
# published names of accelerators whose peaks a shipped system cites
_NAMES = {"T4": "T4", "Jetson AGX Orin": "Jetson-AGX-Orin"}
# at least what the table has: MLPerf's ResNet-50 v1.5 does more
_BENCHMARKS = {"resnet": "resnet50-v1-100"}


def peak_ops_per_s(result: PublishedResult) -> float | None:
    """Of all accelerators of the system, for the fastest datatype that the source gives; None: not cited."""
    if result.source == "qutibench":
        return _largest(result.system, result.platform, 1)
    accelerator, total = result.accelerator or "", result.accelerator_total
    for part, name in _NAMES.items():
        if accelerator.replace("Tesla ", "").replace("NVIDIA ", "").replace("Nvidia ", "").startswith(part):
            return _largest(name, None, total) if total else None
    return None


def _largest(name: str, mode: str | None, count: int) -> float | None:
    platform = _platform(name)
    if platform is None or not isinstance(platform.peaks_tops, dict):
        return None
    peaks = list(platform.operating_mode_peaks_tops.get(mode or "", platform.peaks_tops).values())
    return max(peaks) * _TERA * count if peaks else None


@cache
def _platform(name: str) -> Platform | None:
    return load_sut(name)[0].platform if name in catalog.names("sut") else None


def ops_per_input(result: PublishedResult) -> float | None:
    """Multiplications and additions, from the QuTiBench table of networks."""
    name = result.benchmark if result.source == "qutibench" else _BENCHMARKS.get(result.benchmark, "")
    giga_operations = _ops().get(name)
    return giga_operations * _GIGA if giga_operations is not None else None


@cache
def _ops() -> dict[str, float]:
    path = catalog.root() / "reports/reference/qutibench_networks.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return {
            f"{row['topology']}-{row['channel_scale_percent']}": float(row["gop"])
            for row in csv.DictReader(stream)
            if row["gop"]
        }
