"""ONNX Runtime's providers other than the CPU: what is checked, and tensors in a device's memory."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, save

from qutiperf.adapters.base import Model
from qutiperf.adapters.onnxruntime import OnnxRuntime, Options, _check_placement, _first_line
from qutiperf.adapters.onnxruntime_device import DeviceTensors, placement
from qutiperf.adapters.registry import make_options
from qutiperf.errors import InputError, SetupError
from qutiperf.spec import catalog
from qutiperf.spec.sut import load_sut

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
