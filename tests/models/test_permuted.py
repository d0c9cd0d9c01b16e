"""The changed file answers as the original, with its classes in another order."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from qutiperf.errors import InputError
from qutiperf.models.permuted import class_count, permute_classes
from tests.places import CHECKOUT

MODELS = CHECKOUT / "scenarios/workloads/models"
PERMUTATION = [3, 0, 9, 5, 1, 2, 8, 4, 7, 6]
WEIGHTS, GATHER = "the weights of its last layer", "a Gather behind its scores"


Floats = npt.NDArray[np.float32]
Node = tuple[str, list[str], dict[str, Any]]


def scores(path: Path, batch: Floats) -> Floats:
    session = onnxruntime.InferenceSession(str(path))
    [result] = session.run(None, {session.get_inputs()[0].name: batch})
    return np.asarray(result)


def check(path: Path, target: Path, output: str, shape: tuple[int, ...]) -> str:
    where = permute_classes(path, target, output, PERMUTATION)
    batch = np.random.default_rng(1).random((16, *shape), np.float32)
    np.testing.assert_allclose(scores(target, batch)[:, PERMUTATION], scores(path, batch), rtol=1e-6)
    onnx.checker.check_model(onnx.load(str(target)))
    return where


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits-mlp-12.5-fp32", WEIGHTS),
        ("digits-cnv-12.5-fp32", WEIGHTS),
        ("digits-mlp-12.5-int8", WEIGHTS),
        ("digits-cnv-25-int8", WEIGHTS),
        ("digits-cnv-12.5-int4", WEIGHTS),
    ],
)
def test_shipped_models(name: str, expected: str, tmp_path: Path) -> None:
    path = MODELS / f"{name}.onnx"
    assert class_count(path, "scores") == 10
    assert check(path, tmp_path / "p.onnx", "scores", (1, 8, 8)).startswith(expected)


def graph(path: Path, nodes: list[Node], outputs: int = 1) -> Path:
    """A model of 10 classes: each node reads the one before it, and the constants that it names."""
    random = np.random.default_rng(2)
    constants = {
        "weights": random.random((4, 10), np.float32),
        "rows": random.random((10, 4), np.float32),
        "bias": random.random(10, np.float32),
        "wide": random.random((1, 10), np.float32),
        "one": random.random(1, np.float32),
    }
    made, before = [], "x"
    for number, (kind, names, attributes) in enumerate(nodes):
        after = "y" if number == len(nodes) - 1 else f"t{number}"
        inputs = [before if name == "." else name for name in names]
        made.append(helper.make_node(kind, inputs, [after], **attributes))
        before = after
    used = {name for _, names, _ in nodes for name in names}
    values = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    names = ["y", "t0"][:outputs]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 10]) for name in names]
    model = helper.make_model(
        helper.make_graph(made, "g", [given], results, values),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([("Gemm", [".", "weights", "bias"], {})], WEIGHTS),
        ([("Gemm", [".", "rows", "one"], {"transB": 1}), ("Softmax", ["."], {"axis": 1})], WEIGHTS),
        ([("MatMul", [".", "weights"], {}), ("Add", ["bias", "."], {}), ("Relu", ["."], {})], WEIGHTS),
        ([("MatMul", [".", "weights"], {}), ("Mul", [".", "one"], {}), ("Add", [".", "wide"], {})], WEIGHTS),
        ([("MatMul", [".", "weights"], {}), ("Neg", ["."], {})], GATHER),
    ],
)
def test_last_layers(nodes: list[Node], expected: str, tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx", nodes)
    assert check(path, tmp_path / "p.onnx", "y", (4,)).startswith(expected)


def test_a_layer_that_another_output_shows_is_left_alone(tmp_path: Path) -> None:
    path = graph(
        tmp_path / "m.onnx", [("MatMul", [".", "weights"], {}), ("Softmax", ["."], {"axis": 1})], outputs=2
    )
    assert permute_classes(path, tmp_path / "p.onnx", "y", PERMUTATION).startswith(GATHER)


def test_weights_that_two_layers_read_are_changed_for_one(tmp_path: Path) -> None:
    nodes: list[Node] = [
        ("MatMul", [".", "weights"], {}),
        ("MatMul", [".", "rows"], {}),
        ("MatMul", [".", "weights"], {}),
    ]
    path = graph(tmp_path / "m.onnx", nodes)
    assert check(path, tmp_path / "p.onnx", "y", (4,)).startswith(WEIGHTS)


def test_wrong_files(tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx", [("Gemm", [".", "weights"], {})])
    with pytest.raises(InputError, match="has no output 'z'"):
        permute_classes(path, tmp_path / "p.onnx", "z", PERMUTATION)
    path.write_bytes(b"\x08\x07not a model")
    with pytest.raises(InputError):
        permute_classes(path, tmp_path / "p.onnx", "y", PERMUTATION)
