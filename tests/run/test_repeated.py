"""A stored run is repeated with its own id, and in other scenarios and modes with the planner's."""

import shutil
from pathlib import Path

import pytest

from qutiperf import host
from qutiperf.errors import InputError
from qutiperf.results.record import RunRecord
from qutiperf.run.plan import Group, PlannedRun, gather, make_plan
from qutiperf.run.repeated import RunChange, changed_run, other_run, same_run
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName
from qutiperf.spec.sweep import load_sweep


def planned(overrides: list[str]) -> list[PlannedRun]:
    sweep, file = load_sweep("rehearsal", overrides)
    plan = make_plan(sweep, gather(sweep, beside=file.path.parent), host.facts())
    return [run for group in plan.groups for run in group.runs]


def record(run: PlannedRun) -> RunRecord:
    return RunRecord(
        run_id=run.run_id,
        attempt=1,
        started_utc="2026-11-29T00:00:00+00:00",
        elapsed_s=600.0,
        point=run.point,
        inputs=run.inputs,
        host=host.facts(),
        versions={},
        power_reason="no meter",
        valid=True,
        quality="ok",
    )


def ids(group: Group) -> list[str]:
    return [run.run_id for run in group.runs]


def test_the_same_run_has_the_same_id_and_point() -> None:
    [run] = planned(["scenarios=Offline"])
    group = same_run(record(run))
    assert ids(group) == [run.run_id]
    assert group.runs[0].point == run.point
    assert group.options == {"latency_us": 8000, "latency_per_input_us": 250, "classes": 1000}


def test_another_scenario_has_the_id_that_the_planner_gives() -> None:
    by_scenario = {run.point.scenario: run for run in planned([])}
    assert len(by_scenario) == 3
    offline = record(by_scenario[ScenarioName.OFFLINE])
    for scenario, run in by_scenario.items():
        group = other_run(offline, scenario, Mode.PERFORMANCE, RunSettings())
        assert ids(group) == [run.run_id]
        assert group.runs[0].inputs == run.inputs.model_copy()


def test_accuracy_in_offline_has_the_id_that_the_planner_gives() -> None:
    [performance] = planned(["scenarios=Offline"])
    [accuracy] = planned(["scenarios=Offline", "modes=AccuracyOnly"])
    group = other_run(record(performance), ScenarioName.OFFLINE, Mode.ACCURACY, RunSettings())
    assert ids(group) == [accuracy.run_id]


def test_a_model_that_has_changed_is_refused(tmp_path: Path) -> None:
    sweep, file = load_sweep("quickstart", ["workloads=digits-mlp-12.5-fp32", "scenarios=Offline"])
    group, *_ = make_plan(sweep, gather(sweep, beside=file.path.parent), host.facts()).groups
    stored = record(group.runs[-1])
    assert ids(same_run(stored)) == [stored.run_id]
    [name] = [name for name in stored.inputs.files_sha256 if name.startswith("model:")]
    files = {**stored.inputs.files_sha256, name: "0" * 64}
    changed = stored.model_copy(update={"inputs": stored.inputs.model_copy(update={"files_sha256": files})})
    with pytest.raises(InputError, match="is not the file of run"):
        same_run(changed)


def test_a_run_of_a_board_is_not_repeated_here() -> None:
    [performance] = planned(["scenarios=Offline"])
    stored = record(performance)
    there = {**stored.host, host.REACHED_OVER: "ssh", "hostname": "pi-1"}
    with pytest.raises(InputError, match="was measured over ssh on pi-1; only runs of this machine"):
        same_run(stored.model_copy(update={"host": there}))


def test_a_changed_run_has_an_id_of_its_own() -> None:
    [run] = planned(["scenarios=Offline"])
    seeds = Seeds(qsl_rng_seed=1, sample_index_rng_seed=2, schedule_rng_seed=3)
    group = changed_run(record(run), RunChange(target_qps=123.0, seeds=seeds, fresh_after=7))
    assert (group.seeds, group.fresh_after) == (seeds, 7)
    [changed] = group.runs
    assert changed.point.settings.target_qps == 123.0
    assert changed.run_id != run.run_id
    assert changed.inputs.resolved_sha256 != run.inputs.resolved_sha256
    same = changed_run(record(run), RunChange())
    assert same.runs[0].inputs == run.inputs
    assert ids(same) == [run.run_id]


def test_a_changed_model_replaces_the_file(tmp_path: Path) -> None:
    sweep, file = load_sweep("quickstart", ["workloads=digits-mlp-12.5-fp32", "scenarios=Offline"])
    plan = make_plan(sweep, gather(sweep, beside=file.path.parent), host.facts())
    run = plan.groups[0].runs[-1]
    original = Path(str(run.inputs.workload.model.file))
    model = tmp_path / original.name
    shutil.copyfile(original.with_name("digits-mlp-25-fp32.onnx"), model)
    group = changed_run(record(run), RunChange(mode=Mode.PERFORMANCE, model=model))
    assert group.workload.model.file == str(model)
    digests = group.runs[0].inputs.files_sha256
    assert digests[f"model:{original.name}"] != run.inputs.files_sha256[f"model:{original.name}"]
    assert digests.keys() == run.inputs.files_sha256.keys()
