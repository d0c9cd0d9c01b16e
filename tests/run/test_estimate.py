"""Estimates count everything that a plan can know: tests, probes, warm-ups, pauses, workers."""

from pathlib import Path

import pytest

from qutiperf.run.estimate import LOAD_S, TAX_S, pause_s, run_s, settle_s
from qutiperf.run.plan import estimated_s
from qutiperf.run.sweep import plan_sweep
from qutiperf.spec.before import Before
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.sut import load_sut
from tests.conftest import SutFile
from tests.run.test_runs import SweepFile


def seconds(scenario: ScenarioName, before: Before | None = None, **settings: float) -> float:
    point = Point(
        sut="s",
        workload="w",
        scenario=scenario,
        mode=Mode.PERFORMANCE,
        profile=Profile.STANDARD,
        settings=RunSettings.model_validate(settings),
        deployment={},
    )
    return run_s(point, before, 0.0)


def test_a_run_is_its_test_with_probe_warm_up_and_pause() -> None:
    single = seconds(ScenarioName.SINGLE_STREAM, min_duration_s=10)
    assert single == pytest.approx(10 + 0.1 + 0.1)
    assert seconds(ScenarioName.OFFLINE, min_duration_s=10) == pytest.approx(single + 2.65)
    assert seconds(ScenarioName.SERVER, min_duration_s=10) == pytest.approx(single + 5.1)
    assert seconds(ScenarioName.SERVER, min_duration_s=10, target_qps=5) == pytest.approx(single)
    assert seconds(ScenarioName.SINGLE_STREAM, min_duration_s=10, warm_up_s=4) == pytest.approx(single + 4)
    cooling = Before(pause_s=30, temperature_below_c=50)
    assert seconds(ScenarioName.SINGLE_STREAM, cooling, min_duration_s=10) == pytest.approx(single + 30)


def test_a_meter_needs_eleven_updates_for_base_and_idle_power() -> None:
    assert [settle_s(period) for period in (0.01, 0.1, 1, 60)] == [1.1, 1.1, 11, 20]
    sut, _ = load_sut("cpu-onnxruntime")
    metered = {
        meter: sut.model_copy(update={"power": sut.power.model_copy(update={"meter": meter})})
        for meter in ("none", "command:echo 5", "redfish:https://bmc.lab")
    }
    assert [pause_s(each) for each in metered.values()] == [0, 1.1, 11]


def test_a_command_pauses_once_a_system_and_once_a_worker(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    sweep = str(sweep_file(sut_file("simulated"), extra="modes: PerformanceOnly\n"))
    [plain] = plan_sweep(sweep, []).groups
    [metered] = plan_sweep(sweep, [], ["command:echo 5"]).groups
    for group, pause in ((plain, 0.0), (metered, 1.1)):  # each is planned with its own time of preparation
        [run] = group.runs
        assert group.estimated_s == pytest.approx(LOAD_S + pause + run.estimated_s)
    assert estimated_s([plain]) == pytest.approx(TAX_S + plain.estimated_s)
    assert estimated_s([metered, metered]) == pytest.approx(TAX_S + 1.1 + 2 * metered.estimated_s)
    assert estimated_s([]) == 0


def test_every_submission_run_has_a_worker(sut_file: SutFile, sweep_file: SweepFile) -> None:
    sweep = str(sweep_file(sut_file("simulated"), "[Offline, SingleStream]"))
    [group] = plan_sweep(sweep, ["profile=submission"]).groups
    assert len(group.runs) == 3
    assert group.estimated_s == pytest.approx(3 * LOAD_S + sum(run.estimated_s for run in group.runs))
