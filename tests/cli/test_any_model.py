"""Models with several tensors, from the command line: bad input is refused before any run."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qutiperf.cli import main
from tests import graphs
from tests.conftest import fails
from tests.places import CHECKOUT

QUICK = [
    "--scenario",
    "Offline",
    "--set",
    "settings.min_duration_s=0.05",
    "--set",
    "deployment.threads=1",
    "--json",
]
STATES = """\
kind: workload
schema_version: 1
name: states
task: image-classification
dataset: {name: npz, file: data.npz}
model:
  file: m.onnx
  steps: 3
  inputs:
    - {name: x, dtype: float32, shape: [batch, 2]}
    - {name: state, dtype: float32, shape: [1, batch, 2], source: {state: next}}
  outputs:
    - {name: out, kind: scores}
    - {name: next, kind: tensor}
"""


def rows(capsys: pytest.CaptureFixture[str], words: list[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(words, debug=True) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture
def states(tmp_path: Path) -> Path:
    """Sequences whose class is the greater of two decaying sums, computed by numpy; all but one are right."""
    graphs.decaying(tmp_path / "m.onnx")
    x = np.random.default_rng(1).random((8, 3, 2)).astype(np.float32)
    sums = x[:, 0] / 4 + x[:, 1] / 2 + x[:, 2]
    labels = sums.argmax(axis=1)
    labels[5] = 1 - labels[5]
    np.savez(tmp_path / "data.npz", x=x, label=labels)
    path = tmp_path / "states.yaml"
    path.write_text(STATES)
    return path


@pytest.mark.slow
def test_the_accuracy_of_sequences(
    states: Path, tmp_path: Path, sweep_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = sweep_file("cpu-onnxruntime", extra="modes: [AccuracyOnly]\n")
    words = ["run", str(sweep), "--set", f"workloads={states}", "--out", str(tmp_path / "out"), "--json"]
    [row] = rows(capsys, [*words, "--set", "deployment.batch_size=3"])
    assert (row["valid"], row["top1_percent"]) == (True, 87.5)


@pytest.mark.slow
def test_systems_agree_on_sequences(states: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    words = [
        "agree",
        str(states),
        "--sut",
        "cpu-onnxruntime",
        "--sut",
        "cpu-openvino",
        "--batch",
        "3",
        "--json",
    ]
    first, other = rows(capsys, words)
    assert (first["samples"], first["top1_percent"], other["top1_percent"]) == (8, 87.5, 87.5)
    assert other["differing_samples"] == []


@pytest.mark.slow
def test_the_example_of_an_error_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = graphs.tokens(tmp_path / "m.onnx")
    words = ["run", "--model", str(path), "--out", str(tmp_path / "out"), *QUICK]
    line = fails(capsys, words, 2)
    assert "input 'ids' leaves sizes open: batch,seq; input 'mask' leaves sizes open: batch,seq" in line
    example = line.rpartition("for instance ")[2].split()
    assert example == ["--shape", "ids=batch,16", "--shape", "mask=batch,16"]
    assert not (tmp_path / "out").exists()
    found = rows(capsys, [*words, *example, "--batch", "1,3"])
    assert [(row["batch_size"], row["valid"]) for row in found] == [(1, True), (3, True)]


@pytest.mark.slow
def test_a_tflite_file_picks_its_runtime_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ai_edge_litert")
    path = CHECKOUT / "scenarios/workloads/models/digits-mlp-12.5-fp32.tflite"
    words = ["run", "--model", str(path), "--out", str(tmp_path / "out"), *QUICK]
    assert main(words, debug=True) == 0
    captured = capsys.readouterr()
    assert [(row["sut"], row["valid"]) for row in json.loads(captured.out)] == [("cpu-litert", True)]
    assert f"{path.name} runs on cpu-litert; --sut names another system" in captured.err


@pytest.mark.slow
def test_data_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, data = graphs.tokens(tmp_path / "m.onnx"), tmp_path / "data.npz"
    words = ["run", "--model", str(path), "--dim", "seq=5", "--constant", "size=5", "--data", str(data)]
    words += ["--out", str(tmp_path / "out"), *QUICK]
    assert "there is no such file" in fails(capsys, words, 2)
    ids, mask = np.full((4, 5), 6), np.ones((4, 5), bool)
    np.savez(data, ids=ids)
    assert "dataset npz: no array 'mask' (it has ids); one that fits: numpy.savez(" in fails(capsys, words, 2)
    np.savez(data, ids=ids.astype(np.int32), mask=mask[:, :4])
    line = fails(capsys, words, 2)
    assert "'ids' is int32, not int64; 'mask' has samples of [4], not [5]; one that fits" in line
    np.savez(data, ids=ids + 1, mask=mask)
    assert "model.inputs.0: values from 7 to 7, but 'ids' looks up 7 rows" in fails(capsys, words, 2)
    assert not (tmp_path / "out").exists()
    np.savez(data, ids=ids, mask=mask)
    assert [row["valid"] for row in rows(capsys, words)] == [True]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("state: next", "state: nxt", "input 'state': no output 'nxt' is listed"),
        (
            "name: x,",
            "name: y,",
            "dataset npz: no array 'y' (it has x); model.inputs.0.name: 'y', but m.onnx has ['state', 'x']; "
            "`qutiperf workload new m.onnx` writes what fits the model; one that fits: "
            "numpy.savez('data.npz', **{'x': numpy.zeros((8, 3, 2), 'float32')})",
        ),
        (
            "[1, batch, 2]",
            "[2, batch, 2]",
            "model.inputs.1.shape: [2, 'batch', 2], but m.onnx takes [1, 'batch', 2]",
        ),
        (
            "{name: out, kind",
            "{name: uot, kind",
            "model.outputs.0.name: 'uot', but m.onnx has ['next', 'out']",
        ),
        (
            "steps: 3",
            "steps: 4",
            "'x' has samples of [3, 2], not [4, 2]; one that fits: numpy.savez('data.npz', ",
        ),
        ("steps: 3", "steps: 100001", "steps: "),
        ("source: {state: next}", "source: {constant: 1e39}", "model input 'state': 1e+39 is not a float32"),
        (
            "dtype: float32, shape: [1,",
            "dtype: complex64, shape: [1,",
            "'state' complex64: no samples of this type",
        ),
    ],
)
def test_workloads_that_do_not_fit(
    old: str,
    new: str,
    problem: str,
    states: Path,
    tmp_path: Path,
    sweep_file: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    states.write_text(STATES.replace(old, new, 1))
    words = ["run", str(sweep_file("cpu-onnxruntime")), "--set", f"workloads={states}"]
    assert problem in fails(capsys, [*words, "--out", str(tmp_path / "out")], 2)
    assert not (tmp_path / "out").exists()


def test_what_takes_one_input_refuses_in_one_line(
    states: Path, tmp_path: Path, sweep_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    line = fails(capsys, ["adapter", "test", "examples/my_adapter", "--workload", str(states)], 2)
    assert line.endswith("only takes models with one input and one output; measure it on another system")
    out = ["--out", str(tmp_path / "out")]
    words = ["run", str(sweep_file("cpu-onnxruntime")), "--set", f"workloads={states}", *out]
    line = fails(capsys, [*words, "--set", "settings.end_to_end=true"], 2)
    assert line.endswith("samples of several inputs are prepared before the run; set it to false")
    path = graphs.sum_and_product(tmp_path / "two.onnx")
    line = fails(capsys, ["run", "--model", str(path), "--sut", "examples/my_adapter", *out], 2)
    assert "(my_adapter.py:" in line
    assert "only takes models with one input and one output; measure it on another system" in line


def test_a_system_for_one_tensor_does_not_serve_several(
    states: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fails(capsys, ["serve", "--sut", "examples/my_adapter", "--workload", str(states)], 2)
    assert line.endswith("only takes models with one input and one output; measure it on another system")
