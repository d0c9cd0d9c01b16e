"""Figures derived from measured ones; only this module computes them, when a record is read."""

import math
from dataclasses import dataclass

from qutiperf.results.record import RunRecord, StoredPrediction

PERCENT = 100.0
_OPS_PER_GOP = 1e9
_OPS_PER_TOP = 1e12
_MILLIJOULES_PER_JOULE = 1000.0


@dataclass(frozen=True, slots=True)
class Basis:
    """The inputs of derived figures; None is unknown. Latency is the median of a batch in ms."""

    compute_throughput_ips: float | None = None
    system_throughput_ips: float | None = None
    compute_latency_ms: float | None = None
    full_power_w: float | None = None
    ops: float | None = None
    peak_tops: float | None = None
    predicted_throughput_ips: float | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """Figures by their names in rows; None if an input is unknown or the figure is impossible."""

    system_gops: float | None
    compute_gops: float | None
    utilisation_percent: float | None
    compute_efficiency_percent: float | None
    energy_per_input_mj: float | None
    ips_per_watt: float | None
    energy_delay_mj_ms: float | None


def derived(basis: Basis) -> Derived:
    throughput, power = basis.compute_throughput_ips, basis.full_power_w
    energy = ratio(power, throughput, _MILLIJOULES_PER_JOULE)
    return Derived(
        system_gops=ratio(_product(basis.system_throughput_ips, basis.ops), _OPS_PER_GOP),
        compute_gops=ratio(_product(throughput, basis.ops), _OPS_PER_GOP),
        utilisation_percent=_possible(utilisation_percent(basis)),
        compute_efficiency_percent=_possible(efficiency_percent(basis)),
        energy_per_input_mj=energy,
        ips_per_watt=ratio(throughput, power),
        energy_delay_mj_ms=_product(energy, basis.compute_latency_ms),
    )


def basis_of(record: RunRecord) -> Basis:
    figures, prediction = record.figures, record.prediction or StoredPrediction()
    return Basis(
        compute_throughput_ips=figures.compute_throughput_ips,
        system_throughput_ips=figures.system_throughput_ips,
        compute_latency_ms=figures.compute_latency_p50_ms,
        full_power_w=figures.full_power_w,
        ops=prediction.ops,
        peak_tops=prediction.peak_tops,
        predicted_throughput_ips=prediction.predicted_throughput_ips,
    )


def derived_of(record: RunRecord) -> Derived:
    return derived(basis_of(record))


def efficiency_percent(basis: Basis) -> float | None:
    """Measured over predicted compute throughput; can exceed 100."""
    return ratio(basis.compute_throughput_ips, basis.predicted_throughput_ips, PERCENT)


def utilisation_percent(basis: Basis) -> float | None:
    """Achieved ops/s over the peak of the datatype; can exceed 100."""
    return ratio(
        _product(basis.compute_throughput_ips, basis.ops), _product(basis.peak_tops, _OPS_PER_TOP), PERCENT
    )


def efficiency_reason(record: RunRecord) -> str | None:
    """The reason why a record with a predicted throughput has no efficiency: it would exceed 100 %.

    One line with the likely cause and its cure; None if the efficiency is possible or unknown.
    """
    basis, prediction = basis_of(record), record.prediction
    percent, used = efficiency_percent(basis), utilisation_percent(basis)
    if used is not None and used > PERCENT and prediction is not None:
        return (
            f"{used:,.0f} % of the peak is impossible: the SUT file's {prediction.peak_tops:g} TOP/s for "
            f"{prediction.carrier or prediction.datatype} is too low; run `qutiperf calibrate`"
        )
    if percent is None or percent <= PERCENT or prediction is None:
        return None
    excess = f"measured compute throughput is {percent:,.0f} % of the predicted"
    return f"{excess}, so no efficiency is given: {_cause_of_excess(prediction)}"


def _cause_of_excess(prediction: StoredPrediction) -> str:
    if prediction.model == "refined":
        return "the calibration does not describe this system; fit it again with `qutiperf level0 fit`"
    if prediction.bound == "memory":
        rereads = "the plain model reads all weights from memory again for every input of a batch"
        return f"{rereads}; if that does not explain it, run `qutiperf calibrate`"
    return "the SUT file's peak or memory bandwidth is too low; run `qutiperf calibrate`"


def ratio(upper: float | None, lower: float | None, factor: float = 1.0) -> float | None:
    """`factor` * upper / lower; None if one is unknown or the result is not finite."""
    if upper is None or not lower:
        return None
    return _finite(factor * upper / lower)


def _product(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else _finite(left * right)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _possible(percent: float | None) -> float | None:
    return percent if percent is not None and percent <= PERCENT else None
