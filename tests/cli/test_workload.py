"""`qutiperf workload new`: a file that is complete, that loads, and in which guesses are marked."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from qutiperf.cli import main
from qutiperf.models.workload_text import GUESS
from qutiperf.spec.config import sha256_of_file
from qutiperf.spec.source import ConstantSource
from qutiperf.spec.workload import load_workload
from tests import graphs
from tests.conftest import fails
from tests.places import CHECKOUT

MODELS = CHECKOUT / "scenarios/workloads/models"


def written(path: Path, words: list[str]) -> str:
    assert main(["workload", "new", *words, "--out", str(path)], debug=True) == 0
    return path.read_text()


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
@pytest.mark.parametrize("datatype", ["fp32", "int8"])
def test_the_workload_of_a_shipped_model(suffix: str, datatype: str, tmp_path: Path) -> None:
    if suffix == "tflite":
        pytest.importorskip("ai_edge_litert")
    name = f"digits-cnv-100-{datatype}"
    text = written(tmp_path / "mine.yaml", [str(MODELS / f"{name}.{suffix}"), "--dataset", "digits"])
    made, shipped = load_workload(str(tmp_path / "mine.yaml"))[0], load_workload(name)[0]
    other = shipped.model if suffix == "onnx" else shipped.model.other_files[0]
    assert made.model.sha256 == other.sha256
    for tensor, expected in ((made.model.input, other.input), (made.model.output, other.output)):
        assert expected is not None
        scales = {"quantization": None}  # those of the shipped files have fewer digits
        assert tensor.model_copy(update=scales) == expected.model_copy(update=scales)
        assert (tensor.quantization is None) == (expected.quantization is None)
        if tensor.quantization is not None and expected.quantization is not None:
            assert tensor.quantization.scale == pytest.approx(expected.quantization.scale, rel=1e-6)
            assert tensor.quantization.zero_point == expected.quantization.zero_point
    assert (made.name, made.task, made.dataset) == (name, shipped.task, shipped.dataset)
    assert (made.variant.weight_datatype, made.rehearsal) == (datatype, False)
    assert [line.split(":")[0].strip() for line in text.splitlines() if GUESS in line] == [
        *("task", "output", "topology", "weight_datatype")
    ]


def test_the_workload_of_several_tensors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = graphs.time_major(tmp_path / "m: 1.onnx")
    words = [str(path), "--constant", "gain=16000"]
    text = written(tmp_path / "mine.yaml", words)
    made, _ = load_workload(str(tmp_path / "mine.yaml"))
    assert made.model.file == str(path)
    assert "  file: 'm: 1.onnx'\n" in text
    assert made.model.sha256 == sha256_of_file(path)
    assert [spec.shape for spec in made.model.inputs] == [[4, "batch", 2], []]
    assert made.model.inputs[1].source == ConstantSource(constant=16000)
    assert (made.task, made.rehearsal, made.model.output.kind) == ("none", True, "tensor")
    capsys.readouterr()
    assert main(["workload", "new", *words], debug=True) == 0
    assert capsys.readouterr().out.replace(f"'{path}'", "'m: 1.onnx'") == text


def test_classes_and_backgrounds_are_guessed_from_the_output(tmp_path: Path) -> None:
    scores = np.zeros((3, 1001), np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = graphs.save(
        tmp_path / "m.onnx",
        [node],
        [graphs.tensor("x", ["n", 3])],
        [graphs.tensor("y", ["n", 1001])],
        {"w": scores},
    )
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 3), np.float32), label=np.array([0, 1]))
    written(tmp_path / "mine.yaml", [str(path), "--dataset", "npz", "--file", str(tmp_path / "d.npz")])
    output = load_workload(str(tmp_path / "mine.yaml"))[0].model.output
    assert (output.kind, output.label_offset) == ("scores", 1)


def test_nothing_is_written_where_something_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = graphs.tokens(tmp_path / "m.onnx"), tmp_path / "mine.yaml"
    words = ["workload", "new", str(path), "--out", str(out)]
    line = fails(capsys, words, 2)
    assert "give them, for instance --shape ids=batch,16 --shape mask=batch,16" in line
    assert "npz" in fails(capsys, [*words, "--dim", "seq=4", "--dataset", "npy"], 2)
    assert "model.input.dtype: int64; " in fails(capsys, [*words, "--dim", "seq=4", "--dataset", "digits"], 2)
    assert "--directory" in fails(capsys, [*words, "--directory", "x"], 2)
    assert not out.exists()
    out.touch()
    assert "exists already; name another file" in fails(capsys, [*words, "--dim", "seq=4"], 2)
