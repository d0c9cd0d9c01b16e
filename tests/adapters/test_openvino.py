"""What the OpenVINO adapter refuses, and that it runs what was asked."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.adapters.base import Model
from qutiperf.adapters.openvino import OpenVino
from qutiperf.adapters.openvino_checks import check_taken, needed_properties, reason
from qutiperf.adapters.openvino_options import Options, pairs
from qutiperf.adapters.registry import make_options
from qutiperf.errors import InputError, SetupError
from qutiperf.spec import catalog
from qutiperf.spec.sut import load_sut

openvino = pytest.importorskip("openvino")

MODELS = catalog.root() / "scenarios/workloads/models"
DIGITS = Model(str(MODELS / "digits-mlp-12.5-fp32.onnx"), "image", "float32", (1, 8, 8), "scores")
IMAGES = np.random.default_rng(1).random((400, 1, 8, 8), np.float32)


def loaded(model: Model = DIGITS, batch: int = 1, **options: object) -> OpenVino:
    adapter = OpenVino()
    adapter.load(model, Options(**options))  # type: ignore[arg-type]  # as the test says
    adapter.tune(batch)
    return adapter


def changed(**parts: object) -> Model:
    return Model(**{**vars(DIGITS), **parts})


def small_model(path: Path, operator: str = "Relu", domain: str = "", batch: int | str = "n") -> Model:
    sizes = [batch, 3]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], domain=domain)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, sizes)],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return Model(str(path), "x", "float32", (3,), "y")


def test_smaller_batches_and_large_ones_are_answered_alike() -> None:
    whole = loaded(batch=400)
    expected = np.array(whole.infer(IMAGES)[0])
    for adapter in (whole, loaded(batch=8)):
        for count in (8, 3, 1):
            outputs, compute_ns = adapter.infer(IMAGES[:count])
            assert np.allclose(outputs, expected[:count], atol=1e-5)
            assert compute_ns is not None
            assert compute_ns > 0


def test_a_device_without_dynamic_shapes_gets_filled_batches(tmp_path: Path) -> None:
    adapter = loaded(small_model(tmp_path / "relu.onnx"), batch=4)
    adapter._dynamic = None
    rows = np.array([[-1, 2, 3], [4, -5, 6]], np.float32)
    outputs, _ = adapter.infer(rows)
    assert outputs.tolist() == [[0, 2, 3], [4, 0, 6]]


def test_a_read_only_batch_is_answered() -> None:
    adapter, images = loaded(batch=400), IMAGES.copy()
    images.flags.writeable = False
    assert adapter.infer(images)[0].shape == (400, 10)


def test_it_says_what_is_in_use() -> None:
    told = loaded(threads=1, num_streams=1).describe()
    assert (told["device"], told["execution_devices"]) == ("CPU", "CPU")
    assert (told["inference_precision_hint"], told["inference_num_threads"], told["num_streams"]) == (
        "F32",
        "1",
        "1",
    )
    assert told["enable_cpu_pinning"] == "NO"
    assert told["smaller_batches"] == "dynamic"


def test_properties_overrule_what_is_sent_by_default() -> None:
    assert loaded(properties="ENABLE_CPU_PINNING=YES").describe()["enable_cpu_pinning"] == "YES"


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_a_precision_is_taken_or_refused(precision: str) -> None:
    offered = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    name = {"bf16": "BF16", "f16": "FP16"}[precision]
    if name in offered:
        told = loaded(inference_precision=precision).describe()
        assert told["inference_precision_hint"] == precision.upper()
        return
    message = f"openvino was asked for INFERENCE_PRECISION_HINT={precision} and took "
    with pytest.raises(SetupError, match=message):
        loaded(inference_precision=precision)


def test_more_threads_than_the_plugin_gives_are_refused() -> None:
    with pytest.raises(SetupError, match="openvino was asked for INFERENCE_NUM_THREADS=99999 and took "):
        loaded(threads=99999)


def test_another_value_than_asked_is_refused() -> None:
    compiled = openvino.Core().compile_model(DIGITS.path, "CPU", {"NUM_STREAMS": "1"})
    with pytest.raises(SetupError, match="asked for NUM_STREAMS=2 and took 1; ask for 1"):
        check_taken(compiled, {"NUM_STREAMS": "2"})


class Bare:
    """A device's plugin without a single property, as MYRIAD's lacks those of the CPU's."""

    def get_property(self, device: str, name: str) -> list[str]:
        assert (device, name) == ("MYRIAD", "SUPPORTED_PROPERTIES")
        return []


