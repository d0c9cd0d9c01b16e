"""Planted errors of labels and preprocessing are named with the value to set; shipped workloads are quiet."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from qutiperf.datasets import open_samples
from qutiperf.datasets.tasks import task_for
from qutiperf.harness import accuracy_check
from qutiperf.harness.accuracy_check import check_accuracy
from qutiperf.harness.load import load_instances, model_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.results.record import AccuracyCheck
from qutiperf.run.pairing import chosen_for
from qutiperf.spec.catalog import names
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import Workload, load_workload
from tests import graphs

MLP = "digits-mlp-100-fp32"
CNN_INT8 = "digits-cnv-100-int8"
DIGITS = [name for name in names("workload") if name.startswith("digits-")]


def changed(workload: Workload, dataset: Mapping[str, object], offset: int = 0) -> Workload:
    data = workload.model_dump(mode="json")
    data["dataset"] |= dataset
    data["model"]["output"]["label_offset"] = offset
    return Workload.model_validate(data)


@pytest.fixture(autouse=True)
def _all_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries every alternative, however slow the machine is."""
    monkeypatch.setattr(accuracy_check, "_BUDGET_S", 300.0)


def checked(workload: Workload, folder: Path, sut: str = "cpu-onnxruntime", batch: int = 32) -> AccuracyCheck:
    """The check after an accuracy run whose answers are the model's own."""
    system = load_sut(sut)[0]
    chosen = chosen_for(system, workload)
    data, task = open_samples(chosen), task_for(chosen)
    assert data.labels is not None
    adapters = load_instances(system, chosen, {}, 1, folder)
    spec = chosen.model
    model = LoadedModel(adapters, data, task, spec.fixed_batch, None, spec, model_for(chosen, folder))
    model.tune(batch)
    infer, entries = model.infers()[0], []
    for first in range(0, data.count, batch):
        indices = list(range(first, min(first + batch, data.count)))
        answers = task.responses(infer(data.load(indices))[0], len(indices))
        entries += [
            {"qsl_idx": index, "data": answer.tobytes().hex()}
            for index, answer in zip(indices, answers, strict=True)
        ]
    log = folder / "mlperf_log_accuracy.json"
    log.write_text("[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n")
    check = check_accuracy(chosen, model, batch, log)
    model.close()
    assert check is not None
    return check


def test_a_model_that_fits_costs_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(accuracy_check, "Alternatives")
    check = checked(load_workload(MLP)[0], tmp_path)
    assert not check.suspect
    assert (check.samples, check.right, check.total, check.total_right) == (128, 127, 500, 496)
    assert check.chance_percent == pytest.approx(10, abs=1)


@pytest.mark.parametrize("planted", [-1, 1])
def test_a_wrong_label_offset_is_named(tmp_path: Path, planted: int) -> None:
    check = checked(changed(load_workload(MLP)[0], {}, planted), tmp_path)
    assert check.settings == {"model.output.label_offset": "0"}
    assert (check.settings_right, check.settings_samples) == (127, 128)
    assert check.near_chance


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        (MLP, {"mean": [0.1307], "std": [0.3081], "scale": 255}),
        (MLP, {"mean": [0.5], "std": [0.05]}),
        (CNN_INT8, {"mean": [0.1307], "std": [0.3081], "scale": 255}),
        (CNN_INT8, {"mean": [123.7], "std": [1]}),
    ],
)
def test_a_wrong_normalisation_is_named(tmp_path: Path, name: str, planted: dict[str, object]) -> None:
    check = checked(changed(load_workload(name)[0], {"normalisation": planted}), tmp_path)
    assert set(check.settings) == {"dataset.normalisation"}
    assert (check.settings_right or 0) >= 62


def test_two_errors_are_named_at_once(tmp_path: Path) -> None:
    planted = {"normalisation": {"mean": [0.5], "std": [0.05]}}
    check = checked(changed(load_workload(MLP)[0], planted, 1), tmp_path)
    assert check.settings == {"dataset.normalisation": "{scale: 1}", "model.output.label_offset": "0"}


def test_the_named_settings_are_what_mends_the_workload(tmp_path: Path) -> None:
    import yaml

    planted = changed(load_workload(MLP)[0], {"normalisation": {"mean": [0.5], "std": [0.05]}}, 1)
    settings = checked(planted, tmp_path).settings
    normalisation = yaml.safe_load(settings["dataset.normalisation"])
    offset = int(settings["model.output.label_offset"])
    mended = checked(changed(planted, {"normalisation": normalisation}, offset), tmp_path)
    assert not mended.suspect
    assert mended.total_right == 496


def test_labels_that_have_nothing_to_do_with_the_model_are_near_chance(tmp_path: Path) -> None:
    """The labels of other samples: no setting helps, and none is named."""
    data = open_samples(load_workload(MLP)[0])
    assert data.labels is not None
    shuffled = np.random.default_rng(3).permutation(data.labels)
    images = data.load(range(data.count))
    np.savez(tmp_path / "data.npz", image=images, label=shuffled)
    workload = changed(
        load_workload(MLP)[0], {"name": "npz", "split": "test", "file": str(tmp_path / "data.npz")}
    )
    check = checked(workload, tmp_path)
    assert check.near_chance
    assert check.settings == {}


