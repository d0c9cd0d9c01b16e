"""Workloads from a model file and what was given for it: everything that is open is told at once."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from qutiperf.errors import InputError
from qutiperf.models.workload_of import Given, workload_of_file
from qutiperf.spec.source import ConstantSource, RandomSource
from tests import graphs


def identity(path: Path, shape: graphs.Sizes | None, kind: int = graphs.FLOAT) -> Path:
    node = helper.make_node("Identity", ["x"], ["y"])
    return graphs.save(path, [node], [graphs.tensor("x", shape, kind)], [graphs.tensor("y", None, kind)])


def voice(path: Path) -> Path:
    """As recurrent models are exported: unnamed sizes, a state, and the rate as a number."""
    nodes = [
        helper.make_node("Identity", ["state"], ["stateN"]),
        helper.make_node("Identity", ["input"], ["y"]),
    ]
    inputs = [
        graphs.tensor("input", [None, None]),
        graphs.tensor("state", [2, None, 128]),
        graphs.tensor("sr", [], graphs.INT64),
    ]
    return graphs.save(path, nodes, inputs, [graphs.tensor("y", None), graphs.tensor("stateN", None)])


def error(path: Path, given: Given) -> str:
    with pytest.raises(InputError) as caught:
        workload_of_file(path, given)
    return str(caught.value)


def test_all_open_sizes_are_listed_at_once_and_the_example_works(tmp_path: Path) -> None:
    path = voice(tmp_path / "m.onnx")
    line = error(path, Given())
    examples = "--shape input=batch,16 --shape state=2,batch,128"
    problems = "input 'input' leaves sizes open: ?,?; input 'state' leaves sizes open: 2,?,128"
    assert line == f"{path}: {problems}; give them, for instance {examples}"
    shapes = [word for word in examples.split() if word != "--shape"]
    made = workload_of_file(path, Given(shapes, constants=["sr=16000"]))
    assert [spec.shape for spec in made.model.inputs] == [["batch", 16], [2, "batch", 128], []]
    assert made.model.axes == [0, 1, None]
    assert made.model.inputs[2].source == ConstantSource(constant=16000)
    assert [output.name for output in made.model.outputs] == ["y", "stateN"]
    assert made.model.fixed_batch is None


def test_every_option_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = graphs.tokens(tmp_path / "m.onnx")
    given = Given(
        shapes=["ids=4", "mas=1,2"],
        dims=["sq=4", "batch=0"],
        constants=["size=many", "sze=3", "size=nan"],
    )
    line = error(path, given)
    for problem in (
        "--shape ids=4: the file has batch,seq",
        "--shape: no input 'mas'; did you mean 'mask'?",
        "--dim sq=4: no such dimension; did you mean 'seq'?",
        "--dim batch=0: is not a size of at least 1",
        "--constant size=many: is not a finite number",
        "--constant sze=3: no such input; did you mean 'size'?",
        "--constant size=nan: is not a finite number",
        "input 'mask' leaves sizes open: batch,seq",
        "--shape ids=batch,16 --shape mask=batch,16",
    ):
        assert problem in line, problem
    assert "\n" not in line


def test_named_sizes_and_vocabularies(tmp_path: Path) -> None:
    made = workload_of_file(graphs.tokens(tmp_path / "m.onnx"), Given(dims=["seq=9"]))
    ids, mask, size = made.model.inputs
    assert (ids.shape, ids.source) == (["batch", 9], RandomSource(random=[0, 6]))
    assert (mask.shape, mask.dtype, mask.source) == (["batch", 9], "bool", "random")
    assert (size.shape, size.source) == (["batch"], "random")
    assert (
        workload_of_file(
            graphs.tokens(tmp_path / "m.onnx"), Given(dims=["seq=9", "batch=4"])
        ).model.fixed_batch
        == 4
    )


def test_data_are_samples_of_every_input_without_a_constant(tmp_path: Path) -> None:
    path, data = graphs.sum_and_product(tmp_path / "m.onnx"), tmp_path / "d.npz"
    np.savez(data, a=np.zeros((2, 3), np.float32))
    made = workload_of_file(path, Given(constants=["b=0.5"], data=data))
    assert (made.dataset.name, made.dataset.file) == ("npz", str(data))
    assert [spec.source for spec in made.model.inputs] == [None, ConstantSource(constant=0.5)]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TensorProto.COMPLEX64, "complex64"),
        (TensorProto.UINT4, "uint4"),
        (TensorProto.FLOAT8E5M2, "float8_e5m2"),
    ],
)
def test_types_without_samples_are_refused(kind: int, name: str, tmp_path: Path) -> None:
    path = identity(tmp_path / "m.onnx", ["batch", 3], kind)
    assert error(path, Given()).startswith(f"{path}: input 'x' is {name}; only float32, float16, ")


def test_a_sequence_is_refused(tmp_path: Path) -> None:
    value = helper.make_tensor_sequence_value_info("x", graphs.FLOAT, None)
    node = helper.make_node("SequenceLength", ["x"], ["y"])
    path = graphs.save(tmp_path / "m.onnx", [node], [value], [graphs.tensor("y", [], graphs.INT64)])
    assert "input 'x' is a sequence, map or optional; only float32" in error(path, Given())


def test_an_input_without_a_rank_needs_its_shape(tmp_path: Path) -> None:
    path = identity(tmp_path / "m.onnx", None)
    line = error(path, Given())
    assert line == f"{path}: input 'x' has no shape in the file; give them, for instance --shape x=batch,16"
    assert workload_of_file(path, Given(["x=batch,16"])).model.input.shape == ["batch", 16]


def test_a_list_of_samples_is_no_batch(tmp_path: Path) -> None:
    made = workload_of_file(identity(tmp_path / "m.onnx", ["samples"]), Given(dims=["samples=16000"]))
    assert (made.model.input.shape, made.model.input.axis, made.model.fixed_batch) == ([16000], None, 1)
    assert workload_of_file(identity(tmp_path / "m.onnx", ["n"])).model.input.shape == ["batch"]


def test_a_number_is_one_unless_given(tmp_path: Path) -> None:
    path = identity(tmp_path / "m.onnx", [], graphs.INT64)
    assert workload_of_file(path).model.input.source == ConstantSource(constant=1)
    made = workload_of_file(path, Given(constants=["x=8"])).model
    assert (made.input.source, made.fixed_batch) == (ConstantSource(constant=8), 1)
