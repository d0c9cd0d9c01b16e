"""Level-0 predictions of a network on a platform: published, plain or refined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qutiperf.errors import InputError
from qutiperf.level0.capability import BYTES_PER_GB, OPS_PER_TOP, Capability, capability
from qutiperf.level0.network import Array, Network
from qutiperf.level0.points import PredictedPoint, points_of
from qutiperf.level0.predict import plain, refined
from qutiperf.spec.config import StrictModel
from qutiperf.spec.level0_terms import Calibration
from qutiperf.spec.sut import Platform
from qutiperf.units import MILLISECONDS_PER_SECOND

ModelName = Literal["published", "plain", "refined"]
MODELS: Mapping[str, ModelName] = {"published": "published", "plain": "plain", "refined": "refined"}
BoundName = Literal["compute", "memory"]
NOT_CALIBRATED = "not calibrated: this is the plain model"


class Prediction(StrictModel):
    """The prediction for one setting, with its inputs.

    Throughput in inputs/s and latency in ms of a whole batch; `interval_factor` f means measured values are
    expected in predicted/f ... predicted*f. `model` is the model that was used: refined falls back to plain,
    and `note` gives the reason. `bound` is the lower roof of the plain model, `operational_intensity` its
    ops per byte of weights.
    """

    model: Literal["plain", "refined"]
    batch_size: int
    streams: int
    datatype: str
    carrier: str
    predicted_throughput_ips: float
    predicted_latency_ms: float
    bound: BoundName
    operational_intensity_ops_per_byte: float | None
    ops: float
    weights: float
    peak_tops: float
    memory_bandwidth_gb_s: float
    interval_factor: float | None = None
    error_factor: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionTarget:
    """Platform (`where` names it in errors), datatype and operating mode of a prediction.

    `weight_datatype` is that of the stored weights if it differs; `share` is the used part of an FPGA.
    """

    platform: Platform
    where: str
    datatype: str
    operating_mode: str = "default"
    weight_datatype: str | None = None
    share: float = 1.0

    @property
    def capability(self) -> Capability:
        """Raises InputError if the platform's figures are unknown or it cannot compute the datatype."""
        return capability(self.platform, self.datatype, self.operating_mode, self.where, self.weight_datatype)


def predict(
    network: Network,
    target: PredictionTarget,
    settings: Sequence[tuple[int, int]],
    model: ModelName = "refined",
) -> list[Prediction]:
    """One prediction per (batch_size, streams); raises InputError if the platform's figures are unknown."""
    if model == "published":
        raise InputError("--model published predicts the published table only", cure="use --suite qutibench")
    for batch, streams in settings:
        if batch < 1 or streams < 1:
            raise InputError(
                f"batch {batch} with {streams} streams", where=target.where, cure="give 1 or more"
            )
    able = target.capability
    points = points_of(
        [network], [PredictedPoint(0, able, _in_flight(able, *setting), target.share) for setting in settings]
    )
    bounds = plain(points)
    calibration = target.platform.calibration if model == "refined" else None
    throughput = bounds.throughput_ips
    if calibration is not None:
        throughput = refined(points, calibration.terms, calibration.constants)
    base = _base(network, able, calibration)
    if model == "refined" and calibration is None:
        base = base.model_copy(update={"note": NOT_CALIBRATED})
    compute_bound = (bounds.compute_ips <= bounds.memory_ips).tolist()
    return [
        _at(base, setting, float(rate), "compute" if compute else "memory")
        for setting, rate, compute in zip(settings, throughput, compute_bound, strict=True)
    ]


def _in_flight(able: Capability, batch: int, streams: int) -> int:
    return streams if able.cores > 1 else batch


def _base(network: Network, able: Capability, calibration: Calibration | None) -> Prediction:
    """The part that does not depend on the batch."""
    weight_bytes = network.total_weights * able.weight_bytes
    return Prediction(
        model="plain" if calibration is None else "refined",
        batch_size=1,
        streams=1,
        datatype=able.datatype,
        carrier=able.carrier,
        predicted_throughput_ips=0.0,
        predicted_latency_ms=0.0,
        bound="compute",
        operational_intensity_ops_per_byte=network.total_ops / weight_bytes if weight_bytes else None,
        ops=network.total_ops,
        weights=network.total_weights,
        peak_tops=able.peak / OPS_PER_TOP,
        memory_bandwidth_gb_s=able.bandwidth / BYTES_PER_GB,
        interval_factor=calibration.interval_factor if calibration else None,
        error_factor=calibration.error_factor if calibration else None,
    )


def _at(base: Prediction, setting: tuple[int, int], rate_ips: float, bound: BoundName) -> Prediction:
    batch, streams = setting
    update = {
        "batch_size": batch,
        "streams": streams,
        "predicted_throughput_ips": rate_ips,
        "predicted_latency_ms": MILLISECONDS_PER_SECOND * batch * streams / rate_ips,
        "bound": bound,
    }
    return base.model_copy(update=update)


def predict_many(
    networks: Sequence[Network], target: PredictionTarget, settings: Sequence[tuple[int, int, int]]
) -> Array:
    """Inputs/s for many (network number, batch_size, streams) at once, refined if calibrated."""
    able = target.capability
    points = points_of(
        networks,
        [
            PredictedPoint(number, able, _in_flight(able, batch, streams), target.share)
            for number, batch, streams in settings
        ],
    )
    calibration = target.platform.calibration
    if calibration is None:
        return plain(points).throughput_ips
    return refined(points, calibration.terms, calibration.constants)