def test_what_a_device_does_not_have_cannot_be_asked() -> None:
    with pytest.raises(
        SetupError, match="inference_precision: device MYRIAD has no INFERENCE_PRECISION_HINT"
    ):
        needed_properties(Bare(), Options(device="MYRIAD", performance_hint="none"))
    with pytest.raises(SetupError, match="threads: device MYRIAD has no INFERENCE_NUM_THREADS; write th"):
        needed_properties(Bare(), Options(device="MYRIAD", threads=2))
    options = Options(device="MYRIAD", inference_precision="default", performance_hint="none")
    assert needed_properties(Bare(), options) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "MYRIAD"}, "openvino has no device MYRIAD; it has: CPU"),
        ({"device": "CPU.7"}, "openvino cannot compile it for CPU.7: "),
        ({"properties": "NO_SUCH=1"}, "Unsupported property NO_SUCH by CPU plugin"),
        ({"properties": "PERFORMANCE_HINT=MOST"}, "Wrong value MOST"),
    ],
)
def test_what_the_machine_lacks(options: dict[str, object], message: str) -> None:
    with pytest.raises(SetupError, match=message) as caught:
        loaded(**options)  # type: ignore[arg-type]  # options only
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "sut: options: threads and num_streams must be at least 1"),
        ({"device": "AUTO:GPU,CPU"}, "device AUTO:GPU,CPU selects devices by itself; name one"),
        ({"device": "MULTI:CPU"}, "name one device"),
        ({"properties": "a"}, "properties 'a' is not KEY=VALUE;KEY=VALUE"),
        ({"inference_precision": "i8"}, "sut: options.inference_precision: Input should be 'default'"),
        ({"thread": 1}, "sut: options.thread: unknown option; did you mean 'threads'?"),
    ],
)
def test_wrong_options_are_refused_before_any_run(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make_options(OpenVino, options, "sut")  # type: ignore[arg-type]  # its options are its own


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": ""}, "no model file"),
        ({"path": "/no/such.onnx"}, "openvino cannot read it: .*such.onnx"),
        ({"input_name": "x"}, r"its inputs are \['image'\], not \['x'\]"),
        ({"output_name": "x"}, r"it has no output 'x', but \['scores'\]"),
        ({"input_dtype": "uint8"}, "its input is f32, not uint8"),
        ({"input_shape": (3, 8, 8)}, r"its input is \['\?', 1, 8, 8\], not \['\?', 3, 8, 8\]"),
        ({"input_shape": (8, 8)}, r"its input is \['\?', 1, 8, 8\], not \['\?', 8, 8\]"),
    ],
)
def test_another_model_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        loaded(changed(**change))


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(Path(DIGITS.path).read_bytes()[:2000])
    with pytest.raises(InputError, match=r"cut.onnx: openvino cannot read it: Model can't be parsed$"):
        loaded(changed(path=str(path)))


def test_an_operator_that_it_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No conversion rule found for operations: my\.NoSuch"):
        loaded(small_model(tmp_path / "unknown.onnx", "NoSuch", "my"))


def test_a_file_that_fixes_its_batch_is_not_reshaped(tmp_path: Path) -> None:
    model = small_model(tmp_path / "four.onnx", batch=4)
    with pytest.raises(InputError, match=re.escape("its input is [4, 3], not ['?', 3]")):
        loaded(model, batch=4)
    told = loaded(Model(**{**vars(model), "fixed_batch": 4}), batch=4).describe()
    assert "smaller_batches" not in told


def test_its_own_format_is_loaded(tmp_path: Path) -> None:
    openvino.save_model(openvino.Core().read_model(DIGITS.path), tmp_path / "m.xml", compress_to_fp16=False)
    mine = loaded(changed(path=str(tmp_path / "m.xml")), batch=8)
    expected = np.array(loaded(batch=8).infer(IMAGES[:8])[0])
    assert np.allclose(mine.infer(IMAGES[:8])[0], expected, atol=1e-5)


def test_texts() -> None:
    assert pairs("A=1; B=c=d;") == {"A": "1", "B": "c=d"}
    error = RuntimeError("Exception from a.cpp:1:\nCheck 'x' failed at b.cpp:2:\nno such\n  thing\n")
    assert reason(error) == "no such thing"
    assert reason(RuntimeError("")) == "RuntimeError"


def test_its_file_is_complete() -> None:
    system, _ = load_sut("cpu-openvino")
    assert make_options(OpenVino, dict(system.options), "sut") == Options()  # type: ignore[arg-type]  # its own
