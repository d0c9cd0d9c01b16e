"""A network built on demand, run under LoadGen: its record holds the prediction, and can be fitted to."""

import json
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.results.predictions import prediction_of_run
from qutiperf.results.store import Store
from qutiperf.spec.level0_terms import Calibration, Terms
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import load_workload

SUT = """kind: sut
schema_version: 1
extends: cpu-onnxruntime
name: mine
platform: {peaks_tops: {fp32: 0.5}, memory_bandwidth_gb_s: 20.0, source: test}
"""
WORKLOAD = """kind: workload
schema_version: 1
name: cnv-small
task: none
dataset: {name: synthetic, count: 16}
model:
  topology: {name: cnv, channel_scale_percent: 12.5, seed: 1}
  input: {name: image, dtype: float32, shape: [batch, 3, 32, 32]}
  output: {name: scores, kind: tensor}
variant: {topology: cnv, channel_scale_percent: 12.5, weight_datatype: fp32, activation_datatype: fp32}
rehearsal: true
"""
SWEEP = """kind: sweep
schema_version: 1
name: small
suts: [mine.yaml]
workloads: [small.yaml]
scenarios: [Offline]
profile: test_run
settings: {min_duration_s: 0.2}
deployment: {batch_size: [1, 2, 8, 16], threads: [1], streams: [1]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs of a network of random weights."""
    made = tmp_path_factory.mktemp("level0")
    (made / "mine.yaml").write_text(SUT, encoding="utf-8")
    (made / "small.yaml").write_text(WORKLOAD, encoding="utf-8")
    sweep = SWEEP.replace("[mine.yaml]", f"[{made}/mine.yaml]").replace(
        "[small.yaml]", f"[{made}/small.yaml]"
    )
    (made / "sweep.yaml").write_text(sweep, encoding="utf-8")
    assert main(["run", str(made / "sweep.yaml"), "--out", str(made / "results")], False) == 0
    return made


@pytest.mark.slow
def test_a_record_holds_its_prediction(folder: Path) -> None:
    records = Store.open(folder / "results").latest()
    assert len(records) == 4
    for record in records:
        stored = record.prediction
        assert stored is not None
        assert stored.ops == 8_017_792
        assert stored.weights == 97_712
        assert stored.model == "plain"
        assert stored.batch_size == record.point.deployment["batch_size"]
        assert stored.note == "not calibrated: this is the plain model"
        # 0.5 TOP/s, and 20 GB/s over 97,712 weights of 4 bytes, which a host reads once for each batch
        memory = stored.batch_size * 20e9 / (4 * 97_712)
        assert stored.predicted_throughput_ips == pytest.approx(min(0.5e12 / 8_017_792, memory))


@pytest.mark.slow
def test_show_derives_efficiency_and_utilisation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(folder / "results"), "--json"], False) == 0
    for row in json.loads(capsys.readouterr().out):
        throughput = row["compute_throughput_ips"]
        assert row["compute_efficiency_percent"] == pytest.approx(
            100 * throughput / row["predicted_throughput_ips"]
        )
        assert row["utilisation_percent"] == pytest.approx(100 * throughput * 8_017_792 / 0.5e12)
        assert row["compute_gops"] == pytest.approx(throughput * 8_017_792 / 1e9)


@pytest.mark.slow
def test_own_runs_can_be_fitted_and_analysed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, out = str(folder / "results"), folder / "fitted.yaml"
    assert main(["level0", "fit", results, "--sut", str(folder / "mine.yaml"), "--out", str(out)], False) == 0
    assert "one network only: the extrapolation error is unknown" in capsys.readouterr().out
    calibration = load_sut(str(out))[0].platform.calibration
    assert isinstance(calibration, Calibration)
    assert (calibration.points, calibration.networks) == (4, 1)
    assert main(["analyse", "quartiles", results, "--figure", "compute_throughput_ips", "--json"], False) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["n"] == 4


@pytest.mark.slow
def test_a_wrong_input_of_a_topology_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = folder / "wrong.yaml"
    wrong.write_text(WORKLOAD.replace("name: image,", "name: picture,"), encoding="utf-8")
    sweep = (folder / "sweep.yaml").read_text(encoding="utf-8").replace("small.yaml", "wrong.yaml")
    (folder / "wrong-sweep.yaml").write_text(sweep, encoding="utf-8")
    code = main(["run", str(folder / "wrong-sweep.yaml"), "--out", str(folder / "none")], False)
    assert code == 2
    assert "cnv-small: model: input, sizes and output are ('picture'" in capsys.readouterr().err
    assert not (folder / "none").exists()


def test_an_unknown_platform_keeps_the_requirements_and_says_why() -> None:
    workload = load_workload("digits-mlp-25-fp32")[0]
    stored = prediction_of_run(load_sut("cpu-onnxruntime")[0], workload, {"batch_size": 1})
    assert stored.weights == 64 * 64 + 64 * 64 + 64 * 64 + 64 * 10
    assert "platform.peaks_tops: is not known" in str(stored.note)
    assert stored.predicted_throughput_ips is None


def test_no_prediction_never_fails_a_run() -> None:
    workload = load_workload("digits-mlp-25-fp32")[0]
    spec = workload.model.model_copy(update={"file": "nowhere.onnx"})
    stored = prediction_of_run(
        load_sut("cpu-onnxruntime")[0], workload.model_copy(update={"model": spec}), {"batch_size": 1}
    )
    assert "there is no such file" in str(stored.note)


def test_terms_name_their_constants() -> None:
    assert Terms(call="none", weights="on_chip").constants == ("compute_efficiency",)
