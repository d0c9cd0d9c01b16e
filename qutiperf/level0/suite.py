"""The table of predictions printed in 2021: every published network on every published platform.

The table was computed from rounded values: operational intensity at 8 bits as printed, times 8/bits and
rounded to two decimals; inputs/s = min(peak, bandwidth x intensity) / GOP with GOP as printed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qutiperf.level0.capability import bandwidth_of, datatype_bits, peaks_of
from qutiperf.level0.prediction import ModelName, PredictionTarget, predict
from qutiperf.level0.reference import PublishedNetwork, network, published_networks, share_of_fabric
from qutiperf.spec.sut import Platform, load_sut
from qutiperf.units import MILLISECONDS_PER_SECOND

SUITE_SUTS = (
    *("Ultra96-DPU", "ZCU104-DPU", "ZCU102-DPU", "ZCU104-FINN", "ZCU104-BISMO"),
    *("TX2", "EdgeTPU", "NCS", "U96-Quadcore-A53"),
)
GOP_PER_TOP = 1000.0


@dataclass(frozen=True, slots=True)
class SuiteCell:
    """Predicted inputs/s of one network on one platform, datatype and operating mode, at batch 1."""

    sut: str
    operating_mode: str
    datatype: str
    topology: str
    channel_scale_percent: float
    operational_intensity_ops_per_byte: float
    bound: str
    predicted_throughput_ips: float
    predicted_latency_ms: float


def suite(model: ModelName) -> list[SuiteCell]:
    """Every platform x mode x datatype of its peaks (2 and 4 bit emulated on the CPU) x network."""
    cells = []
    for name in SUITE_SUTS:
        system = load_sut(name)[0]
        for mode in system.operating_modes:
            for datatype in _datatypes(system.platform, mode, name):
                target = PredictionTarget(system.platform, name, datatype, mode)
                cells += [_cell(published, target, model) for published in _networks()]
    return cells


def _networks() -> Iterator[PublishedNetwork]:
    return (published for published in published_networks().values() if published.gop_printed is not None)


def _datatypes(platform: Platform, mode: str, where: str) -> list[str]:
    peaks = list(peaks_of(platform, mode, where))
    return peaks if platform.packed_weights else ["int2", "int4", *peaks]


def _cell(published: PublishedNetwork, target: PredictionTarget, model: ModelName) -> SuiteCell:
    if model == "published":
        intensity, bound, ips = printed_throughput(published, target)
    else:
        share = share_of_fabric(
            target.where, published.topology, published.channel_scale_percent, target.datatype
        )
        layers = network(published.topology, published.channel_scale_percent)
        one = predict(layers, replace(target, share=share), [(1, 1)], model)[0]
        intensity = one.operational_intensity_ops_per_byte or 0.0
        bound, ips = one.bound, one.predicted_throughput_ips
    return SuiteCell(
        sut=target.where,
        operating_mode=target.operating_mode,
        datatype=target.datatype,
        topology=published.topology,
        channel_scale_percent=published.channel_scale_percent,
        operational_intensity_ops_per_byte=intensity,
        bound=bound,
        predicted_throughput_ips=ips,
        predicted_latency_ms=MILLISECONDS_PER_SECOND / ips,
    )


def printed_throughput(published: PublishedNetwork, target: PredictionTarget) -> tuple[float, str, float]:
    """Operational intensity, bound and inputs/s, computed as for the printed table."""
    bits = datatype_bits(target.datatype)
    peaks = peaks_of(target.platform, target.operating_mode, target.where)
    peak_tops = peaks.get(target.datatype, max(peaks.values()))
    intensity = round((published.operational_intensity_int8_printed or 0.0) * 8 / bits, 2)
    bandwidth = bandwidth_of(target.platform, target.where)
    compute, memory = peak_tops * GOP_PER_TOP, bandwidth * intensity
    bound = "compute" if compute <= memory else "memory"
    return intensity, bound, min(compute, memory) / (published.gop_printed or published.gop)
