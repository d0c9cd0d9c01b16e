"""Everything in which data, model file and workload differ is in one message, with an example that fits."""

import re
from pathlib import Path

import numpy as np
import pytest

from qutiperf.errors import InputError
from qutiperf.models.workload_of import Given
from qutiperf.run.model_tensors import check_tensors, open_fitting
from qutiperf.run.model_workload import workload_of_model
from qutiperf.run.pairing import has_truth, pair
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import Workload, read_workload
from tests import graphs

SEVERAL = """\
kind: workload
schema_version: 1
name: several
task: image-classification
dataset: {name: npz, file: data.npz}
model:
  file: m.onnx
  inputs:
    - {name: x, dtype: float32, shape: [batch, 2]}
    - {name: state, dtype: float32, shape: [1, batch, 2], source: {state: nxt}}
  outputs:
    - {name: out, kind: scores}
    - {name: next, kind: tensor}
"""


def workload(folder: Path, text: str = SEVERAL) -> Workload:
    path = folder / "several.yaml"
    path.write_text(text)
    return read_workload(str(path))[0]


def refusal(made: Workload) -> str:
    """The same from both places that open the samples."""
    with pytest.raises(InputError) as caught:
        pair(load_sut("cpu-onnxruntime")[0], made)
    if made.task != "none":
        with pytest.raises(InputError) as before:
            has_truth(made)
        assert str(before.value) == str(caught.value)
    return str(caught.value)


def example(text: str) -> str:
    [found] = re.findall(r"numpy\.savez\('data\.npz', \*\*(\{.*\})\)", text)
    return str(found)


def save_example(text: str, folder: Path, **more: np.ndarray) -> None:
    arrays = eval(example(text), {"numpy": np})
    np.savez(folder / "data.npz", **arrays, **more)  # type: ignore[arg-type]  # arrays of any kind


def test_data_model_and_sources_are_checked_together(tmp_path: Path) -> None:
    graphs.decaying(tmp_path / "m.onnx")
    np.savez(tmp_path / "data.npz", y=np.zeros((4, 2), np.float32), label=np.array([0, 1, 0, 1]))
    text = SEVERAL.replace("x, dtype: float32, shape: [batch, 2]", "x, dtype: float64, shape: [batch, 3]")
    assert refusal(workload(tmp_path, text)) == (
        "several: input 'state': no output 'nxt' is listed; dataset npz: no array 'x' (it has y); "
        "model.inputs.0.dtype: float64, but m.onnx takes float32; "
        "model.inputs.0.shape: ['batch', 3], but m.onnx takes ['batch', 2]; "
        "`qutiperf workload new m.onnx` writes what fits the model; "
        "one that fits: numpy.savez('data.npz', **{'x': numpy.zeros((8, 2), 'float32')})"
    )


def test_the_example_fits(tmp_path: Path) -> None:
    graphs.decaying(tmp_path / "m.onnx")
    np.savez(tmp_path / "data.npz", y=np.zeros((4, 2), np.float32))
    wrong = SEVERAL.replace("x, dtype: float32", "x, dtype: float64")
    save_example(refusal(workload(tmp_path, wrong)), tmp_path, label=np.zeros(8, np.int64))
    right = workload(tmp_path, SEVERAL.replace("nxt", "next"))
    assert open_fitting(right).count == 8
    assert has_truth(right)


@pytest.mark.parametrize(
    ("labels", "offset", "problem"),
    [
        ([0, 2], 0, "labels: from 0 to 2, but 'out' has 2 classes"),
        ([-1, 1], 0, "labels: from -1 to 1, but 'out' has 2 classes"),
        ([1, 2], 0, "labels: from 1 to 2, but 'out' has 2 classes (with label_offset -1 they fit)"),
        (
            [0, 1],
            1,
            "labels: from 0 to 1, but 'out' has 2 classes and label_offset is 1 (with label_offset 0 "
            "they fit)",
        ),
        ([1, 2], -1, None),
        ([0, 1], 0, None),
    ],
)
def test_labels_have_to_be_classes(
    tmp_path: Path, labels: list[int], offset: int, problem: str | None
) -> None:
    graphs.decaying(tmp_path / "m.onnx")
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 2), np.float32), label=np.array(labels))
    text = SEVERAL.replace("nxt", "next").replace("kind: scores", f"kind: scores, label_offset: {offset}")
    made = workload(tmp_path, text)
    if problem is None:
        check_tensors(made, tmp_path / "m.onnx", open_fitting(made))
        return
    with pytest.raises(InputError) as caught:
        pair(load_sut("cpu-onnxruntime")[0], made)
    assert str(caught.value).startswith(f"several: {problem}; ")


