"""What runs on a device: its flags, its configuration, and the one file that holds it all."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.device.configuration import Configuration, read_configuration, to_json
from qutiperf.device_file import _sources
from qutiperf.errors import InputError
from tests.adapters.test_network import DIGITS
from tests.conftest import FAULTY, SutFile, fails


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 2, "nothing to serve; give --config, or --adapter, --model, --input, --output"),
        (
            ["--adapter", "nope", "--input", "I", "--output", "y"],
            2,
            "adapter: 'nope' is not known; litert, onnxr",
        ),
        (["--adapter", "simulated"], 2, "model.input_name is not given; give --input"),
        (["--adapter", "simulated", "--input", "{", "--output", "y"], 2, "--input: is not JSON"),
        (
            ["--adapter", "simulated", "--input", "I", "--output", "y", "--options", '{"a": 1}'],
            2,
            "options.a",
        ),
        (
            ["--adapter", "simulated", "--input", "I", "--output", "y", "--options", '{"classes": "x"}'],
            2,
            "options.classes: 'x' is not of type int",
        ),
        (
            ["--adapter", "simulated", "--input", "I", "--output", "y", "--token-file", "none"],
            2,
            "token_file",
        ),
        (["--adapter", "none.py:A", "--input", "I", "--output", "y"], 2, "there is no file none.py"),
        (
            ["--adapter", "simulated", "--input", "I", "--output", "y", "--host", "192.0.2.1"],
            3,
            "cannot listen",
        ),
    ],
)
def test_wrong_flags_of_the_device(flags: list[str], code: int, message: str) -> None:
    shape = json.dumps({"name": "x", "dtype": "float32", "shape": [4]})
    command = [
        sys.executable,
        "-m",
        "qutiperf.device",
        "--port",
        "0",
        *(shape if f == "I" else f for f in flags),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == code
    [line] = done.stderr.splitlines()
    assert line.startswith("qutiperf-device: ")
    assert message in line


def test_a_configuration_is_read_as_it_was_written() -> None:
    made = Configuration("simulated", DIGITS, {"classes": 4}, streams=3)
    assert read_configuration(to_json(made), "here") == made
    data = {**asdict(made), "strems": 2}
    with pytest.raises(InputError, match="here: strems: unknown key"):
        read_configuration(json.dumps(data), "here")


def test_serve_and_export_refuse(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    served = ["serve", "--sut", "cpu-onnxruntime", "--workload", "digits-mlp-12.5-fp32"]
    assert "--set thread: unknown; known: provider" in fails(capsys, [*served, "--set", "thread=2"], 2)
    far = ["serve", "--sut", "open-inference", "--workload", "digits-mlp-12.5-fp32"]
    assert "is behind a network itself" in fails(capsys, far, 2)
    assert "name a folder or --device FILE" in fails(capsys, ["export"], 2)
    packed = tmp_path / "d.pyz"
    packed.touch()
    assert "exists already" in fails(capsys, ["export", "--device", str(packed)], 2)
    assert "go together" in fails(capsys, ["export", "--device", "x.pyz", "--sut", "cpu-onnxruntime"], 2)


def test_the_device_side_is_imported_without_any_runtime() -> None:
    sources = _sources()
    imported_in_load = {"adapters/torch_onnx.py"}  # derives from torch's own classes
    modules = [
        f"qutiperf.{name[:-3].replace('/', '.')}"
        for name in sources
        if not name.endswith(("__.py", "typed")) and name not in imported_in_load
    ]
    program = f"""
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "qutiperf"):
            raise ImportError("not on a device: " + name)
sys.meta_path.insert(0, Refuse())
for name in {[*modules, "qutiperf.device.__main__"]!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_runtime_need_not_be_here_to_be_packed(
    tmp_path: Path, sut_file: SutFile, capsys: pytest.CaptureFixture[str]
) -> None:
    sut = sut_file(f"{FAULTY}:NotInstalled")
    what = ["--sut", str(sut), "--workload", "digits-mlp-12.5-fp32"]
    assert main(["export", "--device", str(tmp_path / "d.pyz"), *what], debug=False) == 0
    assert "a_runtime_that_nobody_has is not installed" in fails(capsys, ["serve", *what], 3)
