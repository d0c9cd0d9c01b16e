"""The capability of a platform for a datatype in an operating mode."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from qutiperf.errors import InputError
from qutiperf.level0.requirements import BITS_PER_BYTE
from qutiperf.spec.config import nearest, shortened
from qutiperf.spec.sut import Platform

# bits of the datatypes that a platform's peaks, a workload's variant and --datatype may name
DATATYPES: Mapping[str, int] = {
    **{"fp64": 64, "fp32": 32, "tf32": 32, "fp16": 16, "bf16": 16, "fp8": 8, "fp4": 4},
    **{f"{kind}{bits}": bits for kind in ("int", "uint") for bits in (64, 32, 16, 8, 4, 3, 2, 1)},
}
HOST_FAMILY = "cpu"  # of platforms whose caches keep weights between calls
BYTES_PER_MB = 1e6
OPS_PER_TOP = 1e12
BYTES_PER_GB = 1e9


@dataclass(frozen=True, slots=True)
class Capability:
    """Peak in ops/s of the datatype that computes the requested one, bandwidth in bytes/s, sizes in bytes.

    `on_chip_bytes` is infinite if unknown; `clock_ratio` = the peak of the fastest mode over this one's;
    `narrow_peak` is the peak of the narrowest datatype in this mode; `caches` is true for hosts, which read
    weights once per batch, and not at all if they fit on chip.
    """

    datatype: str
    carrier: str
    peak: float
    narrow_peak: float
    clock_ratio: float
    bandwidth: float
    on_chip_bytes: float
    weight_bytes: float
    activation_bytes: float
    cores: int
    caches: bool = False


def datatype_bits(name: str) -> int:
    """`int4` -> 4; raises InputError for a name that is not in DATATYPES."""
    if name not in DATATYPES:
        raise InputError(f"'{shortened(name, 80)}' is not a datatype", cure=nearest(name, DATATYPES))
    return DATATYPES[name]


def capability(
    platform: Platform, datatype: str, mode: str, where: str, weight_datatype: str | None = None
) -> Capability:
    """Capability for computing in `datatype` with weights stored as `weight_datatype` (default: the same).

    Raises InputError if the platform's peaks or bandwidth are unknown or it cannot compute the datatype.
    """
    peaks = peaks_of(platform, mode, where)
    carrier = _carrier(peaks, datatype, where)
    stored = datatype_bits(datatype if platform.packed_weights else carrier)
    weight_bits = datatype_bits(weight_datatype) if weight_datatype else stored
    on_chip = platform.on_chip_memory_mb
    return Capability(
        datatype=datatype,
        carrier=carrier,
        peak=peaks[carrier] * OPS_PER_TOP,
        narrow_peak=peaks[min(peaks, key=datatype_bits)] * OPS_PER_TOP,
        clock_ratio=max(_all_peaks(platform, carrier)) / peaks[carrier],
        bandwidth=bandwidth_of(platform, where) * BYTES_PER_GB,
        on_chip_bytes=on_chip * BYTES_PER_MB if isinstance(on_chip, float | int) else math.inf,
        weight_bytes=weight_bits / BITS_PER_BYTE,
        activation_bytes=stored / BITS_PER_BYTE,
        cores=platform.cores,
        caches=platform.family == HOST_FAMILY,
    )


def peaks_of(platform: Platform, mode: str, where: str) -> Mapping[str, float]:
    """TOP/s per datatype in an operating mode; raises InputError if unknown."""
    peaks = platform.operating_mode_peaks_tops.get(mode, platform.peaks_tops)
    if not isinstance(peaks, dict) or not peaks:
        cure = "give TOP/s per datatype, or write them with `qutiperf calibrate`"
        raise InputError(f"platform.peaks_tops: is not known in mode '{mode}'", where=where, cure=cure)
    return peaks


def bandwidth_of(platform: Platform, where: str) -> float:
    """Memory bandwidth in GB/s; raises InputError if unknown."""
    if not isinstance(platform.memory_bandwidth_gb_s, float | int):
        cure = "give a number, or write one with `qutiperf calibrate`"
        raise InputError("platform.memory_bandwidth_gb_s: is not known", where=where, cure=cure)
    return platform.memory_bandwidth_gb_s


def _carrier(peaks: Mapping[str, float], datatype: str, where: str) -> str:
    """The datatype itself, else the narrowest wider one; for integers, preferably a wider integer."""
    if datatype in peaks:
        return datatype
    bits, integer = datatype_bits(datatype), "int" in datatype
    wider = [name for name in peaks if datatype_bits(name) >= bits and (integer or "int" not in name)]
    if not wider:
        cure = f"it has {', '.join(sorted(peaks))}"
        raise InputError(f"the platform cannot compute {datatype}", where=where, cure=cure)
    return min(wider, key=lambda name: (("int" in name) != integer, datatype_bits(name)))


def _all_peaks(platform: Platform, datatype: str) -> list[float]:
    tables = [*platform.operating_mode_peaks_tops.values(), platform.peaks_tops]
    return [table[datatype] for table in tables if isinstance(table, dict) and datatype in table]
