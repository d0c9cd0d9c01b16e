"""What the shipped digits models are: a JSON file beside them, and the table of their accuracies."""

import importlib.metadata
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from qutiperf.config import StrictModel, sha256_of_file
from qutiperf.models.digits.images import Digits
from qutiperf.models.digits.topology import Topology

MANIFEST_FILE = "manifest.json"
TOOLS = ("torch", "onnx", "onnxruntime")

Datatype = Literal["fp32", "int8", "int4"]


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


class Manifest(StrictModel):
    """All models of one training, with the versions of the tools that made them."""

    schema_version: Literal[1] = 1
    test_images: int
    tools: dict[str, str]
    models: tuple[ShippedModel, ...]


def tool_versions() -> dict[str, str]:
    """Installed versions, without local parts such as +cpu; raises PackageNotFoundError."""
    return {tool: importlib.metadata.version(tool).partition("+")[0] for tool in TOOLS}


def save_model(
    model: onnx.ModelProto, topology: Topology, datatype: Datatype, directory: Path, test: Digits
) -> ShippedModel:
    """Writes NAME.onnx, always the same bytes for the same model, and measures it."""
    name = f"{topology.label}-{datatype}"
    path = directory / f"{name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    top1, top5 = _accuracies_percent(path, test)
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


def _accuracies_percent(path: Path, test: Digits) -> tuple[float, float]:
    """Top-1 and top-5; of equal scores the lower class counts first."""
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    scores = np.asarray(session.run(["scores"], {"image": test.images})[0])
    ranks = np.argsort(-scores, axis=1, kind="stable")
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
    datatypes: tuple[Datatype, ...] = ("fp32", "int8", "int4")
    cells = {
        (model.topology, model.channel_scale_percent, model.datatype): model for model in manifest.models
    }
    rows = dict.fromkeys((topology, scale, model.parameters) for (topology, scale, _), model in cells.items())
    lines = ["| model | parameters | " + " | ".join(datatypes) + " |", "|---|---|---|---|---|"]
    for topology, scale, parameters in rows:
        found = [_cell(cells.get((topology, scale, datatype))) for datatype in datatypes]
        lines.append(f"| {topology}-{scale:g} | {parameters:,} | " + " | ".join(found) + " |")
    return "\n".join(lines)


def _cell(model: ShippedModel | None) -> str:
    if model is None:
        return "not made"
    return f"{model.top1_percent:.1f} / {model.top5_percent:.1f} ({model.size_bytes / 1000:.0f} kB)"
