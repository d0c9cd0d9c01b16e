"""ONNX Runtime's providers other than the CPU: what is checked, and tensors in a device's memory."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, save

from qutiperf.adapters.base import InputTensor, Model
from qutiperf.adapters.onnxruntime import OnnxRuntime, Options, _check_placement, _first_line
from qutiperf.adapters.onnxruntime_device import DeviceTensors, placement
from qutiperf.adapters.registry import make_options
from qutiperf.errors import InputError, SetupError
from qutiperf.spec import catalog
from qutiperf.spec.sut import load_sut
from tests import graphs

PATH = str(catalog.root() / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx")
DIGITS = Model(PATH, "image", "float32", (1, 8, 8), "scores")
IMAGES = np.random.default_rng(1).random((8, 1, 8, 8), np.float32)
CUDA = "CUDAExecutionProvider"


def test_bound_tensors_give_the_same_answers() -> None:
    session = onnxruntime.InferenceSession(PATH, providers=["CPUExecutionProvider"])
    bound = DeviceTensors(session, DIGITS, "cpu", 0)
    for count in (8, 3, 8):
        outputs, compute_ns = bound.infer(IMAGES[:count])
        expected = session.run(["scores"], {"image": IMAGES[:count]})[0]
        assert outputs.tolist() == expected.tolist()  # type: ignore[union-attr]  # a tensor
        assert compute_ns > 0


def test_nodes_are_counted_by_provider(tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in ("x", "y")]
    nodes = [helper.make_node("Erf", ["x"], ["between"]), helper.make_node("Erf", ["between"], ["y"])]
    graph = helper.make_graph(nodes, "g", [values[0]], [values[1]])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    settings = onnxruntime.SessionOptions()
    settings.enable_profiling, settings.profile_file_prefix = True, str(tmp_path / "profile")
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    found = placement(session, Model(str(path), "x", "float32", (3,), "y"))
    assert found == {"CPUExecutionProvider": 2}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("allowed", [False, True])
def test_a_provider_that_runs_nothing_is_refused(allowed: bool) -> None:
    """Azure's takes no ordinary node and is in the wheels of onnxruntime for the CPU."""
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no AzureExecutionProvider")
    options = Options(provider="AzureExecutionProvider", allow_cpu_fallback=allowed)
    with pytest.raises(SetupError, match=r"AzureExecutionProvider runs no node of it, but \d+ by CPUExec"):
        OnnxRuntime().load(DIGITS, options)


def test_nodes_left_to_the_cpu_need_leave() -> None:
    nodes = {CUDA: 5, "CPUExecutionProvider": 2}
    _check_placement(nodes, DIGITS, Options(provider=CUDA, allow_cpu_fallback=True))
    _check_placement({CUDA: 5}, DIGITS, Options(provider=CUDA))
    message = f"{CUDA} does not run all of it: 2 by CPUExecutionProvider; allow_cpu_fallback: true"
    with pytest.raises(SetupError, match=message):
        _check_placement(nodes, DIGITS, Options(provider=CUDA))
    with pytest.raises(SetupError, match=f"{CUDA} runs no node of it, but nothing"):
        _check_placement({}, DIGITS, Options(provider=CUDA))


def broken(path: Path, operator: str, domain: str, opset: int) -> Model:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in ("x", "y")]
    node = helper.make_node(operator, ["x"], ["y"], domain=domain)
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    graph = helper.make_graph([node], "g", [values[0]], [values[1]])
    save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return Model(str(path), "x", "float32", (3,), "y")


def test_what_onnxruntime_does_not_know_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(InputError, match=r"NoSuch\(-1\) is not a registered function/op$"):
        OnnxRuntime().load(broken(path, "NoSuch", "my", 17), Options())
    with pytest.raises(InputError, match=r"m\.onnx failed:ONNX Runtime only \*guarantees\* support"):
        OnnxRuntime().load(broken(path, "Relu", "", 99), Options())


