"""`qutiperf level0 requirements|predict|fit|evaluate`: what theory says."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.level0.prediction import Asked, ModelName, Prediction
    from qutiperf.level0.requirements import Requirements
    from qutiperf.level0.subject import Subject

app = typer.Typer(no_args_is_help=True, help="Requirements, predictions and how good they are.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
_LAYER_COLUMNS = ("name", "operator", "kind", "ops", "other_ops", "weights", "activations", "state")


@app.command("requirements")
def requirements(
    model: Annotated[str, typer.Argument(help="An .onnx or .tflite file, or the name of a topology.")],
    shape: Annotated[list[str] | None, typer.Option("--shape", help="input=1,3,224,224; repeatable.")] = None,
    scale: Annotated[float, typer.Option("--scale", help="Channel scale of a topology in percent.")] = 100.0,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Count operations, weights, activations and state, per layer and in total, training too."""
    found = _requirements(model, shape or [], scale)
    layers = [asdict(layer) for layer in found.layers]
    if as_csv:
        console.out_csv(layers)
    elif as_json:
        console.out_json({**_totals(found), "layers": layers})
    else:
        rows = [[layer[name] for name in _LAYER_COLUMNS] for layer in layers if layer["kind"] != "other"]
        console.table(f"{found.name}: layers that multiply", _LAYER_COLUMNS, rows)
        console.table("total per input", ("what", "value"), [list(pair) for pair in _totals(found).items()])


def _requirements(model: str, shapes: list[str], scale: float) -> "Requirements":
    from qutiperf.level0.count import requirements_of_file, requirements_of_model
    from qutiperf.models.topologies import TOPOLOGIES, declare

    if model in TOPOLOGIES:
        return requirements_of_model(declare(model, scale), model)
    return requirements_of_file(Path(model), dict(_shape(text) for text in shapes))


def _shape(text: str) -> tuple[str, list[int]]:
    from qutiperf.errors import InputError

    name, separator, sizes = text.rpartition("=")
    parts = sizes.split(",")
    if not separator or not all(part.strip().isdigit() for part in parts):
        raise InputError(
            f"'{text}' is not name=sizes", where="--shape", cure="write --shape input=1,3,224,224"
        )
    return name, [int(part) for part in parts]


def _totals(found: "Requirements") -> dict[str, object]:
    intensity = {
        f"operational_intensity_{bits}_bit_ops_per_byte": found.operational_intensity(bits)
        for bits in (32, 16, 8, 4, 2)
    }
    unknown = [f"{name} x {count}" for name, count in found.unknown_operators.items()]
    return {
        "batch": found.batch,
        "ops": found.ops,
        "other_ops": found.other_ops,
        "weights": found.weights,
        "other_parameters": found.other_parameters,
        "activations": found.activations,
        "state": found.state,
        "weight_bits": found.weight_bits,
        "activation_bits": found.activation_bits,
        **intensity,
        "training_ops": found.training.ops,
        "training_weight_elements": found.training.weight_elements,
        "training_activation_elements": found.training.activation_elements,
        "nodes": found.nodes,
        "unknown_operators": ", ".join(unknown) or "none",
        "unknown_share_percent": found.unknown_share_percent,
    }


