"""The shipped digits as TFLite: the files that the manifest says, the same network as the ONNX files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qutiperf.cli import main as qutiperf
from qutiperf.datasets import open_dataset
from qutiperf.harness.load import model_for
from qutiperf.level0.subject import subject_of_workload
from qutiperf.models.digits.export_tflite import main, run_tflite
from qutiperf.models.digits.images import SHIPPED_DIGITS, read_digits
from qutiperf.models.digits.manifest import (
    ShippedModel,
    TfliteFile,
    accuracies_percent,
    read_manifest,
    run_onnx,
    tflite_table,
)
from qutiperf.results.store import Store
from qutiperf.spec.config import sha256_of_file
from qutiperf.spec.formats import for_suffixes
from qutiperf.spec.workload import load_workload
from tests.places import CHECKOUT

MODELS = CHECKOUT / "scenarios" / "workloads" / "models"
MANIFEST = read_manifest(MODELS)
CONVERTED = [model for model in MANIFEST.models if model.tflite is not None]
TOLERANCE_PERCENT = 1.0  # five images: other processors may round otherwise in int8
LEVELS = 4  # of 256, for the same reason
each_model = pytest.mark.parametrize("model", CONVERTED, ids=lambda model: str(model.name))


def tflite_of(model: ShippedModel) -> TfliteFile:
    assert model.tflite is not None
    return model.tflite


def test_every_model_is_converted() -> None:
    assert len(MANIFEST.models) == len(CONVERTED) == 24
    assert {path.name for path in MODELS.glob("*.tflite")} == {tflite_of(model).file for model in CONVERTED}


@pytest.mark.slow
@each_model
def test_file_and_accuracy(model: ShippedModel) -> None:
    pytest.importorskip("ai_edge_litert")
    made, test = tflite_of(model), read_digits(SHIPPED_DIGITS, "test")
    path = MODELS / made.file
    assert (sha256_of_file(path), path.stat().st_size) == (made.sha256, made.size_bytes)
    scores, expected = run_tflite(path, made.input, test.images), run_onnx(MODELS / model.file, test.images)
    same_percent = 100 * float((scores.argmax(axis=1) == expected.argmax(axis=1)).mean())
    top1_percent, _ = accuracies_percent(scores, test)
    if model.datatype == "fp32":
        np.testing.assert_allclose(scores, np.asarray(expected, np.float32), rtol=0, atol=3e-5)
        assert same_percent == made.same_as_onnx_percent == 100
        assert top1_percent == made.top1_percent == model.top1_percent
    else:
        assert abs(same_percent - made.same_as_onnx_percent) <= TOLERANCE_PERCENT
        assert abs(top1_percent - made.top1_percent) <= TOLERANCE_PERCENT


def test_int8_clips_no_more_than_the_onnx_files_do() -> None:
    pytest.importorskip("ai_edge_litert")
    images = read_digits(SHIPPED_DIGITS, "test").images
    for model in (model for model in CONVERTED if model.datatype == "int8"):
        made = tflite_of(model)
        level = made.output.quantization
        assert level is not None
        integers = run_tflite(MODELS / made.file, made.input, images).astype(np.float64)
        scores = (integers - level.zero_point) * level.scale
        expected = np.asarray(run_onnx(MODELS / model.file, images), np.float64)
        assert np.abs(scores - expected).max() < LEVELS * level.scale


@each_model
def test_the_workload_gives_the_file_to_litert(model: ShippedModel, tmp_path: Path) -> None:
    made, (workload, _) = tflite_of(model), load_workload(model.name)
    chosen = for_suffixes(workload, (".tflite",))
    found = model_for(chosen, tmp_path)
    assert Path(found.path).name == made.file
    assert (found.input_name, found.input_dtype) == (made.input.name, made.input.dtype)
    assert found.output_name == made.output.name
    assert (found.input_quantization is not None) == (model.datatype == "int8")
    assert chosen.model.sha256 == made.sha256
    assert str(chosen.variant.converter).startswith(f"litert-torch {MANIFEST.tools['litert-torch']}")


def test_level0_counts_in_the_onnx_file() -> None:
    for name in ("digits-cnv-50-int8", "digits-mlp-25-fp32"):
        workload, _ = load_workload(name)
        of_onnx = subject_of_workload(workload)
        found = subject_of_workload(for_suffixes(workload, (".tflite",)))
        assert found.network.name == of_onnx.network.name == f"{name}.onnx"
        assert (found.network.ops == of_onnx.network.ops).all()
        assert (found.datatype, found.weight_datatype) == (of_onnx.datatype, of_onnx.weight_datatype)


def test_samples_come_in_the_integers_of_the_file() -> None:
    workload, _ = load_workload("digits-cnv-50-int8")
    chosen = for_suffixes(workload, (".tflite",))
    samples = open_dataset(chosen.dataset, chosen.model.input).load(range(500))
    assert samples.dtype == np.int8
    assert (samples.min(), samples.max()) == (-128, 127)


@pytest.mark.slow
def test_a_run_names_the_file_and_its_converter(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    sweep = sweep_file("cpu-litert")
    changed = ["--set", "workloads=digits-cnv-12.5-int8"]
    assert qutiperf(["run", str(sweep), "--out", str(tmp_path / "out"), *changed], debug=True) == 0
    records = Store.open(tmp_path / "out").latest()
    made = tflite_of(next(model for model in CONVERTED if model.name == "digits-cnv-12.5-int8"))
    assert [record.valid for record in records] == [True, True]
    for record in records:
        assert record.inputs.files_sha256[f"model:{made.file}"] == made.sha256
        assert (
            record.inputs.workload.variant.converter
            == "litert-torch 0.10.0 and ai-edge-quantizer 0.10.0 static"
        )
        assert record.observed is not None
        assert record.observed.adapter["xnnpack"] == "14 of 14 operators"
        assert record.observed.compute_clock == "host_wall"
    [top1_percent] = {
        record.figures.top1_percent for record in records if record.point.mode.value == "AccuracyOnly"
    }
    assert top1_percent == pytest.approx(made.top1_percent, abs=TOLERANCE_PERCENT)


def test_readme_shows_the_table_of_the_manifest() -> None:
    assert tflite_table(MANIFEST) in (MODELS / "README.md").read_text(encoding="utf-8")


def test_without_the_converters_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qutiperf.models.digits.export_tflite.CONVERTERS", ("no-such-converter",))
    (tmp_path / "manifest.json").write_bytes((MODELS / "manifest.json").read_bytes())
    assert main(["--out", str(tmp_path)]) == 3
    message = "no-such-converter is not installed; pip install 'qutiperf[train]'\n"
    assert capsys.readouterr().err == message
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
