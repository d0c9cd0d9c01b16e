"""The file of a workload's model that an adapter loads."""

from collections.abc import Sequence
from pathlib import Path

from qutiperf.errors import ImpossiblePointError
from qutiperf.spec.workload import OtherFile, Workload

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
    before = OtherFile(
        file=str(spec.file),
        sha256=spec.sha256,
        converter=variant.converter,
        input=spec.input,
        output=spec.output,
    )
    model = spec.model_copy(
        update={
            "file": chosen.file,
            "sha256": chosen.sha256,
            "inputs": [chosen.input or spec.input, *spec.inputs[1:]],
            "outputs": [chosen.output or spec.output, *spec.outputs[1:]],
            "other_files": [before, *(other for other in spec.other_files if other is not chosen)],
        }
    )
    named = variant.model_copy(update={"converter": chosen.converter or variant.converter})
    return workload.model_copy(update={"model": model, "variant": named})
