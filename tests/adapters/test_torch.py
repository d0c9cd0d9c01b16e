"""PyTorch, where it is installed."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="needs torch, of the extra torch")

from qutiperf.adapters.base import Array, Model
from qutiperf.adapters.onnxruntime import OnnxRuntime
from qutiperf.adapters.onnxruntime import Options as OnnxRuntimeOptions
from qutiperf.adapters.torch import Options, Torch
from qutiperf.cli import main
from qutiperf.errors import InputError, SetupError
from qutiperf.models.digits.__main__ import main as train_digits
from qutiperf.models.topologies import build
from qutiperf.spec import catalog
from tests.conftest import SutFile
from tests.places import CHECKOUT

MODELS = catalog.root() / "scenarios/workloads/models"
DIGITS = Model(str(MODELS / "digits-cnv-12.5-fp32.onnx"), "image", "float32", (1, 8, 8), "scores")
IMAGES = np.linspace(0, 1, 5 * 64, dtype=np.float32).reshape(5, 1, 8, 8)
NO_CUDA = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA GPU and a CUDA build of torch"
)


def loaded(path: str | Path, model: Model = DIGITS, **options: object) -> Torch:
    adapter = Torch()
    adapter.load(Model(**{**vars(model), "path": str(path)}), Options(**options))  # type: ignore[arg-type]  # names
    adapter.tune(8)
    return adapter


def of_onnxruntime(model: Model, images: Array) -> Array:
    adapter = OnnxRuntime()
    adapter.load(model, OnnxRuntimeOptions())
    return adapter.infer(images)[0]


def largest_difference(first: Array, second: Array) -> float:
    return float(np.abs(first.astype(np.float64) - second.astype(np.float64)).max())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The digits network as an exported program of any batch, of batch 1, and as TorchScript."""
    from qutiperf.adapters.torch_onnx import module_of_onnx

    folder = tmp_path_factory.mktemp("torch")
    module, example = module_of_onnx(DIGITS.path), torch.zeros(2, 1, 8, 8)
    found = {name: folder / name for name in ("any.pt2", "one.pt2", "script.pt")}
    batch = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(module, (example,), dynamic_shapes=batch), found["any.pt2"])
    torch.export.save(torch.export.export(module, (example[:1],)), found["one.pt2"])
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, example).save(found["script.pt"])
    return found


@pytest.mark.parametrize("name", ["any.pt2", "script.pt", "onnx"])
def test_it_answers_as_onnxruntime_does(name: str, files: dict[str, Path]) -> None:
    adapter = loaded(files.get(name, Path(DIGITS.path)))
    expected = of_onnxruntime(DIGITS, IMAGES)
    for rows in (5, 1, 3):
        outputs, compute_ns = adapter.infer(IMAGES[:rows])
        assert compute_ns is None
        assert outputs.dtype == np.float32
        assert largest_difference(outputs, expected[:rows]) < 1e-4
    readonly = IMAGES.copy()
    readonly.flags.writeable = False
    assert largest_difference(adapter.infer(readonly)[0], expected) < 1e-4
    assert adapter.describe()["device"] == "cpu"
    adapter.close()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet50", 64),
        ("mlp", None),
        pytest.param("googlenet", 64, marks=pytest.mark.slow),
        pytest.param("mobilenet", 64, marks=pytest.mark.slow),
        pytest.param("efficientnet-edgetpu-s", 64, marks=pytest.mark.slow),
        pytest.param("cnv", None, marks=pytest.mark.slow),
    ],
)
def test_built_networks_are_translated(name: str, size: int | None, tmp_path: Path) -> None:
    """The weights are random, so outputs are compared relatively."""
    built = build(name, 12.5, size)
    path = tmp_path / "built.onnx"
    onnx.save(built, path)
    source, result = built.graph.input[0], built.graph.output[0].name
    shape = tuple(size.dim_value for size in source.type.tensor_type.shape.dim)[1:]
    model = Model(str(path), source.name, "float32", shape, result)
    images = np.random.default_rng(1).random((2, *shape), np.float32)
    expected = of_onnxruntime(model, images)
    adapter = Torch()
    adapter.load(model, Options())
    scale = float(np.abs(expected.astype(np.float64)).max())
    assert scale > 0
    assert largest_difference(adapter.infer(images)[0], expected) < 1e-4 * scale


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_lower_precision_is_really_used(dtype: str, files: dict[str, Path]) -> None:
    adapter = loaded(files["any.pt2"], dtype=dtype)
    outputs, _ = adapter.infer(IMAGES)
    expected = of_onnxruntime(DIGITS, IMAGES)
    scale = float(np.abs(expected.astype(np.float64)).max())
    assert outputs.dtype == np.float32
    assert 1e-5 < largest_difference(outputs, expected) / scale < 0.05


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
def test_compiled_it_answers_the_same(files: dict[str, Path]) -> None:
    adapter = loaded(files["any.pt2"], compile=True)
    assert largest_difference(adapter.infer(IMAGES)[0], of_onnxruntime(DIGITS, IMAGES)) < 1e-4


