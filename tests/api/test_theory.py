"""Requirements and predictions from Python: the same as the command line prints."""

import json
from pathlib import Path

import pandas
import pytest

import qutiperf
from qutiperf.cli import main
from tests.level0.test_running import branches
from tests.places import CHECKOUT

MODEL = CHECKOUT / "scenarios/workloads/models/digits-mlp-25-fp32.onnx"


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    assert main(["level0", *words, "--json"], debug=True) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("batch", [8, [1, 8]])
def test_predictions_are_those_of_the_verb(
    batch: int | list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    frame = qutiperf.predict("resnet50", "TX2", batch=batch, datatype="fp16", model="plain")
    sizes = [batch] if isinstance(batch, int) else batch
    words = ["--topology", "resnet50", "--sut", "TX2", "--datatype", "fp16", "--model", "plain"]
    rows = printed(capsys, "predict", *words, "--batch", ",".join(map(str, sizes)))
    assert isinstance(rows, list)
    mine = json.loads(frame.to_json(orient="records", double_precision=15))
    assert mine == [pytest.approx(row) for row in rows]
    assert frame["batch_size"].tolist() == sizes
    assert str(frame["predicted_latency_ms"].dtype) == "Float64"
    assert str(frame["note"].dtype) == "string"


@pytest.mark.parametrize("network", ["digits-mlp-25-fp32", MODEL, str(MODEL)])
def test_a_network_is_a_workload_or_a_file(network: str | Path) -> None:
    frame = qutiperf.predict(network, "TX2")
    assert frame["datatype"].tolist() == ["fp32"]
    assert (frame["predicted_throughput_ips"] > 0).tolist() == [True]


def test_the_scale_of_a_topology() -> None:
    whole, half = (qutiperf.predict("cnv", "TX2", scale=scale) for scale in (None, 50.0))
    assert half["weights"].tolist() < whole["weights"].tolist()
    assert qutiperf.requirements("cnv", scale=50.0).weights < qutiperf.requirements("cnv").weights


def test_requirements_are_those_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    counted = qutiperf.requirements("cnv", shape={"image": [2, 3, 32, 32]})
    row = printed(capsys, "requirements", "cnv", "--shape", "image=2,3,32,32")
    assert isinstance(row, dict)
    assert (counted.batch, counted.ops, counted.weights) == (2, row["ops"], row["weights"])
    assert len(pandas.DataFrame(counted.layers)) == len(row["layers"])
    assert qutiperf.requirements(MODEL).ops == qutiperf.requirements(str(MODEL)).ops > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"network": "resnet51"}, "no topology or workload named 'resnet51'; did you mean 'resnet50'"),
        ({"network": "nowhere.onnx"}, "nowhere.onnx: there is no such file"),
        ({"network": "cnv", "sut": "TX3"}, "no sut named 'TX3'"),
        ({"network": "cnv", "batch": 0}, "batch: '0' is not a count; use whole numbers from 1 to 1,000,000"),
        ({"network": "cnv", "batch": [1, 2.5]}, "batch: '2.5' is not a count"),
        ({"network": "cnv", "streams": True}, "streams: 'True' is not a count"),
        ({"network": "cnv", "model": "fine"}, "model: no model named 'fine'; did you mean 'refined'"),
        ({"network": "cnv", "operating_mode": "maxx"}, "TX2: no operating mode 'maxx'; did you mean 'max"),
        ({"network": "digits-mlp-25-fp32", "scale": 50.0}, "scale has no effect"),
        ({"network": MODEL, "scale": 50.0}, "scale has no effect"),
    ],
)
def test_wrong_arguments(words: dict[str, object], message: str) -> None:
    with pytest.raises(qutiperf.InputError) as caught:
        qutiperf.predict(**{"sut": "TX2", **words})  # type: ignore[arg-type]  # wrong on purpose
    assert message in str(caught.value)


def test_constants_decide_which_branch_is_counted(tmp_path: Path) -> None:
    path = branches(tmp_path / "m.onnx")
    found = [qutiperf.requirements(path, constant={"rate": rate}).ops for rate in (16000, 8000)]
    assert found == [2 * 4 * 5, 2 * 4 * 8]
    with pytest.raises(qutiperf.InputError, match="constant has no effect: a topology has no branches"):
        qutiperf.requirements("resnet50", constant={"rate": 1})
