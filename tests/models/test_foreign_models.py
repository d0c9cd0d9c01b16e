"""Model files in packages of other projects: each is measured by `run --model`, or this machine has none."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.places import CHECKOUT

pytestmark = pytest.mark.slow
FILES = {
    "silero-vad": 6,
    "magika": 1,
    "rapidocr-onnxruntime": 3,
    "basic-pitch": 2,
    "swift-f0": 1,
    "piper-tts": 2,
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("foreign_models", CHECKOUT / "benchmarks/foreign_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("package", FILES)
def test_every_model_of_a_package_is_measured(package: str, script: ModuleType, tmp_path: Path) -> None:
    files = script.files_of(package, tmp_path)
    if not files:
        pytest.skip(f"no package index here has {package}")
    measured = [script.measure(path, tmp_path / f"out{number}") for number, path in enumerate(files)]
    assert {each.name: each.failure for each in measured if each.latency_ms is None} == {}
    assert len(measured) >= FILES[package]
