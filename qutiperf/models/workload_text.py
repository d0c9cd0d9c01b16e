"""The workload file of a model: what its file shows, and what had to be guessed, marked as such."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from qutiperf.models.tensors import FileTensor
from qutiperf.models.workload_of import tensors_of
from qutiperf.spec.config import sha256_of_file
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.workload import InputSpec, OutputSpec, Workload

GUESS = "a guess, check it"
_BACKGROUND = 1001  # classes of ImageNet models whose class 0 is the background
_WIDEST = 2**20  # characters, so that a mapping stays on its line


@dataclass(frozen=True, slots=True)
class Draft:
    """A workload, and why its keys are as they are where the file does not say so."""

    workload: Workload
    reasons: Mapping[str, str]


def draft_of(workload: Workload, dataset: DatasetSpec | None, weights: str | None) -> Draft:
    """Of a workload that was made from a file; with `dataset` its outputs are those of a classification.

    `weights` is the datatype of the weights, None if it is not known.
    """
    path, model = Path(str(workload.model.file)), workload.model
    reasons = {"variant.topology": f"the file's name: {GUESS}"}
    outputs = list(model.outputs)
    if dataset is None:
        reasons["task"] = "speed alone; with --dataset accuracy too"
    else:
        outputs[0] = judged_output(tensors_of(path).outputs[0], outputs[0])
        reasons["outputs"] = f"kind and label_offset: {GUESS}"
        reasons["task"] = GUESS
    if weights is not None:
        reasons["variant.weight_datatype"] = f"of most weights in the file: {GUESS}"
    made = workload.model_copy(
        update={
            "task": "none" if dataset is None else "image-classification",
            "dataset": dataset or workload.dataset,
            "model": model.model_copy(
                update={
                    "sha256": sha256_of_file(path),
                    "inputs": _fed(model.inputs, dataset),
                    "outputs": outputs,
                }
            ),
            "variant": workload.variant.model_copy(update={"weight_datatype": weights}),
            "rehearsal": dataset is None,
        }
    )
    return Draft(made, reasons)


def _fed(inputs: Sequence[InputSpec], dataset: DatasetSpec | None) -> list[InputSpec]:
    """The first input is what the dataset has."""
    if dataset is None or inputs[0].has_data:
        return list(inputs)
    return [inputs[0].model_copy(update={"source": None}), *inputs[1:]]


def judged_output(tensor: FileTensor, output: OutputSpec) -> OutputSpec:
    """Class ids if it has one integer a sample, else scores."""
    ids = tensor.dtype in ("int32", "int64") and (len(tensor.shape) == 1 or tensor.shape[1:] == (1,))
    offset = 1 if not ids and tensor.shape[-1:] == (_BACKGROUND,) else 0
    return output.model_copy(update={"kind": "class_id" if ids else "scores", "label_offset": offset})


def text_of(draft: Draft, folder: Path | None) -> str:
    """YAML that `load_workload` reads; the model's path is relative to `folder` where it lies inside it."""
    workload, reasons = draft.workload, draft.reasons
    data = workload.model_dump(mode="json")
    model = data["model"]
    model["file"] = _path(Path(str(workload.model.file)), folder)
    lines = ["kind: workload", "schema_version: 1", _line("name", workload.name)]
    lines.append(_line("task", workload.task, reasons.get("task")))
    lines.append(_line("dataset", _set(data["dataset"])))
    lines += ["model:", _line("  file", model["file"]), _line("  sha256", model["sha256"])]
    if workload.model.steps > 1:
        lines.append(_line("  steps", workload.model.steps))
    lines += _tensors("input", [model["input"]] if "input" in model else model["inputs"], None)
    outputs = [model["output"]] if "output" in model else model["outputs"]
    lines += _tensors("output", outputs, reasons.get("outputs"))
    lines.append("variant:")
    for key, value in data["variant"].items():
        lines.append(_line(f"  {key}", value, reasons.get(f"variant.{key}")))
    lines += [_line("mlperf_benchmark", None), _line("rehearsal", workload.rehearsal)]
    return "\n".join(lines) + "\n"


def _tensors(kind: str, tensors: Sequence[Mapping[str, object]], reason: str | None) -> list[str]:
    if len(tensors) == 1:
        return [_line(f"  {kind}", _set(tensors[0]), reason)]
    first, *others = [f"  - {_flow(_set(tensor))}" for tensor in tensors]
    return [f"  {kind}s:", f"{first}  # {reason}" if reason else first, *others]


def _path(path: Path, folder: Path | None) -> str:
    relative = None if folder is None else os.path.relpath(path, folder.resolve())
    return str(path) if relative is None or relative.startswith("..") else relative


def _set(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _line(key: str, value: object, reason: str | None = None) -> str:
    return f"{key}: {_flow(value)}" + (f"  # {reason}" if reason else "")


def _flow(value: object) -> str:
    """On one line, without the mark that ends a document of a single value."""
    text = yaml.safe_dump(value, default_flow_style=True, width=_WIDEST, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