def test_bytes_in_an_npz_file_are_scaled_to_0_to_1(tmp_path: Path) -> None:
    data = open_samples(load_workload(MLP)[0])
    assert data.labels is not None
    images = (data.load(range(200)) * 255).astype(np.float32)
    np.savez(tmp_path / "data.npz", image=images, label=data.labels[:200])
    planted = {"name": "npz", "file": str(tmp_path / "data.npz"), "normalisation": {"mean": [300.0]}}
    check = checked(changed(load_workload(MLP)[0], planted), tmp_path)
    assert set(check.settings) == {"dataset.normalisation"}
    assert check.settings["dataset.normalisation"] in ("{scale: 0.00392157}", "{scale: 1}")


def test_a_slow_model_gets_fewer_samples_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy_check, "_BUDGET_S", 0.0)
    planted = {"normalisation": {"mean": [123.7], "std": [1]}}
    check = checked(changed(load_workload(MLP)[0], planted), tmp_path)
    assert check.note is not None
    assert check.note.startswith("0 of ")


@pytest.mark.slow
@pytest.mark.parametrize("sut", ["cpu-onnxruntime", "cpu-litert"])
@pytest.mark.parametrize("name", DIGITS)
def test_no_shipped_workload_is_suspect(tmp_path: Path, name: str, sut: str) -> None:
    check = checked(load_workload(name)[0], tmp_path, sut)
    assert not check.suspect
    assert check.note is None


def colour_model(folder: Path, *, mean: list[float], std: list[float]) -> Workload:
    """A softmax regression trained here on digits in red or blue: class = digit + 10 if it is blue.

    It takes red, green, blue with a normalisation; 97 % and more of the samples are right.
    """
    data = open_samples(load_workload(MLP)[0])
    grey = data.load(range(data.count))[:, 0]
    generator = np.random.default_rng(5)
    blue = generator.random(len(grey)) < 0.5
    images = np.full((len(grey), 3, 8, 8), 0.1, np.float32)
    images[np.arange(len(grey)), np.where(blue, 2, 0)] = grey
    assert data.labels is not None
    labels = data.labels + 10 * blue
    taken = (images - np.array(mean, np.float32).reshape(3, 1, 1)) / np.array(std, np.float32).reshape(
        3, 1, 1
    )
    weights, bias = trained(taken.reshape(len(taken), -1), labels, 20)
    graphs.save(
        folder / "colour.onnx",
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["y"])],
        [graphs.tensor("x", ["batch", 3, 8, 8])],
        [graphs.tensor("y", ["batch", 20])],
        {"w": weights, "b": bias},
    )
    onnx.checker.check_model(str(folder / "colour.onnx"))
    np.savez(folder / "colour.npz", x=images, label=labels)
    return Workload.model_validate(
        {
            "name": "colour",
            "task": "image-classification",
            "dataset": {
                "name": "npz",
                "file": str(folder / "colour.npz"),
                "normalisation": {"mean": mean, "std": std},
            },
            "model": {
                "file": str(folder / "colour.onnx"),
                "input": {"name": "x", "dtype": "float32", "shape": ["batch", 3, 8, 8]},
                "output": {"name": "y", "kind": "scores"},
            },
        }
    )


def trained(samples: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Softmax regression by gradient descent on standardised samples, folded back to the given ones."""
    shift, scale = samples.mean(axis=0), samples.std(axis=0) + 0.05
    inputs, target = (samples - shift) / scale, np.eye(classes)[labels]
    weights, bias = np.zeros((samples.shape[1], classes)), np.zeros(classes)
    for _ in range(400):
        scores = inputs @ weights + bias
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = likely / likely.sum(axis=1, keepdims=True) - target
        weights -= 0.5 * inputs.T @ error / len(inputs)
        bias -= 0.5 * error.mean(axis=0)
    folded = weights / scale[:, np.newaxis]
    return folded.astype(np.float32), (bias - shift @ folded).astype(np.float32)


TORCHVISION = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.mark.slow
def test_channels_in_the_wrong_order_are_named(tmp_path: Path) -> None:
    right = colour_model(tmp_path, **TORCHVISION)
    whole = checked(right, tmp_path)
    assert not whole.suspect
    assert (whole.total_right or 0) >= 0.95 * (whole.total or 0)
    swapped = checked(changed(right, {"channel_order": "bgr"}), tmp_path)
    assert swapped.settings == {"dataset.channel_order": "rgb"}
    assert (swapped.settings_right or 0) >= 60


@pytest.mark.slow
def test_the_mean_and_deviation_of_colours_are_named(tmp_path: Path) -> None:
    right = colour_model(tmp_path, **TORCHVISION)
    for planted in (None, {"scale": 255, "mean": [123.68, 116.78, 103.94]}):
        check = checked(changed(right, {"normalisation": planted}), tmp_path)
        assert check.settings == {
            "dataset.normalisation": "{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}"
        }
