"""The checks of an adapter with models that have several tensors."""

from pathlib import Path

import pytest

from qutiperf.conformance import kit
from qutiperf.conformance.checks import CHECKS, check
from qutiperf.errors import InputError
from tests import graphs
from tests.conftest import SutFile
from tests.places import TESTS

BUDGET_S = 0.15
SKIPPED = {"labels", "caching", "timers"}  # no labels, no device clock
NEEDS_TIME = {"memory"}
STATES = """\
kind: workload
schema_version: 1
name: states
task: none
dataset: {name: synthetic, count: 40}
model:
  file: m.onnx
  steps: 3
  inputs:
    - {name: x, dtype: float32, shape: [batch, 2], source: random}
    - {name: state, dtype: float32, shape: [1, batch, 2], source: {state: next}}
  outputs:
    - {name: out, kind: tensor}
    - {name: next, kind: tensor}
"""
PLAIN = """\
kind: workload
schema_version: 1
name: plain
task: none
dataset: {name: synthetic, count: 40}
model:
  file: m.onnx
  inputs:
    - {name: a, dtype: float32, shape: [SIZE, 3], source: random}
    - {name: b, dtype: float32, shape: [SIZE, 3], source: random}
  outputs:
    - {name: sum, kind: tensor}
    - {name: product, kind: tensor}
"""


def workload(folder: Path, name: str) -> Path:
    path = folder / "w.yaml"
    if name == "states":
        graphs.decaying(folder / "m.onnx")
        path.write_text(STATES)
    else:
        graphs.sum_and_product(folder / "m.onnx", 4 if name == "fixed" else "batch")
        path.write_text(PLAIN.replace("SIZE", "4" if name == "fixed" else "batch"))
    return path


SLOW = {"reload", "ids"}
COMBINATIONS = [
    pytest.param(name, model, marks=[pytest.mark.slow] * (name in SLOW or model != "states"))
    for name in CHECKS
    for model in ("states", "plain", "fixed")
    if name not in NEEDS_TIME
]


@pytest.mark.parametrize(("name", "model"), COMBINATIONS)
def test_onnxruntime_passes_each_check(name: str, model: str, tmp_path: Path) -> None:
    job = kit.job_for("cpu-onnxruntime", str(workload(tmp_path, model)), BUDGET_S)
    finding = check(name, job, tmp_path)
    skipped = name in SKIPPED
    assert finding.verdict == ("skipped" if skipped else "pass"), finding.seen
    if name == "answers":
        assert "the first of 2" in finding.seen


@pytest.mark.parametrize(
    ("adapter", "name", "seen"),
    [
        ("ChangesInputs", "tensors", "infer_many() changes its inputs"),
        ("SharesOutputs", "tensors", "a call of a second instance overwrites the outputs of the first"),
        ("LosesAnOutput", "answers", "infer_many() gives 1 outputs, not a tuple of 2"),
        ("MixesSamples", "batch", "a batch of 8: outputs differ by up to "),
    ],
)
def test_each_fault_is_detected(
    adapter: str, name: str, seen: str, tmp_path: Path, sut_file: SutFile
) -> None:
    sut = sut_file(f"{TESTS / 'offenders_many.py'}:{adapter}")
    finding = check(name, kit.job_for(str(sut), str(workload(tmp_path, "plain")), BUDGET_S), tmp_path)
    assert (finding.verdict, seen in finding.seen) == ("FAIL", True), finding.seen


def test_an_adapter_without_several_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only takes models with one input and one output"):
        kit.job_for("examples/my_adapter", str(workload(tmp_path, "plain")))