def test_the_program_of_one_batch_size(files: dict[str, Path]) -> None:
    one = Model(**{**vars(DIGITS), "path": str(files["one.pt2"]), "fixed_batch": 1})
    adapter = Torch()
    adapter.load(one, Options())
    adapter.tune(1)
    assert adapter.infer(IMAGES[:1])[0].shape == (1, 10)
    with pytest.raises(InputError, match=r"one.pt2: torch cannot run it: "):
        loaded(files["one.pt2"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.pt2", b"no model at all", r"text.pt2: torch 2\S* cannot load it: "),
        ("text.pt", b"no model at all", r"text.pt: torch 2\S* cannot load it: "),
    ],
)
def test_files_that_are_no_models(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        loaded(tmp_path / name)


def test_another_input(files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="torch cannot run it"):
        loaded(files["any.pt2"], Model(**{**vars(DIGITS), "input_shape": (3, 8, 8)}))
    with pytest.raises(InputError, match="dtype float16: the input is uint8"):
        loaded(files["any.pt2"], Model(**{**vars(DIGITS), "input_dtype": "uint8"}), dtype="float16")


def test_an_operator_that_is_not_translated(tmp_path: Path) -> None:
    int8 = MODELS / "digits-mlp-12.5-int8.onnx"
    with pytest.raises(InputError, match=r"operator DequantizeLinear is not translated; export the model"):
        loaded(int8)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"device": "npu7000"}, InputError, "device 'npu7000': "),
        ({"device": "xpu"}, SetupError, r"device xpu: torch 2\S* does not find a xpu device"),
        ({"backend_module": "torch_nobody_has"}, SetupError, "pip install torch_nobody_has"),
    ],
)
def test_devices_that_are_not_there(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        loaded(DIGITS.path, DIGITS, **options)


@pytest.mark.skipif(torch.version.cuda is not None, reason="needs a build of torch without CUDA")
def test_a_build_without_cuda_says_so() -> None:
    with pytest.raises(
        SetupError, match=r"device cuda:0: this torch \S+ is built without CUDA; install a CUDA"
    ):
        loaded(DIGITS.path, device="cuda:0")


@NO_CUDA
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_cuda_times_copies_and_compute_apart(dtype: str, files: dict[str, Path]) -> None:
    import time

    adapter = loaded(files["any.pt2"], device="cuda:0", dtype=dtype)
    started = time.perf_counter_ns()
    outputs, compute_ns = adapter.infer(IMAGES)
    wall_ns = time.perf_counter_ns() - started
    assert compute_ns is not None
    assert 0 < compute_ns < wall_ns
    figures = adapter.figures()
    assert figures["copy_to_device_us"] > 0
    assert figures["copy_from_device_us"] > 0
    assert (outputs.argmax(axis=1) == of_onnxruntime(DIGITS, IMAGES).argmax(axis=1)).all()
    with pytest.raises(SetupError, match="there are"):
        loaded(files["any.pt2"], device="cuda:99")


@pytest.mark.slow
def test_a_run_and_agreement(
    files: dict[str, Path], sut_file: SutFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The workload's own file, translated, and its exported program, through the command line."""
    shipped = catalog.root() / "scenarios/workloads/digits-cnv-12.5-fp32.yaml"
    workload = tmp_path / "mine.yaml"
    text = shipped.read_text().replace("file: models/", f"file: {MODELS}/")
    workload.write_text(text.replace("  other_files:\n", f"  other_files:\n  - file: {files['any.pt2']}\n"))
    names = ["--sut", "cpu-onnxruntime", "--sut", "cpu-torch"]
    assert main(["agree", str(workload), *names, "--count", "100", "--json"], debug=False) == 0
    [_, other] = json.loads(capsys.readouterr().out)
    assert (other["model"], other["same_label_percent"]) == ("any.pt2", 100.0)
    assert other["adapter"]["model"] == "torch.export program"
    short = ["--set", "settings.min_duration_s=0.2", "--set", "deployment.batch_size=8"]
    sweep = ["run", "quickstart", "--set", "suts=cpu-torch", "--set", f"workloads={workload}", *short]
    plain = ["--set", "deployment.threads=1", "--set", "deployment.dtype=float32,bfloat16"]
    only = ["--set", "scenarios=Offline", "--out", str(tmp_path / "out"), "--json"]
    assert main([*sweep, *plain, *only], debug=False) == 0
    rows = json.loads(capsys.readouterr().out)
    # a fifth of a second on a busy machine may be too short for LoadGen, which is not what is tested
    assert {row["dtype"]: row["failure"] for row in rows} == {"float32": None, "bfloat16": None}
    assert all(row["top1_percent"] > 90 for row in rows)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
def test_compiled_it_answers_smaller_batches(files: dict[str, Path]) -> None:
    adapter = loaded(files["any.pt2"], compile=True)
    images = np.random.default_rng(1).random((11, 1, 8, 8), np.float32)
    expected = of_onnxruntime(DIGITS, images)
    for size in (2, 5):
        adapter.tune(size)
        for count in {1, size}:
            outputs = adapter.infer(images[:count])[0]
            assert outputs.shape == (count, 10)
            assert largest_difference(outputs, expected[:count]) < 1e-4


def test_torchscript_is_not_compiled(files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"TorchScript cannot be compiled; save it with torch\.export"):
        loaded(files["script.pt"], compile=True)


def test_shipped_digits_become_programs(tmp_path: Path) -> None:
    label = Path(DIGITS.path).stem.removesuffix("-fp32")
    assert train_digits(["--programs", str(tmp_path), "--only", label]) == 0
    [path] = tmp_path.iterdir()
    assert path.name == f"{label}-fp32.pt2"
    images = np.random.default_rng(1).random((3, 1, 8, 8), np.float32)
    assert largest_difference(loaded(path).infer(images)[0], of_onnxruntime(DIGITS, images)) < 1e-4


BENCHMARK = CHECKOUT / "benchmarks" / "torch_cuda.py"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_benchmark_needs_a_device() -> None:
    done = subprocess.run([sys.executable, BENCHMARK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    problem = f"torch {torch.__version__} finds no CUDA device (torch.cuda.is_available() is False)"
    assert done.stderr == f"torch_cuda: {problem}\n"


def test_the_benchmark_takes_the_power_of_each_run() -> None:
    row = runpy.run_path(str(BENCHMARK))["row"]
    record = {
        "started_utc": "1970-01-01T00:00:10+00:00",
        "elapsed_s": 2.0,
        "point": {"scenario": "Offline", "deployment": {"batch_size": 8, "dtype": "float16"}},
        "figures": {"system_throughput_ips": 5.0, "top1_percent": None},
        "observed": {"adapter_figures": {"copy_to_device_us": 3.0}},
        "valid": True,
    }
    assert row(record, [(9.9, 50.0), (10.0, 100.0), (12.0, 300.0), (12.1, 50.0)]) == {
        "scenario": "Offline",
        "batch_size": 8,
        "dtype": "float16",
        "valid": True,
        "system_throughput_ips": 5.0,
        "copies": {"copy_to_device_us": 3.0},
        "board_power_mean_w": 200.0,
        "board_power_samples": 2,
    }
    assert row(record, [])["board_power_mean_w"] is None
