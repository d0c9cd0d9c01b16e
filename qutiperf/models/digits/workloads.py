"""Workload files of the digits models, one for each model of a manifest."""

import os
from pathlib import Path

from qutiperf.models.digits.manifest import Datatype, Manifest, ShippedModel

ACTIVATION_DATATYPES: dict[Datatype, str] = {"fp32": "fp32", "int8": "int8", "int4": "fp32"}
CONVERTERS: dict[Datatype, str] = {
    "fp32": "onnx {onnx}",
    "int8": "onnxruntime {onnxruntime} static QDQ",
    "int4": "onnx {onnx} round to nearest",
}
CALIBRATIONS: dict[Datatype, str] = {"fp32": "none", "int8": "digits train", "int4": "none"}

TEMPLATE = """\
kind: workload
schema_version: 1
name: {model.name}
task: image-classification
dataset: {{name: digits, split: test}}
model:
  file: {file}
  sha256: {model.sha256}
  input: {{name: image, dtype: float32, shape: [batch, 1, 8, 8]}}
  output: {{name: scores, kind: scores, label_offset: 0}}
variant:
  topology: {model.topology}
  channel_scale_percent: {model.channel_scale_percent:g}
  weight_datatype: {model.datatype}
  activation_datatype: {activations}
  sparsity_percent: 0
  training_framework: pytorch {torch}
  converter: {converter}
  calibration: {calibration}
  tuning: out_of_the_box
  development_effort_hours: null
mlperf_benchmark: null
rehearsal: false
"""


def write_workloads(manifest: Manifest, models: Path, directory: Path) -> None:
    """Writes NAME.yaml for every model; `models` is the folder of the ONNX files."""
    directory.mkdir(parents=True, exist_ok=True)
    for model in manifest.models:
        file = Path(os.path.relpath(models / model.file, directory)).as_posix()
        text = workload_text(model, file, manifest.tools)
        (directory / f"{model.name}.yaml").write_text(text, encoding="utf-8")


def workload_text(model: ShippedModel, file: str, tools: dict[str, str]) -> str:
    """YAML of one workload whose model lies at `file`, relative to the workload."""
    return TEMPLATE.format(
        model=model,
        file=file,
        activations=ACTIVATION_DATATYPES[model.datatype],
        torch=tools["torch"],
        converter=CONVERTERS[model.datatype].format(**tools),
        calibration=CALIBRATIONS[model.datatype],
    )
