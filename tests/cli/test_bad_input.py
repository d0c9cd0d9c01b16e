"""Bad input on the command line: one clear line, the right exit code, nothing written."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.spec import catalog
from tests.conftest import FAULTY, SutFile, fails

SweepFile = Callable[..., Path]
MODEL = catalog.root() / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"


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
        (["workloads=[]"], "quickstart.yaml: workloads: should not be empty, not []"),
        (["repeats=0"], "repeats: should be greater than or equal to 1, not 0"),
        (
            ["suts=cpu-onnxruntme"],
            "no sut named 'cpu-onnxruntme', and no file with that path; did you mean 'cpu-onnxruntime'?",
        ),
        (["workloads=digits-mlp-12.5-fp33"], "did you mean 'digits-mlp-12.5-fp32'?"),
        (["workloads=digts-*"], "no workload and no file matches 'digts-*'"),
        (
            ["scenarios=SingelStream"],
            "scenarios.0: should be 'SingleStream', 'MultiStream', 'Offline' or 'Server'",
        ),
        (["profile=quick"], "profile: should be 'submission', 'standard' or 'test_run', not \"quick\""),
        (
            ["deployment.batchsize=1"],
            "quickstart: deployment.batchsize: cpu-onnxruntime (onnxruntime) has no such parameter; did ",
        ),
        (["deployment.batch_size=0"], "deployment.batch_size: 0 is not a whole number >= 1"),
        (["deployment.threads=0"], "deployment.threads: 0 is not a whole number >= 1"),
        (["deployment.streams=-1"], "deployment.streams: -1 is not a whole number >= 1"),
        (
            ["deployment.batch_size=1:x"],
            "deployment.batch_size: '1:x' is not a range; write 1:128:x2 or 1:9:2",
        ),
        (
            ["deployment.batch_size=8:1"],
            "deployment.batch_size: '8:1' is not a range; write 1:128:x2 or 1:9:2",
        ),
        (["deployment.batch_size=[]"], "deployment.batch_size: has no value; name at least one"),
        (["exclude=[{scenari: Offline}]"], "exclude.0.scenari: unknown key; did you mean 'scenario'?"),
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
            "model.input.dtype: float31, but digits-mlp-12.5-fp32.onnx takes float32; did you mean 'flo",
        ),
        (
            {"input": "{name: image, dtype: float32, shape: [batch, c, 8, 8]}"},
            "only the batch may have a name, the other dimensions are positive numbers",
        ),
        (
            {"output": "{name: logits, kind: scores}"},
            "model.output.name: 'logits', but digits-mlp-12.5-fp32.onnx has ['scores']",
        ),
        ({"file": "nowhere.onnx"}, "/nowhere.onnx: there is no such file"),
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


def test_damaged_files_of_a_workload(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sweep_file: SweepFile
) -> None:
    """Named relative to the workload file."""
    (tmp_path / "cut.onnx").write_bytes(MODEL.read_bytes()[:-100])
    (tmp_path / "data").mkdir()
    (tmp_path / "data/test_batch.bin").write_bytes(bytes(3072))
    path, out = tmp_path / "mine.yaml", tmp_path / "out"
    arguments = ["run", str(sweep_file("cpu-onnxruntime")), "--out", str(out), "--set", f"workloads={path}"]
    path.write_text(workload_text(file="cut.onnx"))
    assert f"{tmp_path / 'cut.onnx'}: is not a model, or is damaged; export or convert it again" in fails(
        capsys, arguments, 2
    )
    path.write_text(workload_text(dataset="{name: cifar10, directory: data}"))
    assert "data/test_batch.bin: has 3072 bytes, which is not a multiple of 3073" in fails(
        capsys, arguments, 2
    )
    assert not out.exists()


def test_a_damaged_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for content in (MODEL.read_bytes()[:-100], b"", b"no model at all, only text"):
        path = tmp_path / "damaged.onnx"
        path.write_bytes(content)
        line = fails(capsys, ["run", "--model", str(path), "--out", str(tmp_path / "out")], 2)
        assert re.search(r"is not an? (ONNX )?model, or ", line)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("adapter", "code", "message"),
    [
        ("onnxruntim", 2, "adapter: 'onnxruntim' is not known; did you mean 'onnxruntime'?"),
        ("none", 2, "adapter: 'none' cannot run"),
        ("nowhere.py:MyAdapter", 2, "nowhere.py: there is no such file"),
        (f"{FAULTY}:Godo", 2, "defines no 'Godo'; did you mean 'Good'?"),
        (f"{FAULTY}:NoAdapter", 2, "is not a qutiperf.adapters.base.Adapter"),
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


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (:", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("raise RuntimeError('no\\ndriver')", "RuntimeError: no driver"),
        ("import sys; sys.exit(7)", "SystemExit: 7"),
    ],
)
def test_an_adapter_file_that_cannot_be_imported(
    code: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    (tmp_path / "broken.py").write_text(code + "\n")
    line = fails(capsys, ["run", str(sweep_file(sut_file("broken.py:A"))), "--out", str(tmp_path / "out")], 2)
    assert f"broken.py cannot be imported: {message}" in line
    assert not (tmp_path / "out").exists()


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


@pytest.mark.slow
def test_results_folders_that_cannot_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = fails(capsys, ["run", "quickstart", "--out", str(tmp_path / "file" / "out")], 3)
    assert "cannot be written to: Not a directory; name another folder with --out" in line
    other = tmp_path / "other"
    other.mkdir()
    (other / "qutiperf-results.json").write_text('{"schema_version":7}')
    assert "has schema_version 7; this qutiperf reads 1" in fails(
        capsys, ["run", "quickstart", "--out", str(other)], 2
    )
    assert "has schema_version 7" in fails(capsys, ["show", str(other)], 2)
    (other / "qutiperf-results.json").write_bytes(b"\xff\xfe")
    assert "qutiperf-results.json: is damaged; `qutiperf run` into this folder rewrites it" in fails(
        capsys, ["show", str(other)], 2
    )
    assert [path.name for path in other.iterdir()] == ["qutiperf-results.json"]
    used = tmp_path / "used"
    used.mkdir()
    (used / "thesis.tex").write_text("")
    assert "is not a results folder; it contains thesis.tex" in fails(
        capsys, ["run", "quickstart", "--out", str(used)], 2
    )
    assert [path.name for path in used.iterdir()] == ["thesis.tex"]
    (used / ".staging/1-left").mkdir(parents=True)
    assert "it contains thesis.tex" in fails(capsys, ["run", "quickstart", "--out", str(used)], 2)
    assert "is not a results folder" in fails(capsys, ["show", str(tmp_path / "none")], 2)
    assert "no such folder" in fails(capsys, ["explain", str(tmp_path / "none")], 2)


@pytest.mark.slow
def test_rounds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = fails(capsys, ["run", "quickstart", "--round", "v5.1", "--out", str(tmp_path / "out")], 3)
    assert "does not carry the seeds of v5.1; pip install 'mlcommons-loadgen==5.1.2'" in line
    assert "did you mean 'v6.1'?" in fails(capsys, ["run", "quickstart", "--round", "6.1"], 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "name a sweep or --model FILE"),
        (["run", "quickstart", "--model", "m.onnx"], "name a sweep or --model FILE"),
        (["run", "--model", "m.onnx"], "m.onnx: there is no such file"),
        (["run", "--model", "m.tflite"], "m.tflite: there is no such file"),
        (["run", "--model", "m.pb"], "its inputs cannot be read; --model takes .onnx and .tflite"),
        (
            ["run", "quickstrat"],
            "no sweep named 'quickstrat', and no file with that path; did you mean 'quick",
        ),
        (["run", "quickstart", "--profile", "fast"], "profile: should be 'submission', 'standard' or 'test_"),
        (["show"], "Missing argument 'results'"),
        (["doctor", "now"], "unexpected extra argument"),
        (["run", "quickstart", "--audit-config", "nowhere"], "there is no such file"),
        (["rnu"], "No such command 'rnu'"),
        (["run", "quickstart", "--sett", "a=1"], "No such option"),
        (
            ["run", "quickstart", "--out", "a", "--out=b"],
            "qutiperf: --out is given twice; it takes one v",
        ),
        (
            ["run", "--model", "m.onnx", "--batch", "1", "--batch", "8"],
            "--batch is given twice; it takes",
        ),
        (["level0", "predict", "--batch", "1", "--batch", "8"], "--batch is given twice"),
        (["adapter", "test", "x", "--workload", "a", "--workload", "b"], "--workload is given twice"),
        (["audit", "results/typo"], "results/typo: is neither a results folder nor the file of a sweep"),
        (["list", "sutz"], "nothing named 'sutz' to list; did you mean 'suts'?"),
    ],
)
def test_wrong_words(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in fails(capsys, arguments, 2)


def test_options_that_may_be_given_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """Repeatable ones, flags, and values that look like an option."""
    words = ["--set", "repeats=1", "--set", "repeats=0", "--json", "--json", "--out", "--out"]
    assert "repeats: should be greater than or equal to 1" in fails(capsys, ["run", "quickstart", *words], 2)
    assert "--scale is given twice" in fails(
        capsys, ["level0", "requirements", "cnv", *["--scale", "1"] * 2], 2
    )


LONG = "x" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", LONG],
        ["explain", LONG],
        ["analyse", "pareto", LONG],
        ["run", LONG + ".yaml"],
        ["run", "quickstart", "--out", LONG],
        ["run", "quickstart", "--audit-config", LONG],
        ["run", "--model", LONG + ".onnx"],
        ["export", LONG],
        ["export", "--device", LONG],
        ["adapter", "new", "mine", "--folder", LONG],
        ["adapter", "test", "cpu-onnxruntime", "--out", LONG],
        ["calibrate", "cpu-onnxruntime", "--out", LONG],
        ["level0", "fit", LONG, "--sut", "TX2", "--out", "x.yaml"],
        ["level0", "requirements", LONG],
        ["level0", "predict", "--sut", "TX2", "--onnx", LONG],
        ["models", "build", "mlp", "--scale", "1", "--out", LONG],
    ],
)
def test_names_that_no_file_can_have(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too long, with a NUL, and with bytes that are not UTF-8 as Python passes them on."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments, debug=False) in (2, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert len(captured.err) < 2100
    for name, shown in (("a\0b", r"a\x00b"), ("a\udcffb", r"a\udcffb")):
        line = fails(capsys, [word.replace(LONG, name) for word in arguments], 2)
        assert shown in line
        assert line.endswith("contains a NUL or bytes that are not UTF-8; rename it")
    assert list(tmp_path.iterdir()) == []


def test_a_command_of_an_operating_mode_with_a_nul(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    device = sut_file("simulated", extra='operating_modes: {default: {enter: ["true\\0"]}}\n')
    line = fails(capsys, ["run", str(sweep_file(device)), "--out", str(tmp_path / "out")], 2)
    assert line == f"qutiperf: {device}: line 7: the text holds a NUL or half a character (a lone surrogate)"
    assert not (tmp_path / "out").exists()
