"""The built wheel: what is in it, and that it works without the checkout."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.places import CHECKOUT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = out.glob("*.whl")
    return built


def test_one_top_level_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"qutiperf"}
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_content_folders_are_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = [
        path.relative_to(CHECKOUT).as_posix()
        for folder in ("scenarios", "sut", "audit", "reports")
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {f"qutiperf/_catalog/{path}" for path in shipped} <= names
    assert {"qutiperf/py.typed", "qutiperf/__init__.pyi", "qutiperf/datasets/data/digits.npz"} <= names
    assert [name for name in names if name.endswith("licenses/LICENSE")]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, capture_output=True)
    return python


def test_the_wheel_measures_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    qutiperf = str(installed.parent / "qutiperf")
    command = [qutiperf, "run", "quickstart", "--out", "results"]
    command += ["--set", "workloads=digits-mlp-12.5-int8", "--set", "settings.min_duration_s=0.1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "8 of 8" in done.stdout
    listed = subprocess.run([qutiperf, "list"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "cpu-onnxruntime" in listed.stdout


def test_help_is_quick_and_needs_no_runtime(installed: Path) -> None:
    code = (
        "import sys; from qutiperf.cli import main; main(['--help'], debug=True);"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'pandas', 'pydantic', 'mlperf_loadgen'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([installed, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
