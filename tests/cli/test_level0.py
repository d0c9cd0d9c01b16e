"""The level-0 verbs end to end: what they print, and one-line errors with their exit code."""

import csv
import io
import json
from pathlib import Path

import pytest

from qutiperf.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments), False)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_requirements_of_a_built_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cnv.onnx"
    assert run(capsys, "models", "build", "cnv", "--scale", "25", "--out", str(path))[0] == 0
    code, out, _ = run(capsys, "level0", "requirements", str(path), "--shape", "image=4,3,32,32", "--json")
    found = json.loads(out)
    assert (code, found["ops"], found["weights"], found["batch"]) == (0, 30_510_848, 387_424, 4)
    assert found["training_ops"] == 3 * 30_510_848 + 387_424
    rows = list(csv.DictReader(io.StringIO(run(capsys, "level0", "requirements", str(path), "--csv")[1])))
    assert sum(float(row["ops"]) for row in rows) == 30_510_848
    assert "unknown_operators" in run(capsys, "level0", "requirements", str(path))[1]


def test_predictions_in_three_forms(capsys: pytest.CaptureFixture[str]) -> None:
    question = (
        "level0",
        "predict",
        "--topology",
        "cnv",
        "--sut",
        "NCS",
        "--datatype",
        "fp16",
        "--batch",
        "1,8",
    )
    found = json.loads(run(capsys, *question, "--json")[1])
    assert [row["batch_size"] for row in found] == [1, 8]
    assert found[0]["low_throughput_ips"] < found[0]["predicted_throughput_ips"]
    rows = list(csv.DictReader(io.StringIO(run(capsys, *question, "--csv", "--model", "plain")[1])))
    # memory bound: 12.8 GB/s over 6,157,696 weights of 2 bytes
    assert float(rows[0]["predicted_throughput_ips"]) == pytest.approx(12.8e9 / (2 * 6_157_696))
    assert rows[0]["bound"] == "memory"
    assert "refined" in run(capsys, *question)[1]


def test_the_published_suite(capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("published", "plain", "refined"):
        out = run(capsys, "level0", "predict", "--suite", "qutibench", "--model", model, "--csv")[1]
        rows = list(csv.DictReader(io.StringIO(out)))
        assert len(rows) == 340
        assert all(float(row["predicted_throughput_ips"]) > 0 for row in rows)


def test_fit_writes_a_system_that_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    code, out, _ = run(capsys, "level0", "fit", "qutibench", "--sut", "EdgeTPU", "--out", str(path))
    assert code == 0
    assert "14 points of 6 networks" in out
    question = (
        "level0",
        "predict",
        "--topology",
        "mobilenet",
        "--datatype",
        "int8",
        "--sut",
        str(path),
        "--json",
    )
    (found,) = json.loads(run(capsys, *question)[1])
    assert found["sut"] == "EdgeTPU-fitted"
    assert found["interval_factor"] > 1


def test_analyses_of_the_published_points(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("correlation", "orthogonality", "quartiles"):
        assert len(json.loads(run(capsys, "analyse", verb, "qutibench", "--json")[1])) > 10
    front = json.loads(run(capsys, "analyse", "pareto", "qutibench", "--task", "mnist", "--json")[1])
    assert len(front) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("level0 requirements none.onnx", "none.onnx: no such file"),
        ("level0 requirements cnv.onnx --shape 3", "--shape: '3' is not name=sizes"),
        ("level0 predict --sut TX2", "what to predict?; give one of --workload"),
        ("level0 predict --topology cnv", "on what?; give --sut"),
        ("level0 predict --topology cvn --sut TX2", "no topology named 'cvn'; did you mean 'cnv'"),
        ("level0 predict --topology cnv --sut TX2 --batch 0", "--batch: '0' is not a list of counts"),
        (
            "level0 predict --topology cnv --sut TX2 --mode maxx",
            "TX2: no operating mode 'maxx'; did you mean 'max",
        ),
        (
            "level0 predict --topology cnv --sut TX2 --model fine",
            "--model: no model named 'fine'; did you mean",
        ),
        (
            "level0 predict --topology cnv --sut EdgeTPU",
            "EdgeTPU: the platform cannot carry fp32; it has int8",
        ),
        ("level0 predict --suite mlperf", "--suite: no suite named 'mlperf'; allowed: qutibench"),
        (
            "level0 fit qutibench --sut cpu-onnxruntime --out x.yaml",
            "qutibench: holds no compute throughput of",
        ),
        ("models build cnv --batch 0 --out x.onnx", "--batch: a batch of 0; give 1 or more"),
        ("models build cnv --out nowhere/x.onnx", "nowhere/x.onnx: cannot be written"),
        ("analyse pareto qutibench --figures top1_percent", "--figures: 'top1_percent' is one figure"),
        ("analyse pareto qutibench --task speech", "qutibench: no row of task 'speech'"),
        ("calibrate TX2 --out x.yaml", "TX2: is a gpu: only this host can be measured"),
    ],
)
def test_bad_input_is_one_line(
    arguments: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments.split())
    assert code in {2, 3}
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert list(tmp_path.iterdir()) == []
