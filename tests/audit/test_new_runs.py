"""Audits that measure runs again: honest systems are not found guilty, and cheating ones are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qutiperf.audit.registry import NEW_RUNS
from qutiperf.cli import main
from qutiperf.results.lock import locked
from qutiperf.results.store import Store
from tests.audit.cheats import ORIGINAL
from tests.conftest import SutFile
from tests.places import CHECKOUT, TESTS

CHEATS = TESTS / "audit/cheats.py"
SHORT = "settings: {min_duration_s: 0.4}\n"
Verdicts = dict[tuple[str, str], dict[str, object]]


def audited(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> Verdicts:
    """By audit and scenario."""
    capsys.readouterr()
    assert main(["audit", *arguments, "--json"], debug=True) == code
    return {(each["audit"], each["scenario"]): each for each in json.loads(capsys.readouterr().out)}


def swept(path: Path) -> Path:
    path.write_text(path.read_text().replace("{min_duration_s: 0.1}", "{min_duration_s: 0.4}"))
    return path


@pytest.mark.slow
def test_an_honest_system_is_not_found_guilty(
    sweep_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, out = swept(sweep_file("cpu-onnxruntime", "[SingleStream]")), tmp_path / "results"
    assert main(["audit", str(sweep), "--out", str(out), "--new-runs"], debug=True) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if " min" in line]
    assert notes[0] == f"2 runs of {sweep} to measure, about 1 min"
    assert notes[1].startswith("3 audits by new runs, about 1 ")
    before = {path: path.read_bytes() for path in out.glob("*/record.json")}
    verdicts = audited(capsys, [str(out), "--only", "repeat,replay,perturb", "--judge"], 0)
    assert {name for name, _ in verdicts} == set(NEW_RUNS)
    lines = {name: str(each["evidence"]) for (name, _), each in verdicts.items()}
    assert "system_latency_p90_ms: " in lines["repeat"]
    assert "0 of " in lines["replay"]
    assert "answers follow a change of the weights of its last layer, Gemm" in lines["perturb"]
    [folder] = (out / "audit/replay").glob("*-1")
    [record, *_] = Store.open(folder).records()
    assert record.loadgen is not None
    assert record.loadgen.seeds is not None
    assert record.loadgen.seeds.sample_index_rng_seed != 0
    assert record.loadgen.effective_number("performance_sample_count") == 500 // 2
    assert not (next((out / "audit/perturb").glob("*-1")) / "model").exists()
    assert {path: path.read_bytes() for path in before} == before
    kept = {path.parent.name for path in out.glob("audit/*/*.verdict.json")}
    assert {*NEW_RUNS, "recompute", "environment"} <= kept


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cheat", "audit", "line"),
    [
        ("OwnModel", "perturb", "are as before"),
        ("SoonLazy", "replay", "samples differ"),
    ],
)
def test_a_cheat_is_found(
    cheat: str,
    audit: str,
    line: str,
    sut_file: SutFile,
    sweep_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = CHECKOUT / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"
    monkeypatch.setenv(ORIGINAL, str(original))
    sweep = swept(sweep_file(sut_file(f"{CHEATS}:{cheat}"), "[SingleStream]"))
    arguments = [str(sweep), "--out", str(tmp_path / "results"), "--only", audit]
    [verdict] = [each for each in audited(capsys, arguments, 1).values() if each["outcome"] == "fail"]
    assert verdict["audit"] == audit
    assert line in str(verdict["evidence"])


@pytest.mark.slow
def test_a_run_that_fails_in_the_audit_is_no_verdict(
    sut_file: SutFile,
    sweep_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweep = swept(sweep_file(sut_file(f"{CHEATS}:OwnModel"), "[SingleStream]"))
    sweep.write_text(f"{sweep.read_text()}modes: [PerformanceOnly]\n")
    original = CHECKOUT / "scenarios/workloads/models/digits-mlp-12.5-fp32.onnx"
    monkeypatch.setenv(ORIGINAL, str(original))
    out = tmp_path / "results"
    assert main(["run", str(sweep), "--out", str(out)], debug=True) == 0
    (out / "audit/repeat").mkdir(parents=True)
    with locked(out / "audit/repeat"):
        assert main(["audit", str(out), "--only", "repeat"], debug=False) == 3
    assert "is in use by process " in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.setenv(ORIGINAL, str(tmp_path / "gone.onnx"))
    [verdict] = audited(capsys, [str(out), "--only", "repeat"], 4).values()
    assert verdict["outcome"] == "inconclusive"
    assert "the new run failed: " in str(verdict["evidence"])


@pytest.mark.slow
def test_a_model_that_cannot_be_changed_is_inconclusive(
    sut_file: SutFile,
    sweep_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep = sweep_file(sut_file("simulated"), "[SingleStream]")
    arguments = [str(sweep), "--out", str(tmp_path / "results"), "--only", "perturb"]
    [verdict] = audited(capsys, arguments, 0).values()
    assert verdict["outcome"] == "inconclusive"
    assert verdict["evidence"] == ["its answers are simulated: there is no model to change"]
    assert verdict["cure"]
