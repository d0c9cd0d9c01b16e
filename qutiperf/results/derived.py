"""Figures derived from measured ones; only this module computes them, when a record is read."""

import math
from dataclasses import dataclass

from qutiperf.results.record import RunRecord, StoredPrediction

PERCENT = 100.0
WRONG_OUTPUT = "wrong output"  # of a part that was loaded
_OPS_PER_GOP = 1e9
_OPS_PER_TOP = 1e12
_BYTES_PER_GB = 1e9
_ROUNDED = 1.001
_MILLIJOULES_PER_JOULE = 1000.0


@dataclass(frozen=True, slots=True)
class Basis:
    """The inputs of derived figures; None is unknown. Latency is the median of a batch in ms.

    `answered_ips` is that of the whole window where system throughput is no figure, in microbenchmarks.
    Published measurements have neither; their energy is per input of compute throughput.
    """

    compute_throughput_ips: float | None = None
    system_throughput_ips: float | None = None
    answered_ips: float | None = None
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


def ran_as(record: RunRecord) -> str | None:
    """How a layer, stack or block ran in its datatype; `refused` if the runtime did not load it.

    None for other models, and where the runtime does not report its nodes.
    """
    if record.inputs.workload.model.part is None:
        return None
    failure = record.failure
    if failure is not None and (failure.stage, failure.kind) == ("load", "error"):
        return None if failure.reason.startswith(WRONG_OUTPUT) else "refused"
    execution = record.observed.execution if record.observed else None
    return execution.ran_as if execution else None


def derived(basis: Basis) -> Derived:
    throughput, power = basis.compute_throughput_ips, basis.full_power_w
    # power is that of the whole window, in which the device also waits
    known = (basis.system_throughput_ips, basis.answered_ips, throughput)
    answered = next((each for each in known if each is not None), None)
    energy = ratio(power, answered, _MILLIJOULES_PER_JOULE)
    return Derived(
        system_gops=ratio(_product(basis.system_throughput_ips, basis.ops), _OPS_PER_GOP),
        compute_gops=ratio(_product(throughput, basis.ops), _OPS_PER_GOP),
        utilisation_percent=_possible(utilisation_percent(basis)),
        compute_efficiency_percent=_possible(efficiency_percent(basis)),
        energy_per_input_mj=energy,
        ips_per_watt=ratio(answered, power),
        energy_delay_mj_ms=_product(energy, basis.compute_latency_ms),
    )


def impossible(basis: Basis) -> frozenset[str]:
    """Names of the figures that would be above 100 %, and so are left unknown."""
    shares = {
        "utilisation_percent": utilisation_percent(basis),
        "compute_efficiency_percent": efficiency_percent(basis),
    }
    return frozenset(name for name, share in shares.items() if share is not None and share > PERCENT)


def basis_of(record: RunRecord) -> Basis:
    figures, prediction = record.figures, record.prediction or StoredPrediction()
    part = record.inputs.workload.model.part is not None
    return Basis(
        compute_throughput_ips=figures.compute_throughput_ips,
        system_throughput_ips=figures.system_throughput_ips,
        answered_ips=record.loadgen.samples_per_second if part and record.loadgen else None,
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


@dataclass(frozen=True, slots=True)
class Excess:
    """A measurement above what theory allows, so that the efficiency is not a figure: why, and the cure."""

    what: str
    because: str
    cure: str


def excess(record: RunRecord) -> Excess | None:
    """None where the efficiency is possible or unknown."""
    basis, prediction = basis_of(record), record.prediction
    percent, used = efficiency_percent(basis), utilisation_percent(basis)
    if prediction is None:
        return None
    host = record.inputs.sut.platform.family == "cpu"
    if used is not None and used > PERCENT:
        what = f"measured compute throughput needs {used:,.0f} % of the peak, which is impossible"
        datatype = prediction.carrier or prediction.datatype
        because = f"the SUT file's {prediction.peak_tops:g} TOP/s for {datatype} is too low"
        return Excess(what, because, _correct("peak", host=host))
    if percent is None or percent <= PERCENT:
        return None
    what = f"measured compute throughput is {percent:,.0f} % of the predicted, so there is no efficiency"
    return Excess(what, *_cause_of_excess(prediction, percent, host=host))


def efficiency_reason(record: RunRecord) -> str | None:
    """The excess in one line, None where there is none."""
    found = excess(record)
    return f"{found.what}: {found.because}; {found.cure}" if found else None


def _cause_of_excess(prediction: StoredPrediction, percent: float, *, host: bool) -> tuple[str, str]:
    """Reading the weights once per batch instead of once per input gains at most the size of the batch."""
    if prediction.model == "refined":
        cause = "the calibration does not describe this system"
        return cause, "fit it again with `qutiperf level0 fit`"
    per_input = prediction.bound == "memory" and not _once_per_batch(prediction)
    if per_input and percent <= PERCENT * (prediction.batch_size or 1):
        cause = "the plain model reads the weights from memory for every input, the device once per batch"
        return cause, "fit a model that reads them once per batch with `qutiperf level0 fit`"
    if prediction.bound == "memory":
        cause = "the weights stay in a cache, or the SUT file's memory bandwidth is too low"
        return cause, _correct("memory bandwidth", host=host)
    return "the SUT file's peak is too low", _correct("peak", host=host)


def _once_per_batch(prediction: StoredPrediction) -> bool:
    """True if the memory bound is higher than that of reading the weights for every input."""
    bandwidth, predicted = prediction.memory_bandwidth_gb_s, prediction.predicted_throughput_ips
    intensity = prediction.operational_intensity_ops_per_byte
    per_input = ratio(_product(bandwidth, intensity), prediction.ops, _BYTES_PER_GB)
    return per_input is not None and predicted is not None and predicted > _ROUNDED * per_input


def _correct(name: str, *, host: bool) -> str:
    return f"measure the {name} with `qutiperf calibrate`" if host else f"correct the {name} in the SUT file"


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
