"""Counting what only a run of the model shows: branches, repetitions, shapes that depend on values."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.errors import InputError
from qutiperf.level0.count import requirements_of_file
from qutiperf.level0.operators import rule_of
from qutiperf.level0.running import _body, run_once
from qutiperf.level0.subject import subject_of_workload
from qutiperf.spec.workload import Workload
from tests import graphs

OPS = 2 * 4 * 5  # of x[1, 4] times w[4, 5]
WEIGHTS = {"w": np.ones((4, 5), np.float32), "v": np.ones((4, 8), np.float32)}


def branches(path: Path) -> Path:
    """y = x w where the number `rate` is 16000, else x v."""
    large, small = (
        helper.make_graph(
            [helper.make_node("MatMul", ["x", weight], [f"{weight}_y"], name="product")],
            weight,
            [],
            [graphs.tensor(f"{weight}_y", None)],
        )
        for weight in ("v", "w")
    )
    nodes = [
        helper.make_node("Equal", ["rate", "expected"], ["same"]),
        helper.make_node("If", ["same"], ["y"], then_branch=small, else_branch=large),
    ]
    inputs = [graphs.tensor("x", ["batch", 4]), graphs.tensor("rate", [], graphs.INT64)]
    weights = {**WEIGHTS, "expected": np.array(16000)}
    return graphs.save(path, nodes, inputs, [graphs.tensor("y", None)], weights)


def loop(path: Path, trips: int) -> Path:
    """The state is x; each round adds the mean of state w, and stacks it."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["wide"]),
            helper.make_node("ReduceMean", ["wide"], ["mean"]),
            helper.make_node("Add", ["state", "mean"], ["following"]),
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Identity", ["mean"], ["stacked"]),
        ],
        "body",
        [
            graphs.tensor("round", [], graphs.INT64),
            graphs.tensor("go", [], graphs.BOOL),
            graphs.tensor("state", [1, 4]),
        ],
        [
            graphs.tensor("still", [], graphs.BOOL),
            graphs.tensor("following", [1, 4]),
            graphs.tensor("stacked", None),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["trips", "", "x"], ["last", "all"], body=body),
        helper.make_node("MatMul", ["last", "v"], ["y"]),
    ]
    weights = {**WEIGHTS, "trips": np.array(trips)}
    return graphs.save(path, nodes, [graphs.tensor("x", [1, 4])], [graphs.tensor("y", None)], weights)


@pytest.mark.parametrize(("rate", "ops", "weights"), [(16000, OPS, 20), (8000, 2 * 4 * 8, 32)])
def test_the_branch_that_is_taken_is_counted(rate: int, ops: int, weights: int, tmp_path: Path) -> None:
    found = requirements_of_file(branches(tmp_path / "m.onnx"), {}, {"rate": rate})
    assert (found.ops, found.weights, found.other_ops) == (ops, weights, 1)
    assert found.unknown_operators == {}


@pytest.mark.parametrize("trips", [1, 7])
def test_the_body_of_a_loop_counts_as_often_as_it_runs(trips: int, tmp_path: Path) -> None:
    found = requirements_of_file(loop(tmp_path / "m.onnx", trips))
    assert found.ops == trips * OPS + 2 * 4 * 8
    assert found.weights == 20 + 32
    assert found.other_ops == trips * (5 + 4)  # the mean reads 5, the sum writes 4
    assert found.unknown_operators == {}


def shaped_by_values(path: Path, operator: str, domain: str = "") -> Path:
    """A reshape to sizes that are computed from values, which inference does not follow."""
    nodes = [
        helper.make_node("ReduceMax", ["sizes"], ["largest"], keepdims=1),
        helper.make_node("Cast", ["largest"], ["size"], to=graphs.INT64),
        helper.make_node("Concat", ["one", "size"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["product"]),
        helper.make_node(operator, ["product"], ["y"], domain=domain),
    ]
    weights = {**WEIGHTS, "sizes": np.array([4.0, 2.0], np.float32), "one": np.array([1])}
    return graphs.save(path, nodes, [graphs.tensor("x", [2, 2])], [graphs.tensor("y", None)], weights)


def test_shapes_that_depend_on_values(tmp_path: Path) -> None:
    found = requirements_of_file(shaped_by_values(tmp_path / "m.onnx", "Relu"))
    assert (found.ops * found.batch, found.unknown_operators) == (OPS, {})


def test_operators_without_a_rule_are_listed(tmp_path: Path) -> None:
    found = requirements_of_file(shaped_by_values(tmp_path / "m.onnx", "Hardmax"))
    assert (found.ops * found.batch, found.unknown_operators) == (OPS, {"Hardmax": 1})


def test_a_model_that_does_not_run_is_refused_as_before(tmp_path: Path) -> None:
    path = shaped_by_values(tmp_path / "m.onnx", "Secret", "mine")
    with pytest.raises(InputError, match=r"ONNX cannot infer the shape of 'flat', the output of Reshape; "):
        requirements_of_file(path)


def test_branches_of_a_model_that_does_not_run(tmp_path: Path) -> None:
    path = branches(tmp_path / "m.onnx")
    with pytest.raises(
        InputError, match="the branches that it takes are not known, as a run of it failed: "
    ) as caught:
        requirements_of_file(path, {"x": [1, 3]}, {"rate": 16000})
    assert "\n" not in str(caught.value)


def test_steps_multiply_the_operations_of_a_workload(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "state"], ["next"]),
    ]
    inputs = [graphs.tensor("x", ["batch", 4]), graphs.tensor("state", ["batch", 5])]
    path = graphs.save(
        tmp_path / "m.onnx", nodes, inputs, [graphs.tensor("next", ["batch", 5], TensorProto.FLOAT)], WEIGHTS
    )
    made = Workload.model_validate(
        {
            "name": "w",
            "task": "none",
            "dataset": {"name": "synthetic"},
            "model": {
                "file": str(path),
                "steps": 30,
                "inputs": [
                    {"name": "x", "dtype": "float32", "shape": ["batch", 4]},
                    {"name": "state", "dtype": "float32", "shape": ["batch", 5], "source": {"state": "next"}},
                ],
                "outputs": [{"name": "next", "kind": "tensor"}],
            },
        }
    )
    network = subject_of_workload(made).network
    assert (network.total_ops, network.total_weights) == (30 * OPS, 20)


