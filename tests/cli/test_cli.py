"""The command line: what each verb prints."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf.cli import main
from tests.conftest import SutFile, fails
from tests.places import LOGS

SweepFile = Callable[..., Path]


def test_without_a_verb_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code in (([], 0), (["level0"], 2)):
        assert main(arguments, debug=False) == code
        captured = capsys.readouterr()
        assert captured.out.lstrip().startswith("Usage: ")
        assert captured.err == ""


def model(path: Path, shape: list[int | str], inputs: int = 1, outputs: int = 1) -> Path:
    """An ONNX model that adds its inputs and takes the mean over all but the batch."""
    names = [f"x{number}" for number in range(inputs)]
    nodes = [helper.make_node("Sum", names, ["sum"]), helper.make_node("Flatten", ["sum"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)] * outputs,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


EMPTY = "sizes are at least 1, and the batch may be a name"
QUICK = ["--set", "settings.min_duration_s=0.1", "--set", "deployment.threads=1", "--json"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "more", "batches"),
    [
        (["batch", 3, 4], ["--batch", "1,8"], [1, 1, 8]),
        (["n", 3, "width"], ["--shape", "x0=batch,3,4"], [1, 1]),
        ([4, 3], ["--batch", "1,4"], [1, 1, 4]),
    ],
)
def test_a_model_of_ones_own(
    shape: list[int | str],
    more: list[str],
    batches: list[int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = model(tmp_path / "mine.onnx", shape)
    assert main(["run", "--model", str(path), "--out", str(tmp_path / "out"), *more, *QUICK], debug=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["batch_size"] for row in rows] == batches
    assert {(row["valid"], row["top1_percent"]) for row in rows} == {(True, None)}


@pytest.mark.parametrize(
    ("shape", "tensors", "more", "message"),
    [
        (["batch", 3], (0, 1), [], "has no input; export it with its inputs and outputs named"),
        (["batch", 3], (1, 0), [], "has no output; export it with its inputs and outputs named"),
        (["batch", 0], (1, 1), [], f"input 'x0' has an empty dimension: batch,0; {EMPTY}"),
        ([0, 3], (1, 1), [], f"input 'x0' has an empty dimension: 0,3; {EMPTY}"),
        (["n", "c"], (1, 1), ["--shape", "n,0"], f"input 'x0' has an empty dimension: n,0; {EMPTY}"),
        (["n", "c"], (1, 1), ["--shape", "0,3"], f"input 'x0' has an empty dimension: 0,3; {EMPTY}"),
        (
            ["n", "c"],
            (1, 1),
            [],
            "input 'x0' leaves sizes open: n,c; give them, for instance --shape x0=batch,16",
        ),
        (
            ["n", 8],
            (1, 1),
            ["--shape", "n,9"],
            "--shape n,9: the file has n,8; fill in its open sizes: --shape x0",
        ),
        (["n", 8], (1, 1), ["--shape", "x=n,8"], "--shape: no input 'x'; did you mean 'x0'? allowed: x0"),
        (
            [2, 3],
            (1, 1),
            ["--batch", "8", "--scenario", "Offline"],
            "batch_size 8: the model takes 2 inputs at a time; use batch_size up",
        ),
    ],
)
def test_models_that_cannot_be_fed(
    shape: list[int | str],
    tensors: tuple[int, int],
    more: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = model(tmp_path / "mine.onnx", shape, *tensors)
    line = fails(capsys, ["run", "--model", str(path), "--out", str(tmp_path / "out"), *more], 2)
    where = "mine" if more[:1] == ["--batch"] else str(path)
    assert line.startswith(f"qutiperf: {where}: {message}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.onnx"]


@pytest.mark.slow
def test_show_in_every_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sweep_file: SweepFile
) -> None:
    out = tmp_path / "out"
    assert main(["run", str(sweep_file("cpu-onnxruntime")), "--out", str(out)], debug=True) == 0
    printed = capsys.readouterr().out
    assert "digits-mlp-12.5-fp32" in printed
    assert "2 of 2" in printed
    assert "Result not verified by MLCommons Association." in printed
    assert main(["show", str(out), "--json"], debug=True) == 0
    rows = json.loads(capsys.readouterr().out)
    expected = {
        "run_id",
        "sut",
        "workload",
        "scenario",
        "mode",
        "batch_size",
        "threads",
        "streams",
        "operating_mode",
        "valid",
        "quality",
        "reasons",
        "system_latency_p99_9_ms",
        "compute_throughput_ips",
        "ips_per_watt",
        "utilisation_percent",
    }
    assert all(expected <= set(row) for row in rows)
    assert main(["show", str(out), "--csv"], debug=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].split(",") == list(rows[0])
    assert main(["show", str(out), "--summary"], debug=True) == 0
    assert "2 of 2" in capsys.readouterr().out
    assert main(["show", str(out)], debug=True) == 0
    assert "Offline" in capsys.readouterr().out
    assert main(["explain", str(out), "--all"], debug=True) == 0
    assert "500 samples answered" in capsys.readouterr().out


def test_explain_anybodys_logs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(LOGS / "single_stream_early_stopping")], debug=True) == 0
    assert "INVALID" in capsys.readouterr().out
    assert main(["explain", str(LOGS), "--json"], debug=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(list(LOGS.iterdir()))
    assert main(["explain", str(LOGS)], debug=True) == 0
    assert "7 of 23 runs are valid and undisturbed (--all shows them)." in capsys.readouterr().out


def test_list_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"], debug=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == [
        "suts",
        "workloads",
        "scenarios",
        "sweeps",
        "datasets",
        "adapters",
        "meters",
        "rounds",
        "audits",
        "microbench",
    ]
    assert [row["name"] for row in found["datasets"]] == [
        "cifar10",
        "digits",
        "imagenet",
        "mnist",
        "npz",
        "rehearsal",
        "synthetic",
    ]


@pytest.mark.parametrize(
    "kind", ["suts", "workloads", "scenarios", "sweeps", "datasets", "adapters", "meters", "rounds"]
)
def test_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind, "--json"], debug=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert main(["list", kind], debug=True) == 0
    assert all(str(row["name"]) in capsys.readouterr().out for row in rows[:1])


@pytest.mark.slow
def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"], debug=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["loadgen"]["version"] is not None
    assert {adapter["name"] for adapter in report["adapters"]} >= {"onnxruntime", "simulated"}
    meters = {meter["name"]: meter["verified"] for meter in report["power_meters"]}
    assert (meters["rapl"], meters["nvml"], meters["command"]) == ("replayed", "untried", "real")
    assert set(report["surroundings"]) >= {"temperature_c", "steal_percent", "memory_pressure_percent"}
    assert main(["doctor"], debug=True) == 0
    assert "LoadGen" in capsys.readouterr().out


@pytest.mark.slow
def test_doctor_without_loadgen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "mlcommons-loadgen":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert main(["doctor", "--json"], debug=True) == 3
    assert json.loads(capsys.readouterr().out)["loadgen"] is None
    assert main(["doctor"], debug=True) == 3
    assert "missing: pip install mlcommons-loadgen" in capsys.readouterr().out


@pytest.mark.slow
def test_quiet_prints_results_alone(tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile) -> None:
    sweep = sweep_file(sut_file("simulated"), extra="modes: [PerformanceOnly]\n")
    words = ["run", str(sweep), "--out", str(tmp_path / "out"), "--json"]
    for quiet, silent in (["--quiet"], True), ([], False):
        command = [sys.executable, "-m", "qutiperf", *quiet, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert [row["valid"] for row in json.loads(done.stdout)] == [True]
        assert (done.stderr == "") == silent


@pytest.mark.slow
def test_exported_files_can_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine"
    assert main(["export", str(mine)], debug=True) == 0
    assert {path.name for path in mine.iterdir()} == {"scenarios", "sut", "audit", "reports"}
    assert "exists already" in fails(capsys, ["export", str(mine)], 2)
    (tmp_path / "file").write_text("")
    for below in (tmp_path / "file", tmp_path / "file/deeper"):
        line = fails(capsys, ["export", str(below)], 3)
        assert line == f"qutiperf: {below}: cannot be written to: Not a directory; name another"
    sweep = mine / "scenarios/sweeps/quickstart.yaml"
    workload = mine / "scenarios/workloads/digits-mlp-12.5-int4.yaml"
    more = [
        "--set",
        f"workloads={workload}",
        "--set",
        "scenarios=Offline",
        "--set",
        "deployment.batch_size=8",
    ]
    assert main(["run", str(sweep), "--out", str(tmp_path / "out"), *more, *QUICK], debug=True) == 0
    assert [row["valid"] for row in json.loads(capsys.readouterr().out)] == [True, True]


@pytest.mark.slow
def test_the_program_itself() -> None:
    def program(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "qutiperf", *words], capture_output=True, text=True, check=False
        )

    assert program("--version").stdout == "qutiperf 0.1.0\n"
    wrong = program("show", "nowhere")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert "Traceback" in program("show", "nowhere", "--debug").stderr
    assert "Usage" in program("run", "--help").stdout


def test_help_imports_no_runtime() -> None:
    code = (
        "import sys; from qutiperf.cli import main; main(['--help'], debug=True);"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'pandas', 'pydantic', 'mlperf_loadgen'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_unknown_is_an_empty_cell(capsys: pytest.CaptureFixture[str]) -> None:
    from qutiperf.cli import console

    console.out_csv([{"a": None, "b": 0.0, "c": ["x", "y"], "d": np.float32(1).item()}])
    assert capsys.readouterr().out == "a,b,c,d\n,0.0,x; y,1.0\n"


def test_a_wide_table_keeps_its_columns_whole(capsys: pytest.CaptureFixture[str]) -> None:
    from qutiperf.cli import console

    long = "the clock fell to 3.5 GHz while other programs took 37 % of the cores"
    console.table("", [f"figure {number} ms" for number in range(24)] + ["quality"], [[*range(24), long]])
    lines = capsys.readouterr().out.splitlines()
    heading = " ".join(lines)
    assert all(heading.count(word) >= 1 for word in ("quality", "23", "ms"))
    assert heading.count("figure") == 24
    assert set(long.split()) <= set(heading.split())
