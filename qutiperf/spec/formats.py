"""One model in several formats: the file that an adapter loads, with the tensors of that file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from qutiperf.errors import ImpossiblePointError
from qutiperf.spec.source import LengthSource, MaskSource, StateSource
from qutiperf.spec.workload import (
    InputSpec,
    ModelSpec,
    OtherFile,
    OutputSpec,
    Workload,
)

BUILT_SUFFIX = ".onnx"  # of the file that is built for a topology or a part


def for_suffixes(workload: Workload, suffixes: Sequence[str]) -> Workload:
    """The workload with the file that an adapter loads in first place; raises InputError if it has none.

    `suffixes` are those of the adapter in its order of preference; with none any model will do.
    """
    spec = workload.model
    if not suffixes or (spec.is_built and BUILT_SUFFIX in suffixes):
        return workload
    if spec.file is None:
        what = "no model"
        if spec.is_built:
            what = f"a {'topology' if spec.topology else 'part'}, which is built as ONNX"
        cure = f"it loads {', '.join(suffixes)}"
        raise ImpossiblePointError(f"model: the adapter does not load {what}", where=workload.name, cure=cure)
    for suffix in suffixes:
        if Path(spec.file).suffix == suffix:
            return workload
        for other in spec.other_files:
            if Path(other.file).suffix == suffix:
                return _with_first(workload, other)
    given, loadable = ", ".join(Path(file).name for file in spec.files), ", ".join(suffixes)
    cure = f"it loads {loadable}: choose another system, or add such a file to model.other_files"
    raise ImpossiblePointError(f"model: the adapter does not load {given}", where=workload.name, cure=cure)


def _with_first(workload: Workload, chosen: OtherFile) -> Workload:
    spec, variant = workload.model, workload.variant
    many = len(spec.inputs) > 1 or len(spec.outputs) > 1
    others = [other for other in spec.other_files if other is not chosen]
    others = [_complete(other, spec) for other in others] if many else others
    before = OtherFile(file=str(spec.file), sha256=spec.sha256, converter=variant.converter)
    model = spec.model_copy(
        update={
            "file": chosen.file,
            "sha256": chosen.sha256,
            "inputs": inputs_of(chosen, spec),
            "outputs": outputs_of(chosen, spec),
            "other_files": [_complete(before, spec), *others],
        }
    )
    named = variant.model_copy(update={"converter": chosen.converter or variant.converter})
    return workload.model_copy(update={"model": model, "variant": named})


def inputs_of(other: OtherFile, model: ModelSpec) -> list[InputSpec]:
    """Those of this file, in the model's order; what names another tensor names this file's."""
    inputs = other.inputs or [other.input or model.input, *model.inputs[1:]]
    outputs = outputs_of(other, model)
    names = {old.name: new.name for old, new in zip(model.inputs, inputs, strict=True)}
    names |= {old.name: new.name for old, new in zip(model.outputs, outputs, strict=True)}
    return [_with_names(spec, old, names) for spec, old in zip(inputs, model.inputs, strict=True)]


def outputs_of(other: OtherFile, model: ModelSpec) -> list[OutputSpec]:
    """Those of this file, in the model's order."""
    return other.outputs or [other.output or model.output, *model.outputs[1:]]


def _with_names(spec: InputSpec, old: InputSpec, names: Mapping[str, str]) -> InputSpec:
    """With the old source where it has none, for tensors of new names."""
    source = old.source
    if spec.source is not None:
        return spec
    if isinstance(source, StateSource):
        source = StateSource(state=names[source.state])
    elif isinstance(source, MaskSource):
        source = MaskSource(mask=names[source.mask])
    elif isinstance(source, LengthSource):
        source = LengthSource(length=names[source.length])
    return spec.model_copy(update={"source": source})


def _complete(other: OtherFile, spec: ModelSpec) -> OtherFile:
    """With all of its tensors, as another file is to give the model's."""
    inputs, outputs = inputs_of(other, spec), outputs_of(other, spec)
    if len(inputs) == len(outputs) == 1:
        short: dict[str, object] = {"input": inputs[0], "output": outputs[0]}
        return other.model_copy(update={**short, "inputs": None, "outputs": None})
    return other.model_copy(update={"input": None, "output": None, "inputs": inputs, "outputs": outputs})
