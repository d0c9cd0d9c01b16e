"""Audits of finished runs: the committed results pass, and each forged copy of them fails."""

import json
import shutil
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pytest

from qutiperf.audit.finished_runs import FinishedRuns
from qutiperf.audit.registry import FINISHED
from qutiperf.audit.stored_run import stored_runs
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.cli import main
from qutiperf.spec.audits import load_audit
from tests.conftest import fails
from tests.places import DATA

OLD = DATA / "results_862dfec"
SINGLE, OFFLINE, ACCURACY = "5a7223736c89", "bc84e3b2f74d", "078ecf45eebb"


def audited(name: str, folder: Path) -> dict[str, AuditVerdict]:
    """The verdict of each run."""
    runs, damaged = stored_runs([folder])
    assert damaged == []
    finished = FinishedRuns(runs)
    return {run.record.run_id: FINISHED[name](load_audit(name), run, finished) for run in runs}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    shutil.copytree(OLD, tmp_path / "results")
    return tmp_path / "results"


def edit(folder: Path, changes: Mapping[str, object]) -> None:
    """Sets values of a record by the path of their keys, as figures/top1_percent."""
    path = folder / "record.json"
    data = json.loads(path.read_text())
    for keys, value in changes.items():
        *parents, last = keys.split("/")
        reduce(getitem, parents, data)[last] = value
    path.write_text(json.dumps(data))


def value_of(folder: Path, keys: str) -> float:
    return float(reduce(getitem, keys.split("/"), json.loads((folder / "record.json").read_text())))


@pytest.mark.parametrize("name", FINISHED)
def test_honest_runs_pass(name: str) -> None:
    verdicts = audited(name, OLD)
    assert len(verdicts) == 8
    failed_run = verdicts.pop("3349955086de")
    outcome = "inconclusive" if name == "recompute" else "pass"  # these runs kept no order of samples
    assert failed_run.outcome == outcome
    assert {(each.outcome, each.cure) for each in verdicts.values()} == {(outcome, "")}
    lines = {line for each in verdicts.values() for line in each.evidence}
    assert len(lines) == 1
    assert ("keeps no order of samples" in next(iter(lines))) == (name == "recompute")


@pytest.mark.parametrize(
    ("run_id", "group", "name", "factor", "message"),
    [
        (SINGLE, "figures", "system_latency_p90_ms", 0.9, "system_latency_p90_ms is 0.0327321, 0.036369 by"),
        (SINGLE, "figures", "system_throughput_ips", 1.01, "system_throughput_ips is 28055.9, 27778.1 by"),
        (OFFLINE, "figures", "compute_latency_p50_ms", 0.5, "compute_latency_p50_ms is "),
        (OFFLINE, "loadgen", "samples_per_second", 2.0, "the record's samples_per_second is "),
        (OFFLINE, "observed", "compute_throughput_ips", 1.5, "compute_throughput_ips is "),
        (OFFLINE, "observed", "inputs", 2, " inputs were answered, "),
    ],
)
def test_recompute_finds_a_changed_figure(
    run_id: str, group: str, name: str, factor: float, message: str, results: Path
) -> None:
    folder, key = results / f"{run_id}-1", f"{group}/{name}"
    changed = value_of(folder, key) * factor
    edit(folder, {key: int(changed) if name == "inputs" else changed})
    verdicts = audited("recompute", results)
    assert verdicts.pop(run_id).outcome == "fail"
    assert "fail" not in {each.outcome for each in verdicts.values()}
    assert any(message in line for line in audited("recompute", results)[run_id].evidence)


def test_recompute_finds_a_changed_histogram(results: Path) -> None:
    path = results / f"{OFFLINE}-1" / "phases.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["compute_buckets"] = arrays["compute_buckets"] + 1024  # twice the time
    np.savez_compressed(path, **arrays)
    verdict = audited("recompute", results)[OFFLINE]
    assert verdict.outcome == "fail"
    assert verdict.evidence[0].startswith("compute: p50 is ")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged"])
def test_recompute_is_inconclusive_without_histograms(content: bytes, results: Path) -> None:
    (results / f"{OFFLINE}-1" / "phases.npz").write_bytes(content)
    assert audited("recompute", results)[OFFLINE].outcome == "inconclusive"


def test_recompute_is_inconclusive_without_logs(results: Path) -> None:
    (results / f"{OFFLINE}-1" / "mlperf_log_detail.txt").unlink()
    assert audited("environment", results)[OFFLINE].outcome == "pass"  # over the whole run
    verdict = audited("recompute", results)[OFFLINE]
    assert (verdict.outcome, len(verdict.evidence)) == ("inconclusive", 1)


