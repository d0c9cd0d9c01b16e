"""Models with several tensors: what ONNX Runtime is given, step by step, against numpy."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
from onnx import helper

from qutiperf.datasets import open_samples
from qutiperf.datasets.inputs import ManyInputs
from qutiperf.datasets.tasks import task_for
from qutiperf.errors import InputError, RunError
from qutiperf.harness.load import load_instances, model_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.run.pairing import pair
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import Workload
from tests import graphs

Numbers = npt.NDArray[np.float32]
Input = dict[str, object]


def workload(path: Path, inputs: list[Input], outputs: Sequence[str], **model: object) -> Workload:
    return Workload.model_validate(
        {
            "name": "w",
            "task": "none",
            "dataset": {"name": "synthetic", "count": 6},
            "model": {
                "file": str(path),
                "inputs": inputs,
                "outputs": [{"name": name, "kind": "tensor"} for name in outputs],
                **model,
            },
        }
    )


@contextmanager
def loaded(made: Workload, sut: str | Path = "cpu-onnxruntime") -> Iterator[LoadedModel]:
    system, _ = load_sut(str(sut))
    adapters = load_instances(system, made, system.options, 1, Path())
    spec = made.model
    model = LoadedModel(
        adapters, open_samples(made), task_for(made), spec.fixed_batch, None, spec, model_for(made, Path())
    )
    model.tune(1)
    yield model
    model.close()


def answer(model: LoadedModel, *indices: int) -> Numbers:
    samples = model.samples(False)
    [infer] = model.infers()
    return np.asarray(infer(samples.gather(list(indices), samples.scratch(len(indices))))[0], np.float32)


def load_all(model: LoadedModel) -> list[Numbers]:
    """Every sample, prepared; an array for each input."""
    assert isinstance(model.dataset, ManyInputs)
    model.samples(False).load(range(model.dataset.count))
    return [cast("Numbers", array) for array in model.dataset.load_all(range(model.dataset.count))]


A: Input = {"name": "a", "dtype": "float32", "shape": ["batch", 3], "source": "random"}
B: Input = {**A, "name": "b"}
STATE: Input = {"name": "state", "dtype": "float32", "shape": [1, "batch", 2], "source": {"state": "next"}}
X: Input = {"name": "x", "dtype": "float32", "shape": ["batch", 2], "source": "random"}


@pytest.mark.parametrize("first", ["sum", "product"])
def test_two_inputs_and_the_output_that_is_listed_first(first: str, tmp_path: Path) -> None:
    path = graphs.sum_and_product(tmp_path / "m.onnx")
    other = {"sum": "product", "product": "sum"}[first]
    with loaded(workload(path, [A, B], [first, other])) as model:
        a, b = load_all(model)
        expected = a + b if first == "sum" else a * b
        assert answer(model, 4).tolist() == expected[4:5].tolist()
        assert answer(model, 5, 0, 5).tolist() == expected[[5, 0, 5]].tolist()
        assert (a.shape, b.shape) == ((6, 3), (6, 3))
        assert a.tolist() != b.tolist()


def test_inputs_are_found_by_their_name(tmp_path: Path) -> None:
    path = graphs.sum_and_product(tmp_path / "m.onnx")
    three = {**B, "source": {"constant": 3}}
    with loaded(workload(path, [three, A], ["product"])) as model:
        _, a = load_all(model)
        assert answer(model, 1, 2).tolist() == (3 * a[1:3]).tolist()


def test_a_fixed_batch_is_filled_with_the_last_sample(tmp_path: Path) -> None:
    path = graphs.sum_and_product(tmp_path / "m.onnx", batch=4)
    made = workload(path, [{**A, "shape": [4, 3]}, {**B, "shape": [4, 3]}], ["sum", "product"])
    assert made.model.axes == [0, 0]
    with loaded(made) as model:
        a, b = load_all(model)
        expected = a + b
        for indices in ([3], [2, 0, 1], [5, 4, 3, 2]):
            assert answer(model, *indices).tolist() == expected[indices].tolist()


def test_a_batch_on_the_second_axis_beside_a_number(tmp_path: Path) -> None:
    path = graphs.time_major(tmp_path / "m.onnx")
    x: Input = {"name": "x", "dtype": "float32", "shape": [4, "batch", 2], "source": "random"}
    gain: Input = {"name": "gain", "dtype": "int64", "shape": [], "source": {"constant": 16000}}
    with loaded(workload(path, [x, gain], ["y"])) as model:
        values, number = load_all(model)
        assert (values.shape, number.shape, number.dtype.name) == ((6, 4, 2), (), "int64")
        expected = 16000 * values.astype(np.float64).sum(axis=(1, 2))
        np.testing.assert_allclose(answer(model, 2), expected[2:3], rtol=1e-6)
        np.testing.assert_allclose(answer(model, 1, 4, 0), expected[[1, 4, 0]], rtol=1e-6)


def test_a_model_without_a_batch_takes_one_sample(tmp_path: Path) -> None:
    path = graphs.no_batch(tmp_path / "m.onnx")
    a: Input = {"name": "a", "dtype": "float32", "shape": [2, 3], "batch_axis": "none", "source": "random"}
    b: Input = {"name": "b", "dtype": "float32", "shape": [3], "batch_axis": "none", "source": "random"}
    made = workload(path, [a, b], ["y"])
    assert (made.model.fixed_batch, made.model.axes) == (1, [None, None])
    with loaded(made) as model:
        left, right = load_all(model)
        for index in (0, 5):
            np.testing.assert_allclose(answer(model, index), left[index] @ right[index], rtol=1e-6)


def test_a_state_goes_from_step_to_step_and_starts_from_zeros(tmp_path: Path) -> None:
    path = graphs.decaying(tmp_path / "m.onnx")
    with loaded(workload(path, [X, STATE], ["out", "next"], steps=5)) as model:
        x, _ = load_all(model)
        assert x.shape == (6, 5, 2)
        expected = np.zeros((6, 2), np.float32)
        for step in range(5):
            expected = np.asarray(expected / 2 + x[:, step], np.float32)
        for indices in ([0], [3, 1], [0]):  # the last one again: nothing is left of the others
            np.testing.assert_allclose(answer(model, *indices), expected[indices], rtol=1e-6)


def test_sequences_fill_up_a_fixed_batch(tmp_path: Path) -> None:
    path = graphs.decaying(tmp_path / "m.onnx", batch=3)
    x, state = {**X, "shape": [3, 2]}, {**STATE, "shape": [1, 3, 2], "batch_axis": 1}
    with loaded(workload(path, [x, state], ["out", "next"], steps=2)) as model:
        values, _ = load_all(model)
        expected = values[:, 0] / 2 + values[:, 1]
        for indices in ([4, 1, 0], [3, 1], [5]):
            np.testing.assert_allclose(answer(model, *indices), expected[indices], rtol=1e-6)


def test_the_steps_of_a_sample_are_one_query(tmp_path: Path, sut_file: Callable[..., Path]) -> None:
    path = graphs.decaying(tmp_path / "m.onnx")
    with loaded(
        workload(path, [X], ["out"], steps=7), sut_file("simulated", extra="options: {latency_us: 50}\n")
    ) as model:
        load_all(model)
        samples = model.samples(False)
        [infer] = model.infers()
        _, compute_ns = infer(samples.gather([2], samples.scratch(1)))
        assert compute_ns == 7 * 50_000


def test_a_state_of_another_shape_is_an_error(tmp_path: Path) -> None:
    path = graphs.decaying(tmp_path / "m.onnx")
    wrong = {**STATE, "source": {"state": "out"}}
    with loaded(workload(path, [X, wrong], ["out", "next"], steps=2)) as model:
        load_all(model)
        with pytest.raises(RunError, match=r"state 'state' became \[1, 2\], not \[1, 1, 2\]"):
            answer(model, 0)


def ids(source: object) -> list[Input]:
    return [
        {"name": "ids", "dtype": "int64", "shape": ["batch", 5], "source": source},
        {"name": "mask", "dtype": "bool", "shape": ["batch", 5], "source": {"mask": "ids"}},
        {"name": "size", "dtype": "int64", "shape": ["batch"], "source": {"length": "ids"}},
    ]


def test_tokens_masks_and_lengths(tmp_path: Path) -> None:
    path = graphs.tokens(tmp_path / "m.onnx")
    with loaded(workload(path, ids({"random": [1, 6]}), ["y", "sizes"])) as model:
        found, mask, size = load_all(model)
        assert set(np.unique(found)) == {1, 2, 3, 4, 5, 6}
        assert (mask.tolist(), mask.dtype.name, size.tolist()) == ([True] * 5, "bool", 5)
        table = np.arange(14, dtype=np.float32).reshape(7, 2)
        assert answer(model, 3, 0).tolist() == table[found[[3, 0]].astype(int)].tolist()
    with loaded(workload(path, ids({"random": [1, 6]}), ["sizes", "y"])) as model:
        load_all(model)
        assert answer(model, 3, 0).tolist() == [5, 5]


def test_random_samples_are_the_same_in_any_order(tmp_path: Path) -> None:
    path = graphs.tokens(tmp_path / "m.onnx")
    first = open_samples(workload(path, ids("random"), ["y"]))
    second = open_samples(workload(path, ids("random"), ["y"]))
    assert first.load([4, 1]).tolist() == second.load([1, 4])[::-1].tolist()
    assert set(np.unique(first.load(range(6)))) == {0, 1}  # integers may be indices
    assert first.describe() == second.describe()
    other = open_samples(workload(path, ids({"random": [0, 1]}), ["y"]))
    assert other.describe()["sha256"] != first.describe()["sha256"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"state": "nxt"}, "input 'b': no output 'nxt' is listed"),
        ({"mask": "c"}, "input 'b': no other input 'c' is listed"),
    ],
)
def test_sources_that_name_nothing(source: dict[str, str], problem: str, tmp_path: Path) -> None:
    made = workload(tmp_path / "m.onnx", [A, {**B, "source": source}], ["sum"])
    with pytest.raises(InputError, match=problem):
        pair(load_sut("cpu-onnxruntime")[0], made)


@pytest.mark.parametrize(
    ("sut", "runtime"), [("cpu-openvino", "openvino"), ("cpu-onnxruntime", "onnxruntime")]
)
def test_runtimes_take_the_same_tensors(sut: str, runtime: str, tmp_path: Path) -> None:
    pytest.importorskip(runtime)
    path = graphs.decaying(tmp_path / "m.onnx")
    with loaded(workload(path, [X, STATE], ["out", "next"], steps=2), sut) as model:
        x, _ = load_all(model)
        expected = x[:, 0] / 2 + x[:, 1]
        np.testing.assert_allclose(answer(model, 1), expected[1:2], rtol=1e-6)
        np.testing.assert_allclose(answer(model, 5, 2), expected[[5, 2]], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dtype": "complex64"}, "w: model.inputs: 'b' complex64: no samples of this type can be made"),
        ({"dtype": "object"}, "w: model.inputs: 'b' object: no samples of this type can be made"),
        ({"source": {"constant": 300}, "dtype": "uint8"}, "model input 'b': 300 is not a uint8"),
        ({"source": {"constant": 1e39}}, r"model input 'b': 1e\+39 is not a float32"),
        ({"source": {"constant": 0.5}, "dtype": "int64"}, "model input 'b': 0.5 is not a int64"),
        ({"source": {"constant": 2}, "dtype": "bool"}, "model input 'b': 2 is not a bool"),
        ({"source": {"random": [0, 256]}, "dtype": "uint8"}, "random from 0 to 256 is not within uint8"),
        ({"source": "data"}, None),
    ],
)
def test_sources_that_cannot_be_made(change: Input, problem: str | None, tmp_path: Path) -> None:
    made = workload(tmp_path / "m.onnx", [A, {**B, **change}], ["sum"])
    if problem is None:
        assert open_samples(made).count == 6
        return
    with pytest.raises(InputError, match=problem):
        open_samples(made)


def test_a_constant_may_be_a_fraction(tmp_path: Path) -> None:
    made = workload(tmp_path / "m.onnx", [A, {**B, "source": {"constant": 0.1}}], ["sum"])
    data = open_samples(made)
    assert isinstance(data, ManyInputs)
    assert data.load_all([0])[1].tolist() == np.full(3, 0.1, np.float32).tolist()


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ([A, A], "inputs: 'a' is listed twice"),
        ([A, {**B, "source": {"random": [2, 1]}}], "random: the first value is above the last"),
        ([A, {**B, "shape": ["batch", "seq"]}], "only the batch may have a name"),
        ([A, {**B, "batch_axis": 2}], "batch_axis: 2, but the shape has 2 dimensions"),
    ],
)
def test_inputs_that_contradict_themselves(inputs: list[Input], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=problem):
        workload(tmp_path / "m.onnx", inputs, ["sum"])


@pytest.mark.parametrize(
    ("sut", "runtime"), [("cpu-openvino", "openvino"), ("cpu-onnxruntime", "onnxruntime")]
)
def test_a_state_that_is_mixed_does_not_overwrite_itself(sut: str, runtime: str, tmp_path: Path) -> None:
    """A runtime may answer in memory of its own, which the next step reads and writes."""
    pytest.importorskip(runtime)
    size = 4096
    nodes = [
        helper.make_node("Gather", ["state", "order"], ["turned"], axis=1),
        helper.make_node("Add", ["turned", "x"], ["next"]),
    ]
    shape: graphs.Sizes = ["batch", size]
    path = graphs.save(
        tmp_path / "m.onnx",
        nodes,
        [graphs.tensor("x", shape), graphs.tensor("state", shape)],
        [graphs.tensor("next", shape)],
        {"order": np.arange(size)[::-1].copy()},
    )
    x: Input = {**X, "shape": ["batch", size]}
    state: Input = {**x, "name": "state", "source": {"state": "next"}}
    with loaded(workload(path, [x, state], ["next"], steps=4), sut) as model:
        samples, _ = load_all(model)
        expected = np.zeros((2, size), np.float32)
        for step in range(4):
            expected = np.asarray(expected[:, ::-1] + samples[[3, 0], step], np.float32)
        np.testing.assert_allclose(answer(model, 3, 0), expected, rtol=1e-6)
        np.testing.assert_allclose(answer(model, 3), expected[:1], rtol=1e-6)


def test_openvino_takes_numbers_and_batches_on_other_axes(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = graphs.time_major(tmp_path / "m.onnx")
    x: Input = {"name": "x", "dtype": "float32", "shape": [4, "batch", 2], "source": "random"}
    gain: Input = {"name": "gain", "dtype": "int64", "shape": [], "source": {"constant": 3}}
    with loaded(workload(path, [x, gain], ["y"]), "cpu-openvino") as model:
        values, _ = load_all(model)
        expected = 3 * values.astype(np.float64).sum(axis=(1, 2))
        np.testing.assert_allclose(answer(model, 2), expected[2:3], rtol=1e-6)
        np.testing.assert_allclose(answer(model, 4, 1), expected[[4, 1]], rtol=1e-6)