def test_vocabulary_and_constants_are_in_the_same_message(tmp_path: Path) -> None:
    graphs.tokens(tmp_path / "m.onnx")
    np.savez(tmp_path / "data.npz", ids=np.full((4, 5), 9))
    text = """\
kind: workload
schema_version: 1
name: several
task: none
dataset: {name: npz, file: data.npz}
model:
  file: m.onnx
  inputs:
    - {name: ids, dtype: int64, shape: [batch, 5]}
    - {name: mask, dtype: bool, shape: [batch, 5], source: {constant: 2}}
  outputs:
    - {name: y, kind: tensor}
    - {name: sizes, kind: tensor}
"""
    line = refusal(workload(tmp_path, text))
    assert "model input 'mask': 2 is not a bool; " in line
    assert "model.inputs: size of m.onnx is not listed; " in line
    assert "model.inputs.0: values from 9 to 9, but 'ids' looks up 7 rows; " in line


def test_a_damaged_data_file_does_not_hide_what_is_wrong_with_the_model(tmp_path: Path) -> None:
    graphs.decaying(tmp_path / "m.onnx")
    (tmp_path / "data.npz").write_text("no zip")
    line = refusal(workload(tmp_path, SEVERAL.replace("name: out,", "name: uot,").replace("nxt", "next")))
    assert f"{tmp_path / 'data.npz'}: is not an .npz file" in line
    assert "model.outputs.0.name: 'uot', but m.onnx has ['next', 'out']" in line


def test_open_sizes_and_data_of_a_model_are_in_one_message(tmp_path: Path) -> None:
    path = graphs.tokens(tmp_path / "m.onnx")
    np.savez(tmp_path / "data.npz", ids=np.zeros((4, 5), np.int32))
    with pytest.raises(InputError) as caught:
        workload_of_model(path, Given(constants=["size=1.5"], data=tmp_path / "data.npz"))
    line = str(caught.value)
    assert line.startswith(
        f"{path}: input 'ids' leaves sizes open: batch,seq; input 'mask' leaves sizes open: batch,seq; "
    )
    assert "; --constant size=1.5: is not a int64; " in line
    assert "dataset npz: 'ids' is int32, not int64; dataset npz: no array 'mask' (it has ids); " in line
    assert example(line) == "{'ids': numpy.zeros((8, 5), 'int64'), 'mask': numpy.zeros((8, 5), 'bool')}"


def test_open_sizes_are_those_of_the_data(tmp_path: Path) -> None:
    path = graphs.tokens(tmp_path / "m.onnx")
    ids, mask = np.zeros((4, 5), np.int64), np.ones((4, 5), bool)
    np.savez(tmp_path / "data.npz", ids=ids, mask=mask)
    with pytest.raises(InputError) as caught:
        workload_of_model(path, Given(data=tmp_path / "data.npz"))
    assert caught.value.cure == (
        "sizes that fit: --shape ids=batch,5 --shape mask=batch,5; "
        "arrays that fit: numpy.savez('data.npz', **{'size': numpy.zeros((8,), 'int64')})"
    )
    np.savez(tmp_path / "data.npz", ids=ids, mask=mask, size=np.full(4, 5))
    shapes = ["ids=batch,5", "mask=batch,5"]
    made = workload_of_model(path, Given(shapes, data=tmp_path / "data.npz"))
    assert open_fitting(made).count == 4


def test_a_missing_data_file_is_a_problem_among_the_others(tmp_path: Path) -> None:
    path = graphs.tokens(tmp_path / "m.onnx")
    with pytest.raises(
        InputError, match=r"leaves sizes open: .*none\.npz: dataset\.file: there is no such file"
    ):
        workload_of_model(path, Given(data=tmp_path / "none.npz"))
