"""`qutiperf plan`, `run --dry-run` and `--only`: nothing is measured or written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main
from tests.conftest import fails

SweepFile = Callable[..., Path]
SHORT = ["--set", "workloads=digits-mlp-25-fp32", "--set", "deployment.threads=1"]


def plan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str
) -> dict[str, list[dict[str, object]]]:
    out = tmp_path / "out"
    assert main(["plan", "quickstart", "--out", str(out), *SHORT, *words, "--json"], debug=True) == 0
    assert not out.exists()
    data: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return data


def test_a_row_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = plan(capsys, tmp_path)
    assert len(data["runs"]) == 8
    assert data["runs"][0]["mode"] == "AccuracyOnly"
    assert {row["done"] for row in data["runs"]} == {False}
    assert data["skipped"] == []


def test_only_chooses_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    chosen = plan(capsys, tmp_path, "--only", "scenario=offline", "--only", "batch_size=8,64")["runs"]
    assert sorted((row["mode"], row["batch_size"]) for row in chosen) == [
        ("AccuracyOnly", 64),
        ("PerformanceOnly", 8),
        ("PerformanceOnly", 64),
    ]
    [one] = plan(capsys, tmp_path, "--only", f"run_id={chosen[1]['run_id']}")["runs"]
    assert one == {**chosen[1], "load": 1}


def test_the_table_of_a_dry_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = [
        "run",
        "quickstart",
        "--dry-run",
        "--out",
        str(tmp_path / "out"),
        *SHORT,
        "--only",
        "mode=perf*",
    ]
    assert main(arguments, debug=True) == 0
    text = capsys.readouterr().out
    assert "all: sut cpu-onnxruntime, threads 1, streams 1, mode default" in text
    assert "MultiStream batch 1,8,64; Offline batch 1,8,64; SingleStream batch 1" in text
    assert "7 runs in 1 load of a model, 0 done; the rest takes about" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("batch_size", "'batch_size' is not KEY=VALUE; scenario=Offline, batch_size=8,16"),
        ("=8", "'=8' is not KEY=VALUE"),
        ("batch_size=,", "'batch_size=,' is not KEY=VALUE"),
        ("batchsize=8", "unknown key 'batchsize'; did you mean 'batch_size'?"),
        ("batch_size=9", "no run has batch_size=9; the sweep has: 64, "),
    ],
)
def test_wrong_conditions(
    condition: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["plan", "quickstart", "--out", str(tmp_path), *SHORT, "--only", condition]
    assert f"--only: {message}" in fails(capsys, arguments, 2)


def test_conditions_that_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--only", "mode=accuracy*", "--only", "scenario=singlestream"]
    assert "no run matches all conditions" in fails(capsys, ["plan", "quickstart", *SHORT, *words], 2)


def test_impossible_points_are_skipped_with_the_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """LiteRT loads the TFLite file of one workload; the other has none."""
    topology = tmp_path / "built.yaml"
    topology.write_text(
        "kind: workload\nschema_version: 1\nname: built\ntask: none\ndataset: {name: synthetic, count: 8}\n"
        "model:\n  topology: {name: mlp, channel_scale_percent: 12.5}\n"
        "  input: {name: input, dtype: float32, shape: [batch, 784]}\n"
        "  output: {name: output, kind: scores}\n"
    )
    both = ["--set", f"workloads=[digits-mlp-25-fp32, {topology}]", "--set", "suts=cpu-litert"]
    data = plan(capsys, tmp_path, *both)
    assert {row["workload"] for row in data["runs"]} == {"digits-mlp-25-fp32"}
    assert [str(line) for line in data["skipped"]] == [
        "7 points are skipped: built: model: the adapter does not load a topology, which is built as ONNX; "
        "it loads .tflite"
    ]
    alone = ["--set", f"workloads={topology}", "--set", "suts=cpu-litert"]
    line = fails(capsys, ["plan", "quickstart", *SHORT, *alone], 2)
    assert "the adapter does not load a topology" in line


@pytest.mark.slow
def test_chosen_runs_are_measured_once_more_with_again(
    sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(sweep_file("cpu-onnxruntime")), "--out", str(tmp_path / "out"), "--json"]
    chosen = [*arguments, "--only", "mode=performance*"]
    for words, attempts in ((chosen, [1]), (chosen, [1]), ([*chosen, "--again"], [2]), (arguments, [1, 2])):
        assert main(words, debug=True) == 0
        rows = json.loads(capsys.readouterr().out)
        assert sorted(row["attempt"] for row in rows) == attempts
