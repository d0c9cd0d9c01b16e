"""The command line: what it prints, and one clear line with the right exit code for bad input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from qutiperf import catalog
from qutiperf.cli import _main
from tests.conftest import FAULTY, SutFile

SweepFile = Callable[..., Path]
LOGS = Path(__file__).parent / "data" / "logs"
MODEL = catalog.root() / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"


def fails(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> str:
    """The one line on standard error of a command that must fail."""
    capsys.readouterr()
    assert _main(arguments, debug=False) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    return line


def workload_text(**changes: str) -> str:
    keys = {
        "dataset": "{name: digits}",
        "file": str(MODEL),
        "sha256": "null",
        "input": "{name: image, dtype: float32, shape: [batch, 1, 8, 8]}",
        "output": "{name: scores, kind: scores}",
        **changes,
    }
    return (
        "kind: workload\nschema_version: 1\nname: mine\ntask: image-classification\n"
        f"dataset: {keys['dataset']}\nmodel:\n  file: {keys['file']}\n  sha256: {keys['sha256']}\n"
        f"  input: {keys['input']}\n  output: {keys['output']}\n"
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["wrokloads=x"], "wrokloads: unknown key; did you mean 'workloads'?"),
        (["repeats=two"], 'repeats: should be a valid integer, not "two"'),
        (["repeats=0"], "repeats: should be greater than or equal to 1, not 0"),
        (
            ["suts=cpu-onnxruntme"],
            "no sut named 'cpu-onnxruntme', and no file of that path; did you mean 'cpu-onnxruntime'?",
        ),
        (["workloads=digits-mlp-12.5-fp33"], "did you mean 'digits-mlp-12.5-fp32'?"),
        (["workloads=digts-*"], "no workload matches 'digts-*'"),
        (
            ["scenarios=SingelStream"],
            "scenarios.0: should be 'SingleStream', 'MultiStream', 'Offline' or 'Server'",
        ),
        (["profile=quick"], "profile: should be 'submission', 'standard' or 'test_run', not \"quick\""),
        (["deployment.batchsize=1"], "deployment.batchsize: unknown parameter; allowed: "),
        (["deployment.batch_size=0"], "deployment.batch_size: 0 is not a whole number >= 1"),
        (["deployment.threads=0"], "deployment.threads: 0 is not a whole number >= 1"),
        (["deployment.streams=-1"], "deployment.streams: -1 is not a whole number >= 1"),
        (["deployment.batch_size=1:x"], "deployment.batch_size: '1:x' is no range; write 1:128:x2 or 1:9:2"),
        (
            ["deployment.operating_mode=maxn"],
            "deployment.operating_mode: 'maxn' is unknown; cpu-onnxruntime has: default",
        ),
        (["deployment.graph_optimization_level=most"], "options.graph_optimization_level: Input should be"),
        (["settings.min_duration_s=0"], "settings.min_duration_s: should be greater than 0, not 0"),
        (["settings.feed_threads=2"], "settings.feed_threads: prepares samples in an end-to-end run"),
        (["nonsense"], "--set: 'nonsense' is not key=value; write --set a.b=1,8,64"),
        (
            ["exclude=[{scenario: '*'}, {workload: '*'}]", "modes=PerformanceOnly"],
            "has no point left to measure",
        ),
    ],
)
def test_wrong_overrides(
    overrides: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = [word for override in overrides for word in ("--set", override)]
    line = fails(capsys, ["run", "quickstart", "--out", str(tmp_path / "out"), *arguments], 2)
    assert message in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "{name: digts}"}, "dataset.name: no dataset 'digts'; did you mean 'digits'?"),
        ({"dataset": "{name: mnist}"}, "dataset mnist: dataset.directory: missing"),
        ({"dataset": "{name: mnist, directory: nowhere}"}, "nowhere: has no t10k-images-idx3-ubyte"),
        ({"dataset": "{name: cifar10, directory: nowhere}"}, "test_batch.bin: cannot be read: No such file"),
        ({"dataset": "{name: imagenet, directory: nowhere}"}, "imagenet"),
        (
            {"input": "{name: image, dtype: float32, shape: [batch, 3, 8, 8]}"},
            "samples of [3, 8, 8], but its images can be [1, 8, 8], [64], [8, 8], [8, 8, 1]",
        ),
        (
            {"input": "{name: image, dtype: float32, shape: [batch, 8, 8, 1]}"},
            "model.input.shape: ['batch', 8, 8, 1], but digits-mlp-12.5-fp32.onnx takes ['batch', 1, 8, 8]",
        ),
        (
            {"input": "{name: picture, dtype: float32, shape: [batch, 1, 8, 8]}"},
            "model.input.name: 'picture', but digits-mlp-12.5-fp32.onnx has ['image']",
        ),
        (
            {"input": "{name: image, dtype: uint8, shape: [batch, 1, 8, 8]}"},
            "model.input.dtype: uint8, but digits-mlp-12.5-fp32.onnx takes float32",
        ),
        (
            {"input": "{name: image, dtype: float31, shape: [batch, 1, 8, 8]}"},
            "model.input.dtype: float31; did you mean 'float32'?",
        ),
        (
            {"input": "{name: image, dtype: float32, shape: [batch, c, 8, 8]}"},
            "only the first dimension may have a name",
        ),
        (
            {"output": "{name: logits, kind: scores}"},
            "model.output.name: 'logits', but digits-mlp-12.5-fp32.onnx has ['scores']",
        ),
        ({"file": "nowhere.onnx"}, "model.file: there is no"),
        ({"sha256": "abc"}, "model.sha256: digits-mlp-12.5-fp32.onnx has "),
    ],
)
def test_wrong_workloads(
    changes: dict[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    sweep_file: SweepFile,
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(workload_text(**changes))
    sweep = sweep_file("cpu-onnxruntime")
    line = fails(capsys, ["run", str(sweep), "--out", str(tmp_path / "out"), "--set", f"workloads={path}"], 2)
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_damaged_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for content in (MODEL.read_bytes()[:-100], b"", b"no model at all, only text"):
        path = tmp_path / "damaged.onnx"
        path.write_bytes(content)
        line = fails(capsys, ["run", "--model", str(path), "--out", str(tmp_path / "out")], 2)
        assert "is no ONNX model, or a" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("adapter", "code", "message"),
    [
        ("onnxruntim", 2, "adapter: 'onnxruntim' is not known; did you mean 'onnxruntime'?"),
        ("none", 2, "adapter: 'none' cannot run"),
        ("nowhere.py:MyAdapter", 2, "adapter: there is no file"),
        (f"{FAULTY}:Godo", 2, "defines no 'Godo'; did you mean 'Good'?"),
        (f"{FAULTY}:NoAdapter", 2, "is no qutiperf.adapters.base.Adapter"),
        (
            f"{FAULTY}:NotInstalled",
            3,
            "its runtime a_runtime_that_nobody_has is not installed; pip install 'qutiperf[npu]'",
        ),
    ],
)
def test_wrong_adapters(
    adapter: str,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    sweep = sweep_file(sut_file(adapter))
    assert message in fails(capsys, ["run", str(sweep), "--out", str(tmp_path / "out")], code)
    assert not (tmp_path / "out").exists()


def test_an_adapter_file_that_cannot_be_imported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    line = fails(capsys, ["run", str(sweep_file(sut_file("broken.py:A"))), "--out", str(tmp_path / "out")], 2)
    assert "broken.py cannot be imported: ModuleNotFoundError: No module named 'no_such_module'" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{latency: 1}", "options.latency: unknown option; did you mean 'latency_us'?"),
        ("{latency_us: fast}", "options.latency_us: Input should be a valid number, not 'fast'"),
        ("{latency_us: -1}", "latencies must be >= 0"),
    ],
)
def test_wrong_options(
    options: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    sweep = sweep_file(sut_file("simulated", extra=f"options: {options}\n"))
    assert message in fails(capsys, ["run", str(sweep), "--out", str(tmp_path / "out")], 2)


def test_files_that_are_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    for text, message in [
        ("kind: sut\n", "kind: is not 'sweep'"),
        (
            "kind: sweep\nschema_version: 2\n",
            "schema_version: 2 is not known; this qutiperf reads schema_version: 1",
        ),
        ("kind: sweep\nkind: sweep\n", "line 2: key 'kind' appears twice; keep one of the two"),
        ("kind: [sweep\n", "not YAML"),
    ]:
        path.write_text(text)
        assert message in fails(capsys, ["run", str(path), "--out", str(tmp_path / "out")], 2)


def test_results_folders_that_cannot_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = fails(capsys, ["run", "quickstart", "--out", str(tmp_path / "file" / "out")], 3)
    assert "cannot be written to: Not a directory; name another with --out" in line
    other = tmp_path / "other"
    other.mkdir()
    (other / "qutiperf-results.json").write_text('{"schema_version":7}')
    assert "has schema_version 7; this qutiperf reads 1" in fails(
        capsys, ["run", "quickstart", "--out", str(other)], 2
    )
    assert "has schema_version 7" in fails(capsys, ["show", str(other)], 2)
    used = tmp_path / "used"
    used.mkdir()
    (used / "thesis.tex").write_text("")
    assert "is no results folder, it holds thesis.tex" in fails(
        capsys, ["run", "quickstart", "--out", str(used)], 2
    )
    assert [path.name for path in used.iterdir()] == ["thesis.tex"]
    assert "is no results folder" in fails(capsys, ["show", str(tmp_path / "none")], 2)
    assert "no such folder" in fails(capsys, ["explain", str(tmp_path / "none")], 2)


def test_rounds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = fails(capsys, ["run", "quickstart", "--round", "v5.1", "--out", str(tmp_path / "out")], 3)
    assert "does not carry the seeds of v5.1; pip install 'mlcommons-loadgen==5.1.2'" in line
    assert "did you mean 'v6.1'?" in fails(capsys, ["run", "quickstart", "--round", "6.1"], 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "name a sweep or --model FILE"),
        (["run", "quickstart", "--model", "m.onnx"], "name a sweep or --model FILE"),
        (["run", "--model", "m.onnx"], "there is no such model file"),
        (["run", "quickstart", "--audit-config", "nowhere"], "there is no such file"),
        (["rnu"], "No such command 'rnu'"),
        (["run", "quickstart", "--sett", "a=1"], "No such option"),
        (["list", "sutz"], "nothing named 'sutz' to list; did you mean 'suts'?"),
    ],
)
def test_wrong_words(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in fails(capsys, arguments, 2)


def model(path: Path, shape: list[int | str], inputs: int = 1) -> Path:
    """An ONNX model that adds its inputs and takes the mean over all but the batch."""
    names = [f"x{number}" for number in range(inputs)]
    nodes = [helper.make_node("Sum", names, ["sum"]), helper.make_node("Flatten", ["sum"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


QUICK = ["--set", "settings.min_duration_s=0.1", "--set", "deployment.threads=1", "--json"]


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
    assert (
        _main(["run", "--model", str(path), "--out", str(tmp_path / "out"), *more, *QUICK], debug=True) == 0
    )
    rows = json.loads(capsys.readouterr().out)
    assert [row["batch_size"] for row in rows] == batches
    assert {(row["valid"], row["top1_percent"]) for row in rows} == {(True, None)}


def test_models_that_cannot_be_fed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = model(tmp_path / "two.onnx", ["batch", 3], inputs=2)
    assert "has 2 inputs ['x0', 'x1']" in fails(capsys, ["run", "--model", str(two)], 2)
    opened = model(tmp_path / "open.onnx", ["batch", "channels", 8])
    line = fails(capsys, ["run", "--model", str(opened)], 2)
    assert "input 'x0' leaves sizes open: batch,channels,8; add --shape x0=batch,..." in line
    wrong = fails(capsys, ["run", "--model", str(opened), "--shape", "x0=batch,3,9"], 2)
    assert "the file says ['batch', 'channels', 8]" in wrong
    assert "no input 'x'" in fails(capsys, ["run", "--model", str(opened), "--shape", "x=batch,3,8"], 2)
    fixed = model(tmp_path / "fixed.onnx", [2, 3])
    assert "batch_size 8: the model takes 2 inputs at a time" in fails(
        capsys, ["run", "--model", str(fixed), "--batch", "8"], 2
    )


def test_show_in_every_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sweep_file: SweepFile
) -> None:
    out = tmp_path / "out"
    assert _main(["run", str(sweep_file("cpu-onnxruntime")), "--out", str(out)], debug=True) == 0
    printed = capsys.readouterr().out
    assert "digits-mlp-12.5-fp32" in printed
    assert "2 of 2" in printed
    assert "Result not verified by MLCommons Association." in printed
    assert _main(["show", str(out), "--json"], debug=True) == 0
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
    assert _main(["show", str(out), "--csv"], debug=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].split(",") == list(rows[0])
    assert _main(["show", str(out), "--summary"], debug=True) == 0
    assert "2 of 2" in capsys.readouterr().out
    assert _main(["show", str(out)], debug=True) == 0
    assert "Offline" in capsys.readouterr().out
    assert _main(["explain", str(out), "--all"], debug=True) == 0
    assert "500 samples answered" in capsys.readouterr().out


def test_explain_anybodys_logs(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain", str(LOGS / "single_stream_early_stopping")], debug=True) == 0
    assert "INVALID" in capsys.readouterr().out
    assert _main(["explain", str(LOGS), "--json"], debug=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(list(LOGS.iterdir()))
    assert _main(["explain", str(LOGS)], debug=True) == 0
    assert "runs are valid and undisturbed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "kind", ["suts", "workloads", "scenarios", "sweeps", "datasets", "adapters", "rounds"]
)
def test_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["list", kind, "--json"], debug=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert _main(["list", kind], debug=True) == 0
    assert all(str(row["name"]) in capsys.readouterr().out for row in rows[:1])


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["doctor", "--json"], debug=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["loadgen"]["version"] is not None
    assert {adapter["name"] for adapter in report["adapters"]} >= {"onnxruntime", "simulated"}
    assert _main(["doctor"], debug=True) == 0
    assert "LoadGen" in capsys.readouterr().out


def test_exported_files_can_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine"
    assert _main(["export", str(mine)], debug=True) == 0
    assert {path.name for path in mine.iterdir()} == {"scenarios", "sut", "audit", "reports"}
    assert "exists already" in fails(capsys, ["export", str(mine)], 2)
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
    assert _main(["run", str(sweep), "--out", str(tmp_path / "out"), *more, *QUICK], debug=True) == 0
    assert [row["valid"] for row in json.loads(capsys.readouterr().out)] == [True, True]


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
        "import sys; from qutiperf.cli import _main; _main(['--help'], debug=True);"
        "print(sorted({'numpy', 'onnx', 'onnxruntime', 'mlperf_loadgen', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_unknown_is_an_empty_cell(capsys: pytest.CaptureFixture[str]) -> None:
    from qutiperf.cli import console

    console.out_csv([{"a": None, "b": 0.0, "c": ["x", "y"], "d": np.float32(1).item()}])
    assert capsys.readouterr().out == "a,b,c,d\n,0.0,x; y,1.0\n"
