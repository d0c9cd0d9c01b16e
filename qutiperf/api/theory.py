"""What theory says of a network before anything is measured: its requirements, and predictions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.api.frame import frame_of_rows
from qutiperf.errors import InputError
from qutiperf.level0.capability import DATATYPES
from qutiperf.level0.count import requirements_of_file, requirements_of_model
from qutiperf.level0.prediction import MODELS, ModelName, Prediction, PredictionTarget
from qutiperf.level0.prediction import predict as predict_settings
from qutiperf.level0.requirements import Requirements
from qutiperf.level0.subject import Subject, subject_of_file, subject_of_topology, subject_of_workload
from qutiperf.models.topologies import TOPOLOGIES, declare
from qutiperf.spec.catalog import names
from qutiperf.spec.config import nearest, shortened
from qutiperf.spec.limits import MOST
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import load_workload

if TYPE_CHECKING:
    from pandas import DataFrame

_WHOLE = 100.0  # percent of the published channels
_FILES = (".onnx", ".tflite")
_COLUMNS: dict[str, type] = {
    **dict.fromkeys(("network", "sut", "operating_mode", "model"), str),
    **dict.fromkeys(("batch_size", "streams"), int),
    **dict.fromkeys(("datatype", "carrier"), str),
    **dict.fromkeys(("predicted_throughput_ips", "predicted_latency_ms"), float),
    "bound": str,
    **dict.fromkeys(("operational_intensity_ops_per_byte", "ops", "weights"), float),
    **dict.fromkeys(("peak_tops", "memory_bandwidth_gb_s", "interval_factor", "error_factor"), float),
    "note": str,
    **dict.fromkeys(("low_throughput_ips", "high_throughput_ips"), float),
}


def requirements(
    model: str | Path,
    *,
    shape: Mapping[str, Sequence[int]] | None = None,
    scale: float | None = None,
    constant: Mapping[str, float] | None = None,
) -> Requirements:
    """Operations, weights, activations and state of a model file or a topology, per layer and in total.

    `shape` gives the sizes of inputs ({"image": [1, 3, 224, 224]}), `scale` the channels of a topology in
    percent, `constant` values of inputs that decide which branch is taken ({"sr": 16000}). Raises
    InputError for a model that cannot be counted.
    """
    shapes = {name: list(sizes) for name, sizes in (shape or {}).items()}
    if str(model) in TOPOLOGIES:
        if constant:
            raise InputError("constant has no effect: a topology has no branches", cure="leave it out")
        declared = declare(str(model), _WHOLE if scale is None else scale)
        return requirements_of_model(declared, str(model), shapes)
    _check_no_scale(scale)
    return requirements_of_file(Path(model), shapes, constant)


def predict(
    network: str | Path,
    sut: str | Path,
    *,
    batch: int | Sequence[int] = 1,
    streams: int = 1,
    datatype: str | None = None,
    operating_mode: str | None = None,
    scale: float | None = None,
    model: str = "refined",
) -> "DataFrame":
    """Throughput, latency and the winning bound, one row a batch size, as `qutiperf level0 predict --csv`.

    `network` is an .onnx or .tflite file, a workload (file or shipped name) or a topology. `datatype` is by
    default the network's, `operating_mode` the system's first. `model` is "plain" or "refined". Raises
    InputError, also where the system's peaks are unknown.
    """
    subject = subject_of(network, scale)
    target = target_of(subject, str(sut), datatype, operating_mode)
    sizes = [batch] if isinstance(batch, int) else list(batch)
    _check_counts(sizes, "batch", "batch_size")
    _check_counts([streams], "streams", "streams")
    settings = [(size, streams) for size in sizes]
    predictions = predict_settings(subject.network, target, settings, model_named(model, "model"))
    return frame_of_rows([prediction_row(one, target, subject) for one in predictions], _COLUMNS)


def subject_of(network: str | Path, scale: float | None) -> Subject:
    """The network of a model file, a topology or a workload; raises InputError for an unknown name."""
    name = str(network)
    if Path(name).suffix in _FILES:
        return _of_file(name, scale)
    if name in TOPOLOGIES:
        return _of_topology(name, scale)
    known = [*TOPOLOGIES, *names("workload")]
    if name not in known and not Path(name).suffix:
        what = f"no topology or workload named '{shortened(name, 80)}'"
        raise InputError(what, cure=nearest(name, known))
    return _of_workload(name, scale)


def _of_file(name: str, scale: float | None) -> Subject:
    _check_no_scale(scale)
    return subject_of_file(Path(name))


def _of_topology(name: str, scale: float | None) -> Subject:
    return subject_of_topology(name, _WHOLE if scale is None else scale)


def _of_workload(name: str, scale: float | None) -> Subject:
    _check_no_scale(scale)
    return subject_of_workload(load_workload(name)[0])


# By the options of the command line, where a name is not guessed at.
SUBJECTS: Mapping[str, Callable[[str, float | None], Subject]] = {
    "workload": _of_workload,
    "onnx": _of_file,
    "topology": _of_topology,
}


def model_named(text: str, where: str) -> ModelName:
    """Raises InputError unless this is the name of a prediction model."""
    if text not in MODELS:
        raise InputError(f"no model named '{shortened(text, 80)}'", where=where, cure=nearest(text, MODELS))
    return MODELS[text]


def target_of(
    subject: Subject, sut: str, datatype: str | None, operating_mode: str | None
) -> PredictionTarget:
    """The platform, datatype and operating mode of a prediction; raises InputError for unknown ones."""
    system, _ = load_sut(sut)
    modes = system.operating_modes
    if operating_mode is not None and operating_mode not in modes:
        what = f"no operating mode '{shortened(operating_mode, 80)}'"
        raise InputError(what, where=sut, cure=nearest(operating_mode, modes))
    if datatype is not None and datatype not in DATATYPES:
        what = f"'{shortened(datatype, 80)}' is not a datatype"
        raise InputError(what, where="--datatype", cure=nearest(datatype, DATATYPES))
    return PredictionTarget(
        system.platform,
        system.name,
        datatype or subject.datatype,
        operating_mode or next(iter(modes)),
        None if datatype else subject.weight_datatype,
    )


def prediction_row(prediction: Prediction, target: PredictionTarget, subject: Subject) -> dict[str, object]:
    """A prediction with its network and system, and the interval in which measured values are expected."""
    factor, throughput = prediction.interval_factor, prediction.predicted_throughput_ips
    return {
        "network": subject.network.name,
        "sut": target.where,
        "operating_mode": target.operating_mode,
        **prediction.model_dump(),
        "low_throughput_ips": throughput / factor if factor else None,
        "high_throughput_ips": throughput * factor if factor else None,
    }


def _check_no_scale(scale: float | None) -> None:
    if scale is not None:
        cure = "give the name of a topology"
        raise InputError("--scale has no effect: the channels of a file are fixed", cure=cure)


def _check_counts(counts: Sequence[int], name: str, parameter: str) -> None:
    for count in counts:
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST[parameter]:
            cure = f"use whole numbers from 1 to {MOST[parameter]:,}"
            raise InputError(f"'{shortened(str(count), 80)}' is not a count", where=name, cure=cure)
