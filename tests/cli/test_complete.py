"""`submit --complete` measures everything that one short run lacks, with LoadGen itself."""

from importlib import metadata
from pathlib import Path

import pytest

from qutiperf.audit.compliance import folder_of_test
from qutiperf.cli import main
from qutiperf.results.store import Store
from qutiperf.spec.rounds import load_round, round_of_version
from tests.submission.good_tree import ROUND

pytestmark = pytest.mark.slow
SUT = """kind: sut
schema_version: 1
name: board
title: one board
adapter: simulated
options: {latency_us: 300, latency_per_input_us: 20, classes: 1000}
platform: {family: cpu, source: test}
description: {status: available, system_type: edge}
"""
WORKLOAD = """kind: workload
schema_version: 1
name: small
task: image-classification
dataset: {name: rehearsal, count: 256}
model:
  input: {name: image, dtype: uint8, shape: [batch, 3, 8, 8]}
  output: {name: scores, kind: scores}
variant: {weight_datatype: fp32, tuning: "no", converter: none}
mlperf_benchmark: digits-99
rehearsal: true
"""
SWEEP = """kind: sweep
schema_version: 1
name: short
suts: [board.yaml]
workloads: [small.yaml]
scenarios: [SingleStream]
modes: [PerformanceOnly]
profile: submission
settings: {min_duration_s: 0.5}
deployment: {batch_size: [8], streams: [1]}
"""


def round_file(folder: Path) -> Path:
    """The invented round with the seeds of the installed LoadGen."""
    name = round_of_version(metadata.version("mlcommons-loadgen"))
    assert name is not None
    seeds = load_round(name)[0].seeds.model_dump()
    lines = Path(ROUND).read_text().splitlines()
    number = next(number for number, line in enumerate(lines) if line.startswith("seeds:"))
    lines[number] = "seeds: {" + ", ".join(f"{key}: {value}" for key, value in seeds.items()) + "}"
    path = folder / "round.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_everything_that_is_missing_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test's score may differ on a busy machine: that is then all that is left."""
    for name, text in (("board.yaml", SUT), ("small.yaml", WORKLOAD), ("sweep.yaml", SWEEP)):
        (tmp_path / name).write_text(text)
    own_round, folder, out = str(round_file(tmp_path)), tmp_path / "results", tmp_path / "tree"
    assert main(["run", str(tmp_path / "sweep.yaml"), "--out", str(folder), "--round", own_round]) == 0
    capsys.readouterr()
    code = main(
        [
            *("submit", str(folder), "--round", own_round, "--submitter", "Acme"),
            *("--out", str(out), "--complete"),
        ]
    )
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("qutiperf: ")]
    runs = {(run.point.scenario.value, run.point.mode.value) for run in Store.open(folder).latest()}
    scenarios = ("SingleStream", "MultiStream", "Offline")
    assert runs == {(name, mode) for name in scenarios for mode in ("PerformanceOnly", "AccuracyOnly")}
    assert all(run.valid for run in Store.open(folder).latest())
    for name in ("TEST01", "TEST04"):
        tests = Store.open(folder_of_test(folder, name)).latest()
        assert {run.point.scenario.value for run in tests} == set(scenarios)
        key, value = {
            "TEST01": ("accuracy_log_sampling_target", 4096),
            "TEST04": ("performance_issue_same", True),
        }[name]
        assert {run.loadgen.effective[key] for run in tests if run.loadgen} == {value}
    assert all("fail: " in line and "TEST0" in line for line in errors)
    assert (code, out.exists()) == ((2, False) if errors else (0, True))