def test_places_in_the_source_are_left_out() -> None:
    text = "/a/b.cc:12 std::shared_ptr<X> f(const A&, const B<C>&) Invalid OpenVINO EP option: nope\nmore"
    assert _first_line(RuntimeError(text)) == "Invalid OpenVINO EP option: nope"
    assert _first_line(RuntimeError("")) == "RuntimeError"


def test_the_cuda_file_is_complete() -> None:
    system, _ = load_sut("cuda-onnxruntime")
    options = make_options(OnnxRuntime, dict(system.options), "sut")  # type: ignore[arg-type]  # its own
    assert options == Options(provider=CUDA)
    assert system.verified_on_hardware is None


@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason=f"onnxruntime has no {CUDA}")
def test_a_gpu_answers_as_the_cpu() -> None:
    device, host = OnnxRuntime(), OnnxRuntime()
    device.load(DIGITS, Options(provider=CUDA))
    host.load(DIGITS, Options())
    outputs, compute_ns = device.infer(IMAGES)
    assert np.allclose(np.asarray(outputs), np.asarray(host.infer(IMAGES)[0]), atol=1e-3)
    assert compute_ns is not None
    assert device.describe()["nodes"].endswith(CUDA)


def test_several_bound_tensors_give_the_same_answers(tmp_path: Path) -> None:
    path = graphs.time_major(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    gain = InputTensor("gain", "int64", (), None)
    model = Model(str(path), "x", "float32", (4, 2), "y", batch_axis=1, more_inputs=(gain,), many=True)
    bound, x = DeviceTensors(session, model, "cpu", 0), np.random.default_rng(2).random((4, 3, 2), np.float32)
    for count, factor in ((3, 2), (1, 5), (3, 7)):
        given = {"x": np.ascontiguousarray(x[:, :count]), "gain": np.array(factor)}
        (y,), compute_ns = bound.infer_many((x[:, :count], given["gain"]))
        assert y.tolist() == session.run(["y"], given)[0].tolist()  # type: ignore[union-attr]  # a tensor
        assert compute_ns > 0


def test_several_outputs_come_from_the_memory_of_a_device(tmp_path: Path) -> None:
    path = graphs.decaying(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state = InputTensor("state", "float32", (1, 2), 1)
    model = Model(
        *(str(path), "x", "float32", (2,), "out"), more_inputs=(state,), more_outputs=("next",), many=True
    )
    (out, following), _ = DeviceTensors(session, model, "cpu", 0).infer_many(
        (np.ones((3, 2), np.float32), np.full((1, 3, 2), 4, np.float32))
    )
    assert (out.tolist(), following.tolist()) == ([[3.0, 3.0]] * 3, [[[3.0, 3.0]] * 3])


@pytest.mark.parametrize("kind", [TensorProto.BFLOAT16, TensorProto.STRING])
def test_types_that_are_not_put_into_the_memory_of_a_device(kind: int, tmp_path: Path) -> None:
    path = graphs.copies(tmp_path / "m.onnx", {"x": kind})
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    dtype = "bfloat16" if kind == TensorProto.BFLOAT16 else "string"
    with pytest.raises(InputError, match="x, x_copy: bfloat16 and text are not put into cuda memory"):
        DeviceTensors(session, Model(str(path), "x", dtype, (2,), "x_copy"), "cuda", 0)


def test_nodes_of_several_inputs_are_counted(tmp_path: Path) -> None:
    path = graphs.sum_and_product(tmp_path / "m.onnx")
    settings = onnxruntime.SessionOptions()
    settings.enable_profiling, settings.profile_file_prefix = True, str(tmp_path / "profile")
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    b = InputTensor("b", "float32", (3,))
    model = Model(
        str(path), "a", "float32", (3,), "sum", more_inputs=(b,), more_outputs=("product",), many=True
    )
    assert placement(session, model) == {"CPUExecutionProvider": 2}