@app.command("predict")
def predict(
    workload: Annotated[str | None, typer.Option("--workload", help="A workload's name or file.")] = None,
    onnx: Annotated[Path | None, typer.Option("--onnx", help="A model file instead of a workload.")] = None,
    topology: Annotated[
        str | None, typer.Option("--topology", help="A topology instead of a workload.")
    ] = None,
    scale: Annotated[float, typer.Option("--scale", help="Its channel scale in percent.")] = 100.0,
    sut: Annotated[str | None, typer.Option("--sut", help="A system's name or file.")] = None,
    datatype: Annotated[str | None, typer.Option("--datatype", help="Else as the model says.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="Operating mode; else the first.")] = None,
    batch: Annotated[str, typer.Option("--batch", help="For instance 1,8,64.")] = "1",
    streams: Annotated[int, typer.Option("--streams", help="Concurrent instances.")] = 1,
    model: Annotated[str, typer.Option("--model", help="published, plain or refined.")] = "refined",
    suite: Annotated[str | None, typer.Option("--suite", help="qutibench: the published table.")] = None,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Predict throughput, latency and the bound that wins, per batch."""
    chosen = _model_name(model)
    if suite is not None:
        _print_rows(_suite(suite, chosen), as_csv=as_csv, as_json=as_json)
        return
    subject = _subject(workload, onnx, (topology, scale))
    asked = _asked(subject, sut, datatype, mode)
    settings = [(size, streams) for size in _counts(batch)]
    from qutiperf.level0.prediction import predict as predict_settings

    found = predict_settings(subject.network, asked, settings, chosen)
    rows = [_prediction_row(one, asked, subject) for one in found]
    _print_rows(rows, as_csv=as_csv, as_json=as_json)
    if found[0].note and not (as_csv or as_json):
        console.note(found[0].note)


def _model_name(text: str) -> "ModelName":
    from qutiperf.errors import InputError
    from qutiperf.level0.prediction import MODELS
    from qutiperf.spec.config import nearest

    if text not in MODELS:
        raise InputError(f"no model named '{text}'", where="--model", cure=nearest(text, MODELS))
    return MODELS[text]


def _suite(name: str, model: "ModelName") -> list[dict[str, object]]:
    from qutiperf.errors import InputError
    from qutiperf.level0.suite import suite

    if name != "qutibench":
        raise InputError(f"no suite named '{name}'", where="--suite", cure="allowed: qutibench")
    return [asdict(cell) for cell in suite(model)]


def _subject(workload: str | None, onnx: Path | None, topology: tuple[str | None, float]) -> "Subject":
    from qutiperf.errors import InputError
    from qutiperf.level0 import subject
    from qutiperf.spec.workload import load_workload

    name, scale = topology
    if sum(choice is not None for choice in (workload, onnx, name)) != 1:
        raise InputError("what to predict?", cure="give one of --workload, --onnx, --topology (or --suite)")
    if workload is not None:
        return subject.subject_of_workload(load_workload(workload)[0])
    if onnx is not None:
        return subject.subject_of_file(onnx)
    return subject.subject_of_topology(name or "", scale)


def _asked(subject: "Subject", sut: str | None, datatype: str | None, mode: str | None) -> "Asked":
    from qutiperf.errors import InputError
    from qutiperf.level0.prediction import Asked
    from qutiperf.spec.config import nearest
    from qutiperf.spec.sut import load_sut

    if sut is None:
        raise InputError("on what?", cure="give --sut")
    system, _ = load_sut(sut)
    if mode is not None and mode not in system.operating_modes:
        raise InputError(f"no operating mode '{mode}'", where=sut, cure=nearest(mode, system.operating_modes))
    chosen = mode or next(iter(system.operating_modes))
    compute = datatype or subject.datatype
    weights = None if datatype else subject.weight_datatype
    return Asked(system.platform, system.name, compute, chosen, weights)


def _counts(text: str) -> list[int]:
    from qutiperf.errors import InputError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"'{text}' is not a list of counts", where="--batch", cure="write --batch 1,8,64")
    return [int(part) for part in parts]


def _prediction_row(found: "Prediction", asked: "Asked", subject: "Subject") -> dict[str, object]:
    factor, throughput = found.interval_factor, found.predicted_throughput_ips
    return {
        "network": subject.network.name,
        "sut": asked.where,
        "operating_mode": asked.operating_mode,
        **found.model_dump(),
        "low_throughput_ips": throughput / factor if factor else None,
        "high_throughput_ips": throughput * factor if factor else None,
    }


_PREDICTION_COLUMNS = {
    "sut": "sut",
    "operating_mode": "mode",
    "topology": "topology",
    "channel_scale_percent": "scale %",
    "network": "network",
    "datatype": "datatype",
    "batch_size": "batch",
    "streams": "streams",
    "model": "model",
    "predicted_throughput_ips": "ips",
    "low_throughput_ips": "from",
    "high_throughput_ips": "to",
    "predicted_latency_ms": "latency ms",
    "bound": "bound",
    "operational_intensity_ops_per_byte": "ops/byte",
}


def _print_rows(rows: list[dict[str, object]], *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        console.out_json(rows)
    elif as_csv:
        console.out_csv(rows)
    else:
        names = [name for name in _PREDICTION_COLUMNS if name in rows[0]]
        titles = [_PREDICTION_COLUMNS[name] for name in names]
        console.table("", titles, [[row[name] for name in names] for row in rows])