@pytest.mark.parametrize(("kind", "bits"), [(TensorProto.BFLOAT16, 16), (TensorProto.STRING, None)])
def test_types_that_numpy_lacks(kind: int, bits: int | None, tmp_path: Path) -> None:
    """The number of rows that NonZero finds is known from a run alone."""
    nodes = [
        helper.make_node("Cast", ["flags"], ["truth"], to=TensorProto.BOOL),
        helper.make_node("NonZero", ["truth"], ["found"]),
        helper.make_node("Transpose", ["found"], ["rows"]),
        helper.make_node("Shape", ["rows"], ["sizes"]),
        helper.make_node("Identity", ["x"], ["taken"]),
    ]
    inputs = [graphs.tensor("x", [3, 4], kind), graphs.tensor("flags", [3])]
    path = graphs.save(tmp_path / "m.onnx", nodes, inputs, [graphs.tensor("taken", [3, 4], kind)])
    ran = run_once(path, {}, {"flags": 1})
    assert ran.observed.shapes["rows"] == (3, 1)
    assert (ran.observed.shapes["taken"], ran.observed.bits["taken"]) == ((3, 4), bits or 64)


def scanned(path: Path, axis: int = 0) -> Path:
    """state = state @ w + x[step] for 5 steps, of [1, 4]; the products of all steps are stacked."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["product"]),
            helper.make_node("Add", ["product", "element"], ["next"]),
            helper.make_node("Identity", ["product"], ["stacked"]),
        ],
        "body",
        [graphs.tensor("state", [1, 4]), graphs.tensor("element", [1, 4])],
        [graphs.tensor("next", [1, 4]), graphs.tensor("stacked", [1, 4])],
    )
    node = helper.make_node("Scan", ["start", "x"], ["last", "all"], num_scan_inputs=1, body=body)
    if axis:
        node.attribute.append(helper.make_attribute("scan_input_axes", [axis]))
    shape = [5, 1, 4] if axis == 0 else [1, 5, 4]
    return graphs.save(
        path,
        [node],
        [graphs.tensor("start", [1, 4]), graphs.tensor("x", shape)],
        [graphs.tensor("last", [1, 4]), graphs.tensor("all", [5, 1, 4])],
        {"w": np.ones((4, 4), np.float32)},
    )


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_the_body_of_a_scan_is_counted_as_often_as_it_runs(axis: int, tmp_path: Path) -> None:
    found = requirements_of_file(scanned(tmp_path / "m.onnx", axis))
    assert found.ops == 5 * 2 * 4 * 4
    assert found.other_ops == 5 * 4
    assert (found.weights, dict(found.unknown_operators)) == (16, {})


def test_a_scan_of_an_old_opset_has_no_rule_and_no_body(tmp_path: Path) -> None:
    node = onnx.load(scanned(tmp_path / "m.onnx")).graph.node[0]
    assert _body(node, {}) is not None
    node.input.insert(0, "")  # sequence_lens, which opset 9 dropped
    assert _body(node, {}) is None
    assert rule_of(node) is None


def test_sequences_move_data(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["parts"], axis=0, keepdims=0),
        helper.make_node("SequenceAt", ["parts", "second"], ["part"]),
        helper.make_node("SequenceConstruct", ["part", "part"], ["pair"]),
        helper.make_node("ConcatFromSequence", ["pair"], ["joined"], axis=0),
        helper.make_node("MatMul", ["joined", "w"], ["y"]),
    ]
    path = graphs.save(
        tmp_path / "m.onnx",
        nodes,
        [graphs.tensor("x", [3, 2, 4])],
        [graphs.tensor("y", [None, 6])],
        {"second": np.array(1, np.int64), "w": np.ones((4, 6), np.float32)},
    )
    found = requirements_of_file(path)
    assert found.ops * found.batch == 2 * 4 * 4 * 6
    assert (found.other_ops, dict(found.unknown_operators)) == (0, {})
