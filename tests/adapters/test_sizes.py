"""Fixed, open, named and unnamed sizes mean the same to every adapter."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from qutiperf.adapters.base import Array, InputTensor, Model
from qutiperf.adapters.open_inference import Options as NetworkOptions
from qutiperf.adapters.open_inference import _check_metadata
from qutiperf.adapters.registry import adapter_class
from qutiperf.errors import InputError
from qutiperf.models.workload_of import Given, workload_of_file
from qutiperf.run.pairing import pair
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import Workload
from tests import graphs
from tests.harness.test_many import loaded

Size = int | str | None


def onnx_file(folder: Path, first: Size) -> Path:
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"])]
    inputs = [graphs.tensor("a", [first, 3]), graphs.tensor("b", [first, 3])]
    return graphs.save(folder / "m.onnx", nodes, inputs, [graphs.tensor("sum", [first, 3])])


def tflite_file(folder: Path, first: Size) -> Path:
    pytest.importorskip("ai_edge_litert")
    from tests.tflite_graphs import copies

    size = first if isinstance(first, int) else -1
    return copies(folder / "m.tflite", [("a", "float32", (size, 3)), ("b", "float32", (size, 3))])


FILES: dict[str, Callable[[Path, Size], Path]] = {
    "cpu-onnxruntime": onnx_file,
    "cpu-openvino": onnx_file,
    "cpu-litert": tflite_file,
}
SUTS = list(FILES)


@pytest.fixture(params=SUTS)
def sut(request: pytest.FixtureRequest) -> str:
    system = str(request.param)
    pytest.importorskip(adapter_class(load_sut(system)[0].adapter).runtime_module or "numpy")
    return system


def both(array: Array, other: Array, sut: str) -> Array:
    """What the models of these tests answer first."""
    return np.asarray(array) if sut == "cpu-litert" else np.asarray(array + other)  # type: ignore[operator]


def assert_right(made: Workload, sut: str, counts: tuple[int, ...]) -> None:
    with loaded(made, sut) as model:
        samples = model.samples(False)
        samples.load(range(6))
        a, b = model.dataset.load_all(range(6))  # type: ignore[attr-defined]  # of several inputs
        for count in counts:
            model.tune(count)
            [infer] = model.infers()
            outputs = np.array(infer(samples.gather(range(count), samples.scratch(count)))[0])
            assert outputs.tolist() == both(a[:count], b[:count], sut).tolist()


def with_first(made: Workload, size: Size) -> Workload:
    data = made.model_dump(mode="json")
    for each in data["model"]["inputs"]:
        each["shape"] = [size, 3]
    return Workload.model_validate(data)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["batch", "N", "unusual", None, -1])
def test_an_open_first_size_is_the_batch(first: Size, sut: str, tmp_path: Path) -> None:
    made = workload_of_file(FILES[sut](tmp_path, first))
    assert [spec.shape for spec in made.model.inputs] == [["batch", 3]] * 2
    assert (made.model.fixed_batch, made.model.axes) == (None, [0, 0])
    pair(load_sut(sut)[0], made)
    assert_right(made, sut, (1, 4))


@pytest.mark.slow
def test_a_fixed_first_size_is_a_fixed_batch(sut: str, tmp_path: Path) -> None:
    made = workload_of_file(FILES[sut](tmp_path, 4))
    assert [spec.shape for spec in made.model.inputs] == [[4, 3]] * 2
    assert (made.model.fixed_batch, made.model.axes) == (4, [0, 0])
    pair(load_sut(sut)[0], made)
    assert_right(made, sut, (4, 1, 3))
    for other in ("batch", 2):
        with pytest.raises(InputError, match=r"model\.inputs\.0\.shape: .*, but m\.\w+ takes \[4, 3\]"):
            pair(load_sut(sut)[0], with_first(made, other))


def test_a_workload_may_fix_what_a_file_leaves_open(sut: str, tmp_path: Path) -> None:
    made = with_first(workload_of_file(FILES[sut](tmp_path, None)), 2)
    assert made.model.fixed_batch == 2
    pair(load_sut(sut)[0], made)
    assert_right(made, sut, (2, 1))


@pytest.mark.slow
@pytest.mark.parametrize("second", ["channels", None, -1])
def test_another_open_size_is_the_workloads(second: Size, sut: str, tmp_path: Path) -> None:
    if sut == "cpu-litert":
        pytest.importorskip("ai_edge_litert")
        from tests.tflite_graphs import copies

        path = copies(tmp_path / "m.tflite", [("a", "float32", (-1, -1)), ("b", "float32", (-1, 3))])
        pytest.skip("a reshape has one open size") if second != -1 else None
    else:
        nodes = [helper.make_node("Add", ["a", "b"], ["sum"])]
        inputs = [graphs.tensor("a", ["batch", second]), graphs.tensor("b", ["batch", 3])]
        path = graphs.save(tmp_path / "m.onnx", nodes, inputs, [graphs.tensor("sum", ["batch", 3])])
    made = workload_of_file(path, Given(shapes=["a=batch,3"]))
    pair(load_sut(sut)[0], made)
    if sut != "cpu-litert":
        assert_right(made, sut, (1, 4))


@pytest.mark.parametrize("first", [-1, 4])
def test_a_server_means_the_same(first: int) -> None:
    tensors = [{"name": name, "datatype": "FP32", "shape": [first, 3]} for name in ("a", "b")]
    metadata = {"inputs": tensors, "outputs": [{"name": "sum", "datatype": "FP32", "shape": [first, 3]}]}
    b = InputTensor("b", "float32", (3,))
    model = Model("", "a", "float32", (3,), "sum", None if first < 0 else first, more_inputs=(b,), many=True)
    _check_metadata(metadata, model, NetworkOptions())
    fixed = Model("", "a", "float32", (3,), "sum", 2, more_inputs=(b,), many=True)
    if first < 0:
        _check_metadata(metadata, fixed, NetworkOptions())
        return
    for other in (fixed, Model("", "a", "float32", (3,), "sum", more_inputs=(b,), many=True)):
        with pytest.raises(InputError, match=r"its input is \[4, 3\], not \["):
            _check_metadata(metadata, other, NetworkOptions())