def test_consistency_finds_one_log_under_two_runs(results: Path) -> None:
    shutil.copyfile(
        results / f"{OFFLINE}-1" / "mlperf_log_detail.txt",
        results / "1a8a6d5408ca-1" / "mlperf_log_detail.txt",
    )
    verdicts = audited("consistency", results)
    assert {run_id for run_id, each in verdicts.items() if each.outcome == "fail"} == {
        OFFLINE,
        "1a8a6d5408ca",
    }
    assert verdicts[OFFLINE].evidence == ["its log is that of run 1a8a6d5408ca too"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"host/cpu_model": "faster"}, "was measured on another machine"),
        ({"versions/onnxruntime": "9.9.9"}, "has onnxruntime 9.9.9, this run 1.32.0"),
        ({"inputs/files_sha256/model:x.onnx": "0"}, "has another model"),
        ({"inputs/dataset/count": 1}, "has other data"),
        ({"point/deployment/threads": 64}, "has other settings of the system"),
        (
            {"loadgen/seeds/qsl_rng_seed": 1},
            "has LoadGen's seeds of another round",
        ),
    ],
)
def test_consistency_finds_another_accuracy_run(
    change: dict[str, object], message: str, results: Path
) -> None:
    edit(results / f"{ACCURACY}-1", change)
    lines = audited("consistency", results)[SINGLE].evidence
    assert lines == [f"its accuracy run {ACCURACY} {message}"]


@pytest.mark.parametrize(
    ("start", "elapsed_s", "message"),
    [
        ("2999-01-01T00:00:00+00:00", 0.44, "it started in the future"),
        ("yesterday", 0.44, "it started at 'yesterday', which is not a time"),
        ("2026-11-25T07:02:28.290+00:00", 500.0, "was measured at the same time, for "),
        ("2026-11-25T07:02:28.290+00:00", -60.0, "LoadGen's test lasts "),
    ],
)
def test_consistency_finds_impossible_times(
    start: str, elapsed_s: float, message: str, results: Path
) -> None:
    edit(results / f"{SINGLE}-1", {"started_utc": start, "elapsed_s": elapsed_s})
    verdict = audited("consistency", results)[SINGLE]
    assert verdict.outcome == "fail"
    assert any(message in line for line in verdict.evidence)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system_latency_mean_ms": 0.5}, "queries overlap: 13.89 are in flight on average"),
        ({"compute_latency_mean_ms": 0.04}, "compute takes 0.04 ms of a query that takes 0.030849 ms"),
        ({"system_latency_p50_ms": 0.0001}, "a query takes 0.0001 ms, the harness alone "),
        ({"compute_throughput_ips": 20000.0}, "the system answers 27,778 inputs/s, its accelerator computes"),
    ],
)
def test_plausibility_finds_what_cannot_be(change: dict[str, float], message: str, results: Path) -> None:
    edit(results / f"{SINGLE}-1", {f"figures/{name}": value for name, value in change.items()})
    verdict = audited("plausibility", results)[SINGLE]
    assert verdict.outcome == "fail"
    assert message in verdict.evidence[0]


def test_the_last_query_is_not_in_the_rate_of_loadgen(results: Path) -> None:
    """A stall of 10 % of the run in the last query raises the mean latency, not the time of the rate."""
    folder = results / f"{SINGLE}-1"
    duration_ns = value_of(folder, "loadgen/duration_s") * 1e9
    changes: dict[str, object] = {
        "figures/system_latency_mean_ms": 1.05e3 / value_of(folder, "figures/system_throughput_ips"),
        "figures/compute_throughput_ips": value_of(folder, "figures/system_throughput_ips") / 1.05,
        "loadgen/latency_ns/max": round(0.1 * duration_ns),
    }
    edit(folder, changes)
    assert audited("plausibility", results)[SINGLE].outcome == "pass"
    edit(folder, {**changes, "loadgen/latency_ns/max": round(0.02 * duration_ns)})
    assert len(audited("plausibility", results)[SINGLE].evidence) == 2


def test_the_command(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    assert main(["audit", str(results)], debug=True) == 0
    assert "recompute        0     0             8" in capsys.readouterr().out
    kept = sorted(path.relative_to(results / "audit") for path in (results / "audit").rglob("*.json"))
    assert len(kept) == 8 * len(FINISHED)
    assert kept[0] == Path("consistency") / f"{ACCURACY}-1.verdict.json"
    assert {path: path.read_bytes() for path in before} == before
    edit(results / f"{SINGLE}-1", {"figures/system_throughput_ips": 9e9})
    assert main(["audit", str(results), "--only", "recompute", "--json"], debug=True) == 1
    data = json.loads(capsys.readouterr().out)
    assert [each["run_id"] for each in data if each["outcome"] == "fail"] == [SINGLE]


def test_the_verdicts_of_a_folder_that_cannot_be_written_to_are_printed(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "audit").write_text("a file in the way")
    assert main(["audit", str(results), "--only", "consistency"], debug=True) == 0
    captured = capsys.readouterr()
    assert "verdicts are not kept: " in captured.err
    assert "consistency  " in captured.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "repeat", "--round", "v6.1"], "--only: repeat has no round; leave --round out"),
        (["--out", "elsewhere"], "--out: is the results folder of a sweep"),
        (["quickstart"], "quickstart: is not a results folder; name one sweep, or folders only"),
        (["--only", "TEST01"], "--only: TEST01 needs a round; add --round, as v6.1"),
        (["--only", "recompute", "--round", "v6.1"], "--only: recompute has no round"),
        (["--only", "recomputed"], "'recomputed' is not an audit; did you mean 'recompute'?"),
    ],
)
def test_wrong_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in fails(capsys, ["audit", str(OLD), *words], 2)
