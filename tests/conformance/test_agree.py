"""Whether several systems compute the same."""

import json
from pathlib import Path

import numpy as np
import pytest

from qutiperf.cli import main
from qutiperf.conformance.agree import Answers, _as_numbers, compare
from qutiperf.errors import InputError
from qutiperf.spec.workload import OutputSpec, QuantizationSpec
from tests.conftest import FAULTY, SutFile, fails

WORKLOAD = "digits-mlp-12.5-fp32"


def answers(scores: list[list[float]], name: str = "a") -> Answers:
    outputs, classes = _as_numbers(np.array(scores), OutputSpec(name="s", kind="scores"), True)
    return Answers(name, "m.onnx", {}, outputs, classes, None, len(outputs))


def test_differing_answers_are_reported() -> None:
    first = answers([[0, 1], [1, 0], [0, 3], [2, 0]])
    found = compare(first, answers([[0, 1], [0.25, 0.5], [0, 2.5], [2, 0]]))
    assert (found.same_label_percent, found.largest_difference, found.differing) == (75.0, 0.75, [1])


def test_integers_are_compared_as_the_real_numbers_they_stand_for() -> None:
    spec = OutputSpec(
        name="s", kind="scores", label_offset=1, quantization=QuantizationSpec(scale=0.5, zero_point=-2)
    )
    real, classes = _as_numbers(np.array([[9, -2, 0]], np.int8), spec, True)
    assert real.tolist() == [[0.0, 1.0]]
    assert classes is not None
    assert classes.tolist() == [1]


def test_class_ids_and_tensors() -> None:
    ids, classes = _as_numbers(
        np.array([[3], [1]], np.int64), OutputSpec(name="c", kind="class_id", label_offset=1), True
    )
    assert classes is not None
    assert (ids.tolist(), classes.tolist()) == ([2.0, 0.0], [2, 0])
    assert _as_numbers(np.zeros((2, 3)), OutputSpec(name="t", kind="tensor"), True)[1] is None


def test_outputs_of_other_shapes_are_not_compared() -> None:
    with pytest.raises(InputError, match=r"b: its outputs are \[1, 3\], those of a \[1, 2\]; .*label_offset"):
        compare(answers([[0, 1]]), answers([[0, 1, 2]], "b"))


@pytest.mark.slow
def test_two_runtimes_agree(capsys: pytest.CaptureFixture[str]) -> None:
    systems = ["--sut", "cpu-onnxruntime", "--sut", "examples/my_adapter"]
    assert main(["agree", WORKLOAD, *systems, "--count", "50", "--batch", "16", "--json"], False) == 0
    first, other = json.loads(capsys.readouterr().out)
    assert (first["samples"], other["samples"]) == (50, 50)
    assert first["top1_percent"] == other["top1_percent"] >= 96
    assert (other["same_label_percent"], other["differing_samples"]) == (100.0, [])
    assert 0 <= other["largest_output_difference"] < 1e-4
    assert first["same_label_percent"] is None


@pytest.mark.slow
def test_another_computation_is_a_verdict(capsys: pytest.CaptureFixture[str], sut_file: SutFile) -> None:
    always_zero = sut_file(f"{FAULTY}:Good", name="zero")
    command = ["agree", WORKLOAD, "--sut", "cpu-onnxruntime", "--sut", str(always_zero), "--count", "100"]
    assert main(command, False) == 1
    captured = capsys.readouterr()
    assert "zero" in captured.out
    assert "% of the labels agree with cpu-onnxruntime, fewer than --at-least 99" in captured.err
    assert main([*command, "--at-least", "0"], False) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("RaisesInLoad", 4, "the process ended with exit status 1: RuntimeError: no such device: npu7"),
        ("NotInstalled", 3, "its runtime a_runtime_that_nobody_has is not installed"),
        ("NotANumber", 4, "scores contain NaN or infinity"),
        ("Exits", 4, "the process ended with exit status 5"),
        ("Hangs", 4, "no answers within 2 s; give --count"),
    ],
)
def test_a_system_that_fails(
    fault: str, code: int, message: str, capsys: pytest.CaptureFixture[str], sut_file: SutFile
) -> None:
    broken = sut_file(f"{FAULTY}:{fault}", name="broken", extra="options: {good_batches: 0}\n")
    line = ["--quiet", "agree", WORKLOAD, "--sut", str(broken), "--sut", "cpu-onnxruntime"]
    limit = ["--time-limit", "2"] if fault == "Hangs" else []
    assert message in fails(capsys, [*line, *limit], code)


def test_one_system_is_nothing_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert "name two systems or more" in fails(capsys, ["agree", WORKLOAD, "--sut", "cpu-onnxruntime"], 2)


def test_a_format_is_chosen_by_the_system(
    capsys: pytest.CaptureFixture[str], sut_file: SutFile, tmp_path: Path
) -> None:
    other = sut_file("onnxruntime", name="other", extra="model_suffixes: [.tflite]\n")
    line = fails(capsys, ["agree", WORKLOAD, "--sut", str(other), "--sut", str(other)], 2)
    assert (
        "other: model_suffixes: the adapter onnxruntime does not load .tflite; allowed: .onnx, .ort" in line
    )
