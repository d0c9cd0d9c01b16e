"""Workload files of the digits models, one for each model of a manifest."""

import os
from pathlib import Path

from qutiperf.models.digits.manifest import Datatype, Manifest, ShippedModel, TfliteTensor

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
{other_files}variant:
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

OTHER_FILE = """\
  other_files:
  - file: {file}
    sha256: {tflite.sha256}
    converter: {converter}
    input: {{name: {tflite.input.name}, dtype: {tflite.input.dtype}, shape: [batch, 1, 8, 8]{input}}}
    output: {{name: {tflite.output.name}, kind: scores, label_offset: 0{output}}}
"""
TFLITE_CONVERTERS: dict[Datatype, str] = {
    "fp32": "litert-torch {litert-torch}",
    "int8": "litert-torch {litert-torch} and ai-edge-quantizer {ai-edge-quantizer} static",
    "int4": "litert-torch {litert-torch} and ai-edge-quantizer {ai-edge-quantizer} weights only",
}


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
        other_files=_other_files(model, file, tools),
        activations=ACTIVATION_DATATYPES[model.datatype],
        torch=tools["torch"],
        converter=CONVERTERS[model.datatype].format(**tools),
        calibration=CALIBRATIONS[model.datatype],
    )


def _other_files(model: ShippedModel, file: str, tools: dict[str, str]) -> str:
    """Empty where the model has no TFLite file; it lies beside the ONNX file."""
    tflite = model.tflite
    if tflite is None:
        return ""
    return OTHER_FILE.format(
        tflite=tflite,
        file=(Path(file).parent / tflite.file).as_posix(),
        converter=TFLITE_CONVERTERS[model.datatype].format(**tools),
        input=_quantization(tflite.input),
        output=_quantization(tflite.output),
    )


def _quantization(tensor: TfliteTensor) -> str:
    quantization = tensor.quantization
    if quantization is None:
        return ""
    return f", quantization: {{scale: {quantization.scale}, zero_point: {quantization.zero_point}}}"
