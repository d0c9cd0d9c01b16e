"""The manifest of the shipped digits models, a JSON file, and the table of their accuracies."""

import importlib.metadata
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from qutiperf.models.digits.images import Digits
from qutiperf.models.digits.topology import DigitsTopology
from qutiperf.spec.config import SchemaVersion, StrictModel, sha256_of_file
from qutiperf.spec.workload import QuantizationSpec

MANIFEST_FILE = "manifest.json"
TOOLS = ("torch", "onnx", "onnxruntime")

Scores = NDArray[np.generic]
Datatype = Literal["fp32", "int8", "int4"]
DATATYPES: tuple[Datatype, ...] = ("fp32", "int8", "int4")


class TfliteTensor(StrictModel):
    """An input or output as the file names and types it."""

    name: str
    dtype: str
    quantization: QuantizationSpec | None = None


class TfliteFile(StrictModel):
    """The same network as TFLite, measured by LiteRT with XNNPACK on the whole test split.

    `same_as_onnx_percent` of the images get the top-1 that ONNX Runtime gives for the ONNX file.
    """

    file: str
    sha256: str
    size_bytes: int
    input: TfliteTensor
    output: TfliteTensor
    top1_percent: float
    top5_percent: float
    same_as_onnx_percent: float


class ShippedModel(StrictModel):
    """One ONNX file; accuracies are of ONNX Runtime's CPU provider on the whole test split."""

    name: str
    file: str
    sha256: str
    topology: str
    channel_scale_percent: float
    datatype: Datatype
    parameters: int
    size_bytes: int
    top1_percent: float
    top5_percent: float
    tflite: TfliteFile | None = None


class Manifest(StrictModel):
    """All models of one training, with the versions of the tools that made them."""

    schema_version: SchemaVersion = 1
    test_images: int
    tools: dict[str, str]
    models: tuple[ShippedModel, ...]


def tool_versions() -> dict[str, str]:
    """Installed versions, without local parts such as +cpu; raises PackageNotFoundError."""
    return {tool: importlib.metadata.version(tool).partition("+")[0] for tool in TOOLS}


def save_model(
    model: onnx.ModelProto, topology: DigitsTopology, datatype: Datatype, directory: Path, test: Digits
) -> ShippedModel:
    """Writes NAME.onnx, always the same bytes for the same model, and measures it."""
    name = f"{topology.label}-{datatype}"
    path = directory / f"{name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    top1, top5 = accuracies_percent(run_onnx(path, test.images), test)
    return ShippedModel(
        name=name,
        file=path.name,
        sha256=sha256_of_file(path),
        topology=topology.name,
        channel_scale_percent=topology.channel_scale_percent,
        datatype=datatype,
        parameters=topology.parameters,
        size_bytes=path.stat().st_size,
        top1_percent=top1,
        top5_percent=top5,
    )


def run_onnx(path: Path, images: NDArray[np.float32]) -> Scores:
    """Scores of ONNX Runtime's CPU provider, the same on every x86-64 processor.

    Without VNNI its int8 kernels saturate at 16 bits unless `session.x64quantprecision` is set
    (onnxruntime_session_options_config_keys.h).
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["scores"], {"image": images})[0])


def accuracies_percent(scores: Scores, test: Digits) -> tuple[float, float]:
    """Top-1 and top-5; of equal scores the lower class counts first."""
    ranks = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")
    hits = ranks == test.labels[:, np.newaxis]
    return _percent(hits[:, :1].sum(), len(hits)), _percent(hits[:, :5].sum(), len(hits))


def _percent(part: int, whole: int) -> float:
    return round(100 * int(part) / whole, 4)


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Writes MANIFEST_FILE into the folder of the models."""
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_manifest(directory: Path) -> Manifest:
    """Raises OSError or pydantic's ValidationError."""
    return Manifest.model_validate_json((directory / MANIFEST_FILE).read_text(encoding="utf-8"))


def markdown_table(manifest: Manifest) -> str:
    """One row per topology and scale; a cell is top-1 / top-5 in percent and the size of the file."""
    cells = {
        (model.topology, model.channel_scale_percent, model.datatype): model for model in manifest.models
    }
    rows = dict.fromkeys((topology, scale, model.parameters) for (topology, scale, _), model in cells.items())
    lines = ["| model | parameters | " + " | ".join(DATATYPES) + " |", "|---|---|---|---|---|"]
    for topology, scale, parameters in rows:
        cells_of_row = [_cell(cells.get((topology, scale, datatype))) for datatype in DATATYPES]
        lines.append(f"| {topology}-{scale:g} | {parameters:,} | " + " | ".join(cells_of_row) + " |")
    return "\n".join(lines)


def tflite_table(manifest: Manifest) -> str:
    """As markdown_table, of the TFLite files."""
    made = [model for model in manifest.models if model.tflite is not None]
    cells = {(_label(model), model.datatype): model.tflite for model in made}
    lines = ["| model | " + " | ".join(DATATYPES) + " |", "|---|---|---|---|"]
    for label in dict.fromkeys(_label(model) for model in made):
        cells_of_row = [_cell(cells.get((label, datatype))) for datatype in DATATYPES]
        lines.append(f"| {label} | " + " | ".join(cells_of_row) + " |")
    return "\n".join(lines)


def _label(model: ShippedModel) -> str:
    return f"{model.topology}-{model.channel_scale_percent:g}"


def _cell(model: ShippedModel | TfliteFile | None) -> str:
    if model is None:
        return "not made"
    return f"{model.top1_percent:.1f} / {model.top5_percent:.1f} ({model.size_bytes / 1000:.0f} kB)"
