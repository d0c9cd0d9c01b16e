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


def test_the_shape_of_a_topology_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("level0", "requirements", "cnv", "--scale", "25", "--json", "--shape", "image=4,3,32,32")
    found = json.loads(run(capsys, *words)[1])
    assert (found["ops"], found["batch"]) == (30_510_848, 4)


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


@pytest.mark.slow
def test_the_published_suite(capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("published", "plain", "refined"):
        out = run(capsys, "level0", "predict", "--suite", "qutibench", "--model", model, "--csv")[1]
        rows = list(csv.DictReader(io.StringIO(out)))
        assert len(rows) == 340
        assert all(float(row["predicted_throughput_ips"]) > 0 for row in rows)


@pytest.mark.slow
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


@pytest.mark.slow
def test_analyses_of_the_published_points(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("correlation", "orthogonality", "quartiles"):
        assert len(json.loads(run(capsys, "analyse", verb, "qutibench", "--json")[1])) > 10
    assert run(capsys, "analyse", "quartiles", "qutibench")[2].startswith(
        "200 of 969 rows are left out: their compute_efficiency_percent would exceed 100 %"
    )
    front = json.loads(run(capsys, "analyse", "pareto", "qutibench", "--task", "mnist", "--json")[1])
    assert len(front) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("level0 requirements none.onnx", "none.onnx: there is no such file"),
        ("level0 requirements cnv.onnx --shape 3", "--shape: '3' is not input=sizes"),
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
            "EdgeTPU: the platform cannot compute fp32; it has int8",
        ),
        ("level0 predict --suite mlperf", "--suite: no suite named 'mlperf'; allowed: qutibench"),
        (
            "level0 fit qutibench --sut cpu-onnxruntime --out x.yaml",
            "qutibench: has no compute throughput of",
        ),
        ("models build cnv --batch 0 --out x.onnx", "cnv: a batch of 0; give 1 to 1,000,000"),
        (
            "models build cnv --batch 1000000001 --out x.onnx",
            "cnv: a batch of 1,000,000,001; give 1 to 1,000",
        ),
        ("models build cnv --scale 1e9 --out x.onnx", "cnv: a channel scale of 1e+09 %; give 0.1 to 1,000 %"),
        ("models build cnv --scale 1e-9 --out x.onnx", "cnv: a channel scale of 1e-09 %; give 0.1 to 1,000"),
        ("models build cnv --scale nan --out x.onnx", "cnv: a channel scale of nan %; give 0.1 to 1,000 %"),
        ("models build cnv --scale inf --out x.onnx", "cnv: a channel scale of inf %; give 0.1 to 1,000 %"),
        ("models build cnv --scale 1000 --out x.onnx", "cnv: has 2.5 GB of weights, an ONNX file holds 2 GB"),
        (
            "models build cnv --seed -1 --out x.onnx",
            "cnv: a seed of -1; give 0 to 18,446,744,073,709,551,615",
        ),
        (
            "models build cnv --seed 18446744073709551616 --out x.onnx",
            "cnv: a seed of 18,446,744,073,709,551",
        ),
        (
            "models build cnv --size 99999999999 --out x.onnx",
            "cnv: an input of 99,999,999,999 pixels; give 1",
        ),
        ("models build cnv --size -1 --out x.onnx", "cnv: an input of -1 pixels; give 1 to 10,000"),
        (
            "level0 predict --topology cnv --sut TX2 --batch 1," + "9" * 30,
            "--batch: '1,999999999999999999999",
        ),
        (
            "level0 predict --topology cnv --sut TX2 --batch " + "9" * 5000,
            "(5,000 characters)' is not a list",
        ),
        ("level0 predict --topology cnv --sut TX2 --batch 1,²", "--batch: '1,²' is not a list of counts; wr"),
        (
            "level0 predict --topology cnv --sut TX2 --streams -1",
            "--streams: '-1' is not a list of counts; w",
        ),
        ("level0 predict --topology cnv --sut TX2 --streams 1025", "write numbers from 1 to 1,024"),
        (
            "level0 predict --topology cnv --sut TX2 --datatype fp7",
            "--datatype: 'fp7' is not a datatype; did",
        ),
        (
            "level0 predict --topology cnv --sut TX2 --datatype int99",
            "allowed: bf16, fp16, fp32, fp4, fp64, ",
        ),
        (
            "level0 predict --topology cnv --sut TX2 --scale 1e300",
            "cnv: a channel scale of 1e+300 %; give 0.",
        ),
        (
            "level0 predict --workload digits-mlp-25-fp32 --scale 50 --sut TX2",
            "--scale has no effect: the chan",
        ),
        (
            "level0 predict --suite qutibench --topology cnv",
            "--topology has no effect: a suite names its own;",
        ),
        (
            "level0 predict --suite qutibench --batch 1",
            "--batch has no effect: a suite names its own; leave ",
        ),
        (
            "level0 predict --suite qutibench --csv --json",
            "--csv and --json are two forms of output; give one",
        ),
        (
            "level0 requirements cnv --csv --json",
            "--csv and --json are two forms of output; give one of them",
        ),
        (
            "level0 requirements cnv.onnx --scale 50",
            "--scale has no effect: the channels of a file are fixed",
        ),
        ("level0 requirements cnv --shape x=1,3,32,32", "cnv: has no input 'x'; allowed: image"),
        (
            "level0 requirements cnv --shape image=1,3,²,32",
            "--shape: 'image=1,3,²,32' is not input=sizes; wr",
        ),
        ("level0 requirements cnv --shape image=1,3,9999999999,32", "is not input=sizes"),
        (
            "level0 requirements cnv --shape image=1,3,32",
            "shape [1, 3, 32] does not fit input 'image'; give 4",
        ),
        ("show x --csv --json", "--json and --csv are two forms of output; give one of them"),
        ("show x --summary --json", "--json and --summary are two forms of output; give one of them"),
        (
            "run quickstart --sut TX2",
            "--sut has no effect: a sweep names its own; use --set, or --model FILE ",
        ),
        ("run quickstart --batch 8", "--batch has no effect: a sweep names its own"),
        ("run quickstart --scenario Offline", "--scenario has no effect: a sweep names its own"),
        ("run quickstart --shape batch,3", "--shape has no effect: a sweep names its own"),
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
