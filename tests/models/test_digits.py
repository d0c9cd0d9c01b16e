"""The shipped digits: images, models, manifest, workloads, and the training that makes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

import qutiperf
from qutiperf.models.digits.__main__ import main, make_models
from qutiperf.models.digits.export_onnx import build_model, float_weights
from qutiperf.models.digits.export_torch import save_program
from qutiperf.models.digits.images import read_digits, write_digits
from qutiperf.models.digits.manifest import (
    ShippedModel,
    accuracies_percent,
    markdown_table,
    read_manifest,
    run_onnx,
)
from qutiperf.models.digits.quantise import int4_weights
from qutiperf.models.digits.topology import Layer, all_topologies, topology
from qutiperf.models.digits.train import Recipe, TrainedLayer
from qutiperf.models.digits.workloads import workload_text
from qutiperf.models.onnx_file import read_onnx
from qutiperf.spec.config import sha256_of_file
from tests.places import CHECKOUT

WORKLOADS = CHECKOUT / "scenarios" / "workloads"
MODELS = WORKLOADS / "models"
DIGITS = Path(qutiperf.__file__).parent / "datasets" / "data" / "digits.npz"
MANIFEST = read_manifest(MODELS)
BY_NAME = {model.name: model for model in MANIFEST.models}


def test_split_sizes_and_classes() -> None:
    training, test = read_digits(DIGITS, "train"), read_digits(DIGITS, "test")
    assert training.images.shape == (1297, 1, 8, 8)
    assert test.images.shape == (500, 1, 8, 8)
    assert test.images.dtype == np.float32
    assert (float(test.images.min()), float(test.images.max())) == (0.0, 1.0)
    assert np.bincount(test.labels).tolist() == [50, 51, 49, 51, 50, 51, 50, 50, 48, 50]
    assert np.bincount(training.labels).tolist() == [128, 131, 128, 132, 131, 131, 131, 129, 126, 130]


def test_the_digits_are_made_again_byte_for_byte(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn, of the extra train")
    write_digits(tmp_path / "digits.npz")
    with np.load(tmp_path / "digits.npz") as made, np.load(DIGITS) as shipped:
        assert list(made) == list(shipped) == ["images", "labels", "is_test"]
        assert all(np.array_equal(made[name], shipped[name]) for name in shipped)
    first = (tmp_path / "digits.npz").read_bytes()
    write_digits(tmp_path / "digits.npz")
    assert (tmp_path / "digits.npz").read_bytes() == first


def test_parameters_of_the_published_layout() -> None:
    assert topology("digits-mlp", 100).parameters == 64 * 256 + 2 * 256 * 256 + 256 * 10 + 3 * 256 + 10
    convolutions = 9 * (1 * 3 + 3 * 3 + 3 * 6 + 6 * 6 + 6 * 12 + 12 * 12) + 2 * (3 + 6 + 12)
    dense = 48 * 24 + 24 * 24 + 24 * 10 + 24 + 24 + 10
    assert topology("digits-cnv", 12.5).parameters == convolutions + dense


def test_manifest_lists_the_files_that_are_there() -> None:
    expected = {
        f"{made.label}-{datatype}" for made in all_topologies() for datatype in ("fp32", "int8", "int4")
    }
    assert set(BY_NAME) == expected
    assert {path.name for path in MODELS.glob("*.onnx")} == {model.file for model in MANIFEST.models}
    assert sum(model.size_bytes for model in MANIFEST.models) < 5_000_000


@pytest.mark.slow
@pytest.mark.parametrize("model", MANIFEST.models, ids=lambda model: str(model.name))
def test_file_and_accuracy_of_one_model(model: ShippedModel) -> None:
    path = MODELS / model.file
    assert sha256_of_file(path) == model.sha256
    assert path.stat().st_size == model.size_bytes
    assert topology(model.topology, model.channel_scale_percent).parameters == model.parameters
    test = read_digits(DIGITS, "test")
    scores = run_onnx(path, test.images)
    assert [tensor.shape for tensor in read_onnx(path).inputs] == [("batch", 1, 8, 8)]
    assert accuracies_percent(scores, test) == (model.top1_percent, model.top5_percent)


@pytest.mark.parametrize(
    ("name", "operators", "absent"),
    [
        ("digits-mlp-100-int8", {"QGemm": 4}, {"Gemm", "MatMul"}),
        ("digits-cnv-100-int8", {"QLinearConv": 6, "QGemm": 3}, {"Conv", "Gemm"}),
        ("digits-mlp-100-int4", {"MatMulNBits": 4}, {"Gemm", "MatMul"}),
        ("digits-cnv-100-int4", {"DequantizeLinear": 6, "MatMulNBits": 3}, {"Gemm", "MatMul"}),
    ],
)
def test_the_runtime_computes_in_the_datatype(
    name: str, operators: dict[str, int], absent: set[str], tmp_path: Path
) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(MODELS / BY_NAME[name].file, options, providers=["CPUExecutionProvider"])
    run = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert {operator: run.count(operator) for operator in operators} == operators
    assert not absent & set(run)


def test_int4_keeps_weights_that_are_whole_levels() -> None:
    """Weights that are multiples of the scale are exact, so int4 must answer as fp32 does."""
    weight = np.zeros((10, 64), np.float32)
    weight[np.arange(10), np.arange(10)] = np.arange(-2, 8)
    weight[:, 20], weight[:, 40] = 7, -7
    layers = [TrainedLayer(Layer("dense", 64, 10, relu=False), weight, np.arange(10, dtype=np.float32))]
    images = np.random.default_rng(1).random((3, 1, 8, 8), dtype=np.float32)
    answers = [_run(build_model("exact", layers, kind), images) for kind in (float_weights, int4_weights)]
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=1e-5)


def test_int4_convolution_packs_the_first_weight_in_the_low_half() -> None:
    weight = np.array([[1, -2, 3], [-4, 5, -6], [7, 0, -7]], np.float32).reshape(1, 1, 3, 3)
    layers = [
        TrainedLayer(Layer("conv", 1, 1, relu=False), weight, np.zeros(1, np.float32)),
        TrainedLayer(
            Layer("dense", 64, 10, relu=False), np.ones((10, 64), np.float32), np.zeros(10, np.float32)
        ),
    ]
    stored = build_model("packed", layers, int4_weights).graph.initializer
    packed = next(tensor for tensor in stored if tensor.name == "layer0/weight_int4")
    assert packed.raw_data == bytes([0xE1, 0xC3, 0xA5, 0x07, 0x09])
    assert numpy_helper.to_array(packed).astype(np.float32).tolist() == weight.tolist()


def _run(model: onnx.ModelProto, images: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["scores"], {"image": images})[0], np.float32)


@pytest.mark.parametrize("model", MANIFEST.models, ids=lambda model: str(model.name))
def test_workload_files_are_as_generated(model: ShippedModel) -> None:
    text = (WORKLOADS / f"{model.name}.yaml").read_text(encoding="utf-8")
    assert text == workload_text(model, f"models/{model.file}", MANIFEST.tools)


def test_readme_shows_the_table_of_the_manifest() -> None:
    assert markdown_table(MANIFEST) in (MODELS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("network", "mistakes"), [("digits-mlp", [4, 9, 14]), ("digits-cnv", [5, 19, 26])])
def test_narrow_and_coarse_models_pay_in_accuracy(network: str, mistakes: list[int]) -> None:
    """Wrong labels of the 500: wide, then narrow, then narrow and coarse, counted by running the files."""
    test = read_digits(DIGITS, "test")
    files = [BY_NAME[f"{network}-{variant}"].file for variant in ("100-fp32", "12.5-fp32", "12.5-int4")]
    labels = [run_onnx(MODELS / file, test.images).argmax(axis=1) for file in files]
    found = [int((label != test.labels).sum()) for label in labels]
    assert found == mistakes
    assert found == sorted(set(found))


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch, of the extra train")
    recipe = replace(Recipe(), epochs=1)
    chosen = [topology("digits-mlp", 12.5)]
    made = [make_models(chosen, recipe, DIGITS, tmp_path / folder) for folder in ("one", "two")]
    assert [model.sha256 for model in made[0].models] == [model.sha256 for model in made[1].models]
    assert [model.datatype for model in made[0].models] == ["fp32", "int8", "int4"]
    assert read_manifest(tmp_path / "one") == made[0]
    assert made[0].models[0].top1_percent > 20


def test_torch_program_answers_as_the_onnx_file_does(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch, of the extra train")
    path = save_program(topology("digits-cnv", 12.5), MODELS, tmp_path)
    images = read_digits(DIGITS, "test").images[:7]
    program = torch.export.load(path).module()
    scores = program(torch.from_numpy(images)).detach().numpy()
    expected = _run(onnx.load(MODELS / "digits-cnv-12.5-fp32.onnx"), images)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)


def test_unknown_network_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--only", "resnet"]) == 2
    assert capsys.readouterr().err.startswith("--only: no network 'resnet'; allowed: digits-mlp-100, ")
    assert list(tmp_path.iterdir()) == []


def test_damaged_digits_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "digits.npz").write_bytes(DIGITS.read_bytes()[:1000])
    assert main(["--out", str(tmp_path / "out"), "--digits", str(tmp_path / "digits.npz")]) == 2
    assert "digits.npz: holds no digits" in capsys.readouterr().err
