"""Suites from the command line: shared workers, wrong layers, resuming, budgets, one line for bad input."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from qutiperf.cli import main
from qutiperf.harness.correctness import batches_to_check
from qutiperf.harness.load import built_path
from qutiperf.microbench.networks import workload_named
from qutiperf.microbench.suite_plan import plan_parts, settings_of, within_budget
from qutiperf.results.derived import derived_of
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from qutiperf.spec.microbench import expand_suite, load_suite
from tests.conftest import SutFile, fails
from tests.places import TESTS

SuiteFile = Callable[..., Path]
DENSE = {"kind": "dense", "inputs": [4, 8, 16], "outputs": 6}


@pytest.fixture
def suite_file(tmp_path: Path) -> SuiteFile:
    def write(**data: object) -> Path:
        path = tmp_path / "suite.yaml"
        head = {"kind": "microbench", "schema_version": 1, "name": "mine", "duration_s": 0.02}
        path.write_text(yaml.safe_dump({**head, "layers": [DENSE], **data}))
        return path

    return write


def run(suite: Path, out: Path, *more: str) -> int:
    return main(["microbench", "run", str(suite), "--out", str(out), "--threads", "1", *more], debug=True)


def by_label(out: Path) -> dict[str, RunRecord]:
    return {str(record.inputs.workload.variant.topology): record for record in Store.open(out).latest()}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["TransposedWeights", "DroppedBias"])
def test_a_wrong_layer_fails_alone(
    adapter: str, suite_file: SuiteFile, sut_file: SutFile, tmp_path: Path
) -> None:
    sut = sut_file(f"{TESTS / 'microbench' / 'offenders.py'}:{adapter}")
    out = tmp_path / "results"
    assert run(suite_file(), out, "--sut", str(sut)) == 4
    records = by_label(out)
    assert len(records) == 3
    wrong = records["dense-8-6"]
    assert wrong.failure is not None
    assert wrong.failure.stage == "load"
    assert wrong.failure.reason.startswith("wrong output at batch 1: off by ")
    for label in ("dense-4-6", "dense-16-6"):
        observed = records[label].observed
        assert observed is not None
        assert observed.correctness is not None
        assert observed.correctness.error <= observed.correctness.tolerance


@pytest.mark.slow
def test_a_crash_ends_the_worker_and_the_rest_goes_on(
    suite_file: SuiteFile, sut_file: SutFile, tmp_path: Path
) -> None:
    sut = sut_file(f"{TESTS / 'microbench' / 'offenders.py'}:Crash")
    out = tmp_path / "results"
    assert run(suite_file(batch_sizes=[1, 2]), out, "--sut", str(sut)) == 4
    failures = [record.failure for record in Store.open(out).latest() if record.failure]
    assert [(failure.stage, failure.kind) for failure in failures] == [("load", "crash")] * 2
    assert by_label(out)["dense-16-6"].failure is None


@pytest.mark.slow
def test_a_profiler_that_fails_or_crashes_costs_no_run(sut_file: SutFile, tmp_path: Path) -> None:
    sut = sut_file(f"{TESTS / 'microbench' / 'offenders.py'}:ProfileCrash")
    out = tmp_path / "results"
    options = [
        "--for",
        "digits-mlp-12.5-fp32",
        "--whole",
        "--batch",
        "1",
        "--threads",
        "1",
        "--sut",
        str(sut),
    ]
    assert main(["microbench", "run", *options, "--out", str(out)], debug=True) == 0
    records = Store.open(out).latest()
    assert len([record for record in records if record.inputs.workload.model.part is None]) == 1
    for record in records:
        assert record.failure is None
        assert record.figures.compute_latency_p50_ms
        assert record.observed is not None
        assert (record.observed.profile, record.observed.execution) == ([], None)


@pytest.mark.slow
def test_a_datatype_that_the_runtime_lacks_is_refused_with_the_reason(
    suite_file: SuiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    layers = [{"kind": "dense", "inputs": 32, "outputs": 6}]
    assert run(suite_file(datatypes=["bf16", "int4"], layers=layers), out, "--json") == 4
    rows = {row["weight_datatype"]: row for row in json.loads(capsys.readouterr().out)}
    assert {name: row["ran_as"] for name, row in rows.items()} == {"bf16": "refused", "int4": "weights only"}
    assert rows["bf16"]["reasons"][0].startswith("onnxruntime cannot load it: ")
    assert main(["microbench", "show", str(out), "--json"], debug=True) == 0
    [failure] = json.loads(capsys.readouterr().out)["failures"]
    assert (failure["part"], failure["ran_as"]) == ("dense-32-6", "refused")


@pytest.mark.slow
def test_layers_have_compute_figures_only_and_are_not_repeated(
    suite_file: SuiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, suite = tmp_path / "results", suite_file(batch_sizes=[1, 4], datatypes=["fp32", "int8"])
    assert run(suite, out, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 12
    for row in rows:
        assert row["compute_latency_p50_ms"] > 0
        assert row["compute_gops"] > 0
        assert row["system_throughput_ips"] is None
        assert row["top1_percent"] is None
    assert run(suite, out, "--json") == 0
    # a loaded host may make a run INVALID, which is measured again
    attempts = Store.open(out).attempts().values()
    assert len(attempts) == 12
    assert all(not record.valid for records in attempts for record in records[:-1])


@pytest.mark.slow
def test_small_models_share_a_worker_and_a_budget_keeps_the_first() -> None:
    suite, file = load_suite("resnet50-published")
    parts = expand_suite(
        suite.model_copy(update={"datatypes": ["fp32"], "batch_sizes": [1]}), str(file.path), None
    )
    settings = settings_of(suite.model_copy(update={"batch_sizes": [1]}))
    planned = plan_parts(parts, {}, "cpu-onnxruntime", settings)
    assert [len(group.runs) for group in planned.groups] == [27]
    [group] = planned.groups
    times = {run.point.workload: run.estimated_s for run in group.runs}
    order = [part.name for part in reversed(parts)]
    kept = within_budget(planned, times[order[0]] + times[order[1]] + 0.001, order)
    assert [run.point.workload for group in kept.groups for run in group.runs] == order[:2]
    assert len([run for group in within_budget(planned, 0.001, order).groups for run in group.runs]) == 1


def test_the_checked_batches() -> None:
    assert [batches_to_check(most) for most in (1, 2, 64)] == [[1], [1, 2], [1, 3]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "names no suite and no network"),
        (["cor"], "no microbench named 'cor'"),
        (["core", "--whole"], "--whole has no effect without --for"),
        (["core", "--budget", "soon"], "--budget: 'soon' is not a time; write 90s, 10m or 2h"),
        (["core", "--batch", "0"], "--batch: '0' is not a list of counts"),
        (["--for", "digits-mlp"], "no workload named 'digits-mlp'"),
        (["--for", "missing.onnx"], "missing.onnx"),
        (["core", "--sut", "cpu-onnx"], "no sut named 'cpu-onnx'"),
        (
            ["--for", "digits-mlp-12.5-fp32", "--sut", "cpu-litert"],
            "layers are read from ONNX files, not from",
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = fails(capsys, ["microbench", "run", *arguments, "--out", str(tmp_path / "results")], 2)
    assert message in line
    assert not (tmp_path / "results").exists()


def test_each_built_model_of_a_worker_has_its_own_file(tmp_path: Path) -> None:
    names = ("mlp@12.5", "cnv@12.5", "mlp@25")
    paths = {built_path(workload_named(name).model, tmp_path) for name in names}
    assert len(paths) == 3
    assert all(path.parent == tmp_path.resolve() and path.suffix == ".onnx" for path in paths)


@pytest.mark.slow
def test_with_a_meter_a_layer_is_measured_long_enough_for_its_power(
    suite_file: SuiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = {"kind": "dense", "inputs": 64, "outputs": 64}
    meter = "command:sh -c 'while sleep 0.05; do echo 5; done'"
    assert run(suite_file(layers=[layer]), tmp_path / "out", "--power", meter) == 0
    [record] = Store.open(tmp_path / "out").latest()
    assert record.power is not None
    assert record.power.valid, record.power.reasons
    assert record.figures.full_power_w == pytest.approx(5)
    assert 1.1 <= record.power.window_s < 3
    assert record.loadgen is not None
    energy_mj = derived_of(record).energy_per_input_mj
    assert record.loadgen.samples_per_second is not None
    assert energy_mj == pytest.approx(5000 / record.loadgen.samples_per_second)
    assert record.figures.system_throughput_ips is None
    assert "mJ/input" in capsys.readouterr().out


def test_a_part_lasts_as_long_as_its_slowest_meter_needs() -> None:
    suite, file = load_suite("core")
    parts = expand_suite(suite, str(file.path), None)[:1]
    durations = []
    for power in ([], ["none"], ["auto"], ["command:sh -c 'while sleep 0.1; do echo 5; done'"]):
        planned = plan_parts(parts, {}, "cpu-onnxruntime", replace(settings_of(suite), power=power))
        [point, *_] = [run.point for group in planned.groups for run in group.runs]
        durations.append(point.settings.min_duration_s)
    assert durations == [0.07, 0.07, 1.1, 1.1]


@pytest.mark.parametrize(
    ("meter", "code", "message"),
    [("watts", 2, "watts"), ("file:/nowhere/watts.csv", 3, "/nowhere/watts.csv"), ("", 2, "meter")],
)
def test_a_meter_that_is_not_there_ends_before_anything_is_measured(
    meter: str,
    code: int,
    message: str,
    suite_file: SuiteFile,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["microbench", "run", str(suite_file()), "--out", str(tmp_path / "out"), "--power", meter]
    assert message in fails(capsys, words, code)
    assert not (tmp_path / "out").exists()
