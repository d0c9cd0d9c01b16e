"""`qutiperf workload new`: the workload file of a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.spec.dataset import DatasetSpec
    from qutiperf.spec.workload import Workload

app = typer.Typer(no_args_is_help=True, help="Write the workload file of a model.")


@app.callback()
def group() -> None:
    """Keeps `new` a command of its own."""


@app.command("new")
def new(
    model: Annotated[Path, typer.Argument(help="An ONNX or TFLite file.")],
    shape: Annotated[
        list[str] | None, typer.Option("--shape", help="input=batch,3,224,224; repeatable.")
    ] = None,
    dim: Annotated[
        list[str] | None, typer.Option("--dim", help="The size of a named dimension, seq=128; repeatable.")
    ] = None,
    constant: Annotated[
        list[str] | None, typer.Option("--constant", help="The value of an input, sr=16000; repeatable.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Its samples, with labels; see `list datasets`.")
    ] = None,
    directory: Annotated[Path | None, typer.Option("--directory", help="The dataset's folder.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="The dataset's file, for npz.")] = None,
    preprocessing: Annotated[
        str | None, typer.Option("--preprocessing", help="The dataset's preprocessing: mobilenet.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; default: print it.")] = None,
) -> None:
    """Write the complete workload of a model: tensors, types, shapes, quantization and digest.

    Guesses are marked as such. What does not fit is listed at once, and nothing is written then.
    """
    from qutiperf.datasets import open_samples
    from qutiperf.errors import InputError
    from qutiperf.models.workload_of import Given, workload_of_file
    from qutiperf.models.workload_text import draft_of, text_of
    from qutiperf.run.model_tensors import check_tensors

    if out is not None and out.exists():
        raise InputError("exists already", where=str(out), cure="name another file, or remove it")
    samples = _dataset(dataset, directory, file, preprocessing)
    made = workload_of_file(model, Given(shape or (), dim or (), constant or (), None))
    draft = draft_of(made, samples, _weight_datatype(made))
    opened = open_samples(draft.workload)
    if model.suffix == ".onnx":
        check_tensors(draft.workload, model, opened)
    text = text_of(draft, None if out is None else out.parent)
    if out is None:
        console.out(text.removesuffix("\n"))
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(out)) from None
    console.out(f"wrote {out}; next:")
    console.out(f"  qutiperf run quickstart --set workloads={out}")


def _dataset(
    name: str | None, directory: Path | None, file: Path | None, preprocessing: str | None
) -> "DatasetSpec | None":
    from qutiperf.cli.combinations import check_unused
    from qutiperf.spec.dataset import DatasetSpec

    if name is None:
        given = {"--directory": directory, "--file": file, "--preprocessing": preprocessing}
        check_unused(given, "no dataset is named", "add --dataset")
        return None
    return DatasetSpec(
        name=name,
        directory=None if directory is None else str(directory.resolve()),
        file=None if file is None else str(file.resolve()),
        preprocessing=preprocessing,
    )


def _weight_datatype(workload: "Workload") -> str | None:
    """As the file has its weights; None where that cannot be counted."""
    from qutiperf.errors import QutiperfError
    from qutiperf.level0.subject import subject_of_workload

    try:
        return subject_of_workload(workload).weight_datatype
    except QutiperfError:
        return None
