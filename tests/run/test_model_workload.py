"""Labelled data gives a model without a workload file its accuracy."""

from pathlib import Path

import numpy as np
import pytest

from qutiperf.cli import main
from qutiperf.datasets import open_samples
from qutiperf.models.workload_of import Given
from qutiperf.run.model_workload import workload_of_model
from qutiperf.spec.workload import load_workload
from tests import graphs
from tests.cli.test_any_model import QUICK, rows

DIGITS = "digits-mlp-100-fp32"


def digits(folder: Path, shift: int | None) -> tuple[Path, Path]:
    """The model, and its test data without nines, with labels that are off by `shift`."""
    workload = load_workload(DIGITS)[0]
    data = open_samples(workload)
    assert data.labels is not None
    kept = np.flatnonzero(data.labels < 9)
    arrays = {"image": data.load(kept.tolist())}
    if shift is not None:
        arrays["label"] = data.labels[kept] + shift
    np.savez(folder / "digits.npz", **arrays)  # type: ignore[arg-type]  # arrays of any kind
    return Path(str(workload.model.file)), folder / "digits.npz"


@pytest.mark.parametrize(("shift", "task"), [(0, "image-classification"), (None, "none")])
def test_labels_make_a_classification_of_scores(tmp_path: Path, shift: int | None, task: str) -> None:
    model, data = digits(tmp_path, shift)
    workload = workload_of_model(model, Given(data=data))
    assert (workload.task, workload.rehearsal) == (task, True)
    assert workload.model.output.kind == ("scores" if shift == 0 else "tensor")


def test_outputs_that_are_no_classes_are_not_judged(tmp_path: Path) -> None:
    model = graphs.time_major(tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.zeros((3, 4, 2), np.float32), label=np.arange(3))
    assert workload_of_model(model, Given(data=tmp_path / "d.npz")).task == "none"


@pytest.mark.slow
def test_labels_that_are_off_by_one_are_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, data = digits(tmp_path, 1)
    words = ["run", "--model", str(model), "--data", str(data), "--out", "results", *QUICK]
    listed = rows(capsys, words)
    assert {row["quality"] for row in listed} == {"suspect_accuracy"}
    setting = "set model.output.label_offset: -1 in the workload file: 128 of 128 samples are right with it"
    capsys.readouterr()
    assert main(["show", "results"], debug=True) == 0
    assert f"WARNING: {DIGITS}: suspect accuracy: {setting}" in capsys.readouterr().out
    assert main(["explain", "results"], debug=True) == 0
    assert "set     model.output.label_offset=-1" in capsys.readouterr().out
