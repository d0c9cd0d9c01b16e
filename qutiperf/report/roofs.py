"""The two roofs of a platform: peak operations per second of a datatype, and memory bandwidth."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Roof:
    """One datatype in one operating mode of a system; `source` is where the platform's figures are from."""

    sut: str
    operating_mode: str
    datatype: str
    peak_tops: float
    memory_bandwidth_gb_s: float
    source: str = ""
