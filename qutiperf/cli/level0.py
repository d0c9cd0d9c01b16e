"""`qutiperf level0 requirements|predict|fit|evaluate`: what theory says."""

from dataclasses import asdict
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console
from qutiperf.cli.combinations import check_one_form, check_unused
from qutiperf.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qutiperf.level0.prediction import ModelName
    from qutiperf.level0.requirements import Requirements
    from qutiperf.level0.subject import Subject

app = typer.Typer(no_args_is_help=True, help="Requirements, predictions and how good they are.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
_LAYERS = "layers"
MOST_SIZE = 2**31 - 1  # of one dimension: TFLite's integers, and far beyond any memory
_LAYER_COLUMNS = ("name", "operator", "kind", "ops", "other_ops", "weights", "activations", "state")


@app.command("requirements")
def requirements(
    model: Annotated[str, typer.Argument(help="An .onnx or .tflite file, or the name of a topology.")],
    shape: Annotated[list[str] | None, typer.Option("--shape", help="input=1,3,224,224; repeatable.")] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", help="Channel scale of a topology in percent.")
    ] = None,
    constant: Annotated[
        list[str] | None, typer.Option("--constant", help="The value of an input, sr=16000; repeatable.")
    ] = None,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Count operations, weights, activations and state, per layer and in total, training too."""
    from qutiperf.api.theory import requirements as count

    check_one_form(csv=as_csv, json=as_json)
    counted = count(
        model,
        shape=dict(_shape(text) for text in shape or []),
        scale=scale,
        constant=dict(_constant(text) for text in constant or []),
    )
    layers = [asdict(layer) for layer in counted.layers]
    totals = _totals(counted)
    if as_csv:
        console.out_csv(layers)
    elif as_json:
        console.out_json({**totals, "layers": layers})
    else:
        rows = [[layer[name] for name in _LAYER_COLUMNS] for layer in layers if layer["kind"] != "other"]
        console.table(f"{counted.name}: layers that multiply", _LAYER_COLUMNS, rows)
        console.table("total per input", ("what", "value"), [list(pair) for pair in totals.items()])


def _constant(text: str) -> tuple[str, float]:
    from qutiperf.errors import InputError
    from qutiperf.spec.config import shortened

    name, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = nan
    if not name or not isfinite(value):
        problem = f"'{shortened(text, 80)}' is not input=number"
        raise InputError(problem, where="--constant", cure="write the input's name and value: sr=16000")
    return name, value


def _shape(text: str) -> tuple[str, list[int]]:
    from qutiperf.spec.config import shortened, whole_number

    name, separator, sizes = text.rpartition("=")
    numbers = [whole_number(part, MOST_SIZE) for part in sizes.split(",")]
    if not separator or not name or None in numbers:
        problem = f"'{shortened(text, 80)}' is not input=sizes"
        raise InputError(problem, where="--shape", cure="write the input's name and sizes: input=1,16")
    return name, [number for number in numbers if number is not None]


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
    scale: Annotated[float | None, typer.Option("--scale", help="Its channel scale in percent.")] = None,
    sut: Annotated[str | None, typer.Option("--sut", help="A system's name or file.")] = None,
    datatype: Annotated[str | None, typer.Option("--datatype", help="Else as the model says.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="Operating mode; else the first.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="For instance 1,8,64. Default: 1.")] = None,
    streams: Annotated[
        int | None, typer.Option("--streams", help="Concurrent instances. Default: 1.")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="published, plain, refined, or layers.")] = "refined",
    layers: Annotated[
        Path | None, typer.Option("--layers", help="With --model layers: a results folder of microbench run.")
    ] = None,
    allow_foreign: Annotated[
        bool, typer.Option("--allow-foreign", help="With --layers: of another system, host or version too.")
    ] = False,
    suite: Annotated[str | None, typer.Option("--suite", help="qutibench: the published table.")] = None,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
) -> None:
    """Predict throughput, latency and the bound that wins, per batch."""
    from qutiperf.api.theory import model_named, prediction_row, target_of
    from qutiperf.level0.prediction import predict as predict_settings

    check_one_form(csv=as_csv, json=as_json)
    if model == _LAYERS:
        unused: dict[str, object] = {"--datatype": datatype, "--mode": mode, "--streams": streams}
        check_unused({**unused, "--suite": suite}, "layers were measured as they are", "leave it out")
        names = {"--workload": workload, "--onnx": onnx, "--topology": topology}
        rows = _by_layers(names, scale, sut, batch, layers, allow_foreign=allow_foreign)
        _print_rows(rows, as_csv=as_csv, as_json=as_json)
        return
    check_unused(
        {"--layers": layers, "--allow-foreign": allow_foreign or None},
        "only layers use it",
        "use --model layers",
    )
    _check_model(model)
    chosen = model_named(model, "--model")
    if suite is not None:
        subjects = {"--workload": workload, "--onnx": onnx, "--topology": topology, "--scale": scale}
        of_one = {
            "--sut": sut,
            "--datatype": datatype,
            "--mode": mode,
            "--batch": batch,
            "--streams": streams,
        }
        check_unused({**subjects, **of_one}, "a suite names its own", "leave it or --suite out")
        _print_rows(_suite(suite, chosen), as_csv=as_csv, as_json=as_json)
        return
    subject = _subject({"--workload": workload, "--onnx": onnx, "--topology": topology}, scale)
    if sut is None:
        raise InputError("on what?", cure="give --sut")
    target = target_of(subject, sut, datatype, mode)
    [instances] = _counts("--streams", "1" if streams is None else str(streams), "streams")
    settings = [(size, instances) for size in _counts("--batch", batch or "1", "batch_size")]
    predictions = predict_settings(subject.network, target, settings, chosen)
    rows = [prediction_row(one, target, subject) for one in predictions]
    _print_rows(rows, as_csv=as_csv, as_json=as_json)
    if predictions[0].note and not (as_csv or as_json):
        console.note(predictions[0].note)


def _check_model(name: str) -> None:
    """Raises InputError for an unknown model, with all that this verb has."""
    from qutiperf.level0.prediction import MODELS
    from qutiperf.spec.config import nearest, shortened

    if name not in MODELS:
        cure = nearest(name, [*MODELS, _LAYERS])
        raise InputError(f"no model named '{shortened(name, 80)}'", where="--model", cure=cure)


def _by_layers(
    names: "Mapping[str, str | Path | None]",
    scale: float | None,
    sut: str | None,
    batch: str | None,
    layers: Path | None,
    *,
    allow_foreign: bool,
) -> list[dict[str, object]]:
    from qutiperf.cli.results import read_results
    from qutiperf.microbench.networks import SCALE_SIGN
    from qutiperf.microbench.prediction import predict_network
    from qutiperf.microbench.suite_plan import cache_bytes
    from qutiperf.spec.sut import load_sut

    given = {option: str(value) for option, value in names.items() if value is not None}
    if len(given) != 1 or sut is None or layers is None:
        cure = "give --layers RESULTS, --sut and one of --workload, --onnx, --topology"
        raise InputError("what to predict from which layers?", cure=cure)
    [(option, name)] = given.items()
    if scale is not None and option != "--topology":
        raise InputError("--scale has no effect: the channels of a file are fixed", cure="leave it out")
    system, records = load_sut(sut)[0], read_results(layers).records
    rows = predict_network(
        name if scale is None else f"{name}{SCALE_SIGN}{scale:g}",
        system,
        records,
        str(layers),
        _counts("--batch", batch or "1", "batch_size"),
        cache_bytes(system),
        allow_foreign=allow_foreign,
    )
    return [asdict(row) for row in rows]


def _suite(name: str, model: "ModelName") -> list[dict[str, object]]:
    from qutiperf.level0.suite import suite

    if name != "qutibench":
        raise InputError(f"no suite named '{name}'", where="--suite", cure="allowed: qutibench")
    return [asdict(cell) for cell in suite(model)]


def _subject(choices: "Mapping[str, str | Path | None]", scale: float | None) -> "Subject":
    from qutiperf.api import theory

    given = {name: value for name, value in choices.items() if value is not None}
    if len(given) != 1:
        raise InputError("what to predict?", cure="give one of --workload, --onnx, --topology (or --suite)")
    [(option, value)] = given.items()
    return theory.SUBJECTS[option.removeprefix("--")](str(value), scale)


def _counts(option: str, text: str, parameter: str) -> list[int]:
    from qutiperf.spec.config import shortened, whole_number
    from qutiperf.spec.limits import MOST

    counts = [whole_number(part, MOST[parameter]) for part in text.split(",")]
    if not all(counts):  # None and 0
        cure = f"write numbers from 1 to {MOST[parameter]:,}: 1,8,64"
        raise InputError(f"'{shortened(text, 80)}' is not a list of counts", where=option, cure=cure)
    return [count for count in counts if count is not None]


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
    "measured_percent": "measured %",
    "interpolated_percent": "interpolated %",
    "pairs_percent": "pairs %",
    "unknown_percent": "unknown %",
    "weights": "weights",
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
