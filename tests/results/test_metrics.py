"""Figures, grades and rows, from made-up observations."""

import pytest

from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.results import metrics
from qutiperf.results.record import (
    AccuracyCheck,
    Figures,
    HarnessTax,
    Inputs,
    Observed,
    PhaseTime,
    RunRecord,
)
from qutiperf.results.table import in_table_order, rows, summarise, warnings
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName, load_scenario
from qutiperf.spec.sut import load_sut
from qutiperf.spec.workload import load_workload
from qutiperf.surroundings import Disturbances


def a_record(
    run_id: str = "0123456789ab",
    attempt: int = 1,
    scenario: ScenarioName = ScenarioName.OFFLINE,
    mode: Mode = Mode.PERFORMANCE,
    batch_size: int = 8,
    **more: object,
) -> RunRecord:
    point = Point(
        sut="cpu-onnxruntime",
        workload="digits-mlp-25-fp32",
        scenario=scenario,
        mode=mode,
        profile=Profile.STANDARD,
        settings=RunSettings(),
        deployment={"batch_size": batch_size, "threads": 1, "streams": 1, "operating_mode": "default"},
    )
    inputs = Inputs(
        sweep="s",
        sut=load_sut("cpu-onnxruntime")[0],
        workload=load_workload("digits-mlp-25-fp32")[0],
        scenario=load_scenario("offline")[0],
        dataset={},
        files_sha256={},
        resolved_sha256="",
    )
    fields: dict[str, object] = {
        "run_id": run_id,
        "attempt": attempt,
        "started_utc": f"2026-01-01T00:00:0{attempt}+00:00",
        "elapsed_s": 1.0,
        "point": point,
        "inputs": inputs,
        "host": {},
        "versions": {},
        "power_reason": "no meter",
        "valid": True,
        "quality": "ok",
        **more,
    }
    return RunRecord.model_validate(fields)


def test_tables_are_in_the_order_of_settings() -> None:
    made = [
        a_record("1" * 12, scenario=ScenarioName.OFFLINE, batch_size=64),
        a_record("2" * 12, scenario=ScenarioName.SINGLE_STREAM, batch_size=1),
        a_record("3" * 12, scenario=ScenarioName.OFFLINE, batch_size=8),
        a_record("4" * 12, mode=Mode.ACCURACY, batch_size=64),
    ]
    assert [record.run_id[0] for record in in_table_order(made)] == ["4", "2", "3", "1"]


def result(**fields: object) -> LoadGenResult:
    unknown = dict.fromkeys(LoadGenResult.model_fields)
    known = {
        "invalid_reasons": [],
        "error_count": 0,
        "errors": [],
        "warning_count": 0,
        "warnings": [],
        "requested": {},
        "effective": {},
        "latency_ns": {},
        "sample_latency_ns": {},
        "complete": True,
        "unreadable_line_count": 0,
    }
    return LoadGenResult.model_validate({**unknown, **known, **fields})


COMPUTE = PhaseTime(mean_ns=2e6, p50_ns=1e6, p90_ns=3e6, p99_ns=4e6, p99_9_ns=5e6, max_ns=6e6)
OBSERVED = Observed(adapter={}, phases={"compute": COMPUTE}, compute_throughput_ips=500.0)
LATENCY = {"mean": 3_000_000, "p50": 2_000_000, "p90": 4_000_000, "p99": 5_000_000, "p99_9": 6_000_000}


def test_single_stream_figures() -> None:
    seen = result(latency_ns=LATENCY, qps_with_loadgen_overhead=300.0, samples_per_query=1)
    found = metrics.figures(ScenarioName.SINGLE_STREAM, Mode.PERFORMANCE, seen, OBSERVED)
    assert (found.system_latency_p50_ms, found.system_latency_p99_9_ms) == (2.0, 6.0)
    assert (found.compute_latency_mean_ms, found.compute_latency_p50_ms) == (2.0, 1.0)
    assert (found.system_throughput_ips, found.compute_throughput_ips) == (300.0, 500.0)
    assert (found.top1_percent, found.full_power_w) == (None, None)


def test_multi_stream_counts_samples() -> None:
    seen = result(latency_ns=LATENCY, qps_with_loadgen_overhead=300.0, samples_per_query=8)
    assert metrics.system_throughput_ips(seen) == 2400.0


def test_offline_has_no_system_latency() -> None:
    seen = result(latency_ns=LATENCY, samples_per_second=900.0)
    found = metrics.figures(ScenarioName.OFFLINE, Mode.PERFORMANCE, seen, OBSERVED)
    assert (found.system_throughput_ips, found.system_latency_p50_ms) == (900.0, None)


def test_accuracy_runs_have_accuracy_alone() -> None:
    observed = OBSERVED.model_copy(update={"top1_percent": 98.0, "top5_percent": None})
    found = metrics.figures(ScenarioName.OFFLINE, Mode.ACCURACY, result(samples_per_second=9.0), observed)
    assert found == Figures(top1_percent=98.0)


TAX = HarnessTax(single_stream_ns=2000, offline_samples_per_s=1e6)


@pytest.mark.parametrize(
    ("scenario", "found", "spread", "foreign", "grade"),
    [
        (ScenarioName.SINGLE_STREAM, Figures(system_latency_p50_ms=0.011), 1.0, 1.0, "ok"),
        (ScenarioName.SINGLE_STREAM, Figures(system_latency_p50_ms=0.009), 1.0, 1.0, "generator_limited"),
        (ScenarioName.OFFLINE, Figures(system_throughput_ips=190_000.0), None, None, "ok"),
        (ScenarioName.OFFLINE, Figures(system_throughput_ips=210_000.0), None, None, "generator_limited"),
        (ScenarioName.OFFLINE, Figures(system_throughput_ips=1.0), 21.0, 0.0, "unstable"),
        (ScenarioName.OFFLINE, Figures(system_throughput_ips=1.0), 19.0, 11.0, "noisy"),
    ],
)
def test_grades(
    scenario: ScenarioName, found: Figures, spread: float | None, foreign: float | None, grade: str
) -> None:
    observed = OBSERVED.model_copy(update={"unsteadiness_percent": spread})
    quality, reasons = metrics.quality(scenario, found, observed, TAX, foreign)
    assert quality == grade
    assert len(reasons) == (grade != "ok")


def test_the_generators_share() -> None:
    share = metrics.generator_share
    single, offline = ScenarioName.SINGLE_STREAM, ScenarioName.OFFLINE
    assert share(single, Figures(system_latency_p50_ms=0.02), TAX) == pytest.approx(0.1)
    assert share(offline, Figures(system_throughput_ips=250_000.0), TAX) == 0.25
    assert share(ScenarioName.MULTI_STREAM, Figures(system_throughput_ips=1e6), TAX) == 1.0
    assert share(single, Figures(system_latency_p50_ms=0.02), None) is None
    assert share(single, Figures(system_throughput_ips=5.0), TAX) is None
    assert share(offline, Figures(), TAX) is None


@pytest.mark.parametrize(("spread", "foreign"), [(20.0, 10.0), (None, None)])
def test_limits_themselves_are_fine(spread: float | None, foreign: float | None) -> None:
    observed = OBSERVED.model_copy(update={"unsteadiness_percent": spread})
    found = Figures(system_throughput_ips=200_000.0)
    assert metrics.quality(ScenarioName.OFFLINE, found, observed, TAX, foreign) == ("ok", [])


def test_every_reason_is_listed() -> None:
    observed = OBSERVED.model_copy(
        update={"unsteadiness_percent": 50.0, "adapter_figures": {"retries": 2, "link_round_trip_us": 80.0}}
    )
    found = Figures(system_throughput_ips=500_000.0)
    quality, reasons = metrics.quality(ScenarioName.OFFLINE, found, observed, TAX, 30.0)
    assert quality == "generator_limited"
    assert reasons == [
        "the harness alone takes 50 % of the measured time",
        "compute time per input varied by 50 % over the run",
        "other processes used 30 % of the cores",
        "2 requests were sent again after a lost connection",
    ]


def test_accuracy_is_joined_from_the_run_that_is_referred_to() -> None:
    accuracy = a_record(
        "aaaaaaaaaaaa", mode=Mode.ACCURACY, figures=Figures(top1_percent=98.0, top5_percent=99.0)
    )
    fast = a_record(
        "bbbbbbbbbbbb", accuracy_run_id="aaaaaaaaaaaa", figures=Figures(system_throughput_ips=5.0)
    )
    slow = a_record("cccccccccccc", batch_size=1, figures=Figures(system_throughput_ips=3.0))
    bad = a_record(
        "dddddddddddd",
        batch_size=64,
        valid=False,
        reasons=["too short"],
        figures=Figures(system_throughput_ips=9.0),
    )
    found = rows([accuracy, fast, slow, bad])
    assert [row["top1_percent"] for row in found] == [98.0, 98.0, None, None]
    [line] = summarise([accuracy, fast, slow, bad])
    assert (line.top1_percent, line.offline_ips, line.offline_batch_size, line.runs) == (98.0, 5.0, 8, 4)
    assert line.problems == ["Offline batch 64 INVALID: too short"]
    assert line.single_stream_p90_ms is None


def test_every_reason_of_a_quality_is_recognised() -> None:
    observed = OBSERVED.model_copy(update={"unsteadiness_percent": 31.4, "adapter_figures": {"retries": 3.0}})
    tax = HarnessTax(single_stream_ns=1.0, offline_samples_per_s=1000.0)
    found = Figures(system_throughput_ips=500.0)
    _, reasons = metrics.quality(ScenarioName.OFFLINE, found, observed, tax, 76.2)
    kinds = [metrics.kind_of_reason(reason) for reason in reasons]
    assert kinds == ["harness", "unstable", "other programs", "retries"]
    assert metrics.kind_of_reason("Min duration not satisfied") == "other"


def test_each_disturbance_of_the_machine_is_a_reason() -> None:
    machine = Disturbances(
        steal_percent=5.1,
        memory_pressure_percent=40.4,
        throttle_count=3,
        clock_percent=79.9,
        temperature_c=99.0,
    )
    quality, reasons = metrics.quality(ScenarioName.OFFLINE, Figures(), OBSERVED, None, None, machine)
    assert (quality, reasons) == (
        "noisy",
        [
            "other guests of the host took 5 % of the CPU time",
            "processes waited for memory 40 % of the time",
            "the processor was throttled 3 times",
            "the clock of the fastest core fell to 80 % of its highest",
        ],
    )
    kinds = [metrics.kind_of_reason(reason) for reason in reasons]
    assert kinds == ["other guests", "memory", "throttled", "clock"]
    fine = Disturbances(0.0, 5.0, 5.0, 0, 80.0)
    assert metrics.quality(ScenarioName.OFFLINE, Figures(), OBSERVED, None, None, fine) == ("ok", [])


def test_the_better_setting_is_the_reason_for_a_suspect_accuracy() -> None:
    check = AccuracyCheck(
        samples=64,
        right=3,
        total=500,
        total_right=20,
        chance_percent=10.0,
        near_chance=True,
        settings={"model.output.label_offset": "1"},
        settings_right=61,
        settings_samples=64,
    )
    reason = (
        "suspect accuracy: set model.output.label_offset: 1 in the workload file: 61 of 64 samples are right "
        "with it, 3 of 64 as declared"
    )
    assert metrics.accuracy_quality(check) == ("suspect_accuracy", [reason])
    assert metrics.kind_of_reason(reason) == "accuracy"


def test_an_accuracy_near_chance_is_suspect_by_itself() -> None:
    check = AccuracyCheck(total=500, total_right=49, chance_percent=10.1, near_chance=True)
    assert metrics.accuracy_quality(check) == (
        "suspect_accuracy",
        [
            "suspect accuracy: top-1 of 9.8 % is no better than guessing (10.1 %), and nothing else that was "
            "tried fits better"
        ],
    )
    assert metrics.accuracy_quality(AccuracyCheck(samples=64, right=60)) == ("ok", [])
    assert metrics.accuracy_quality(None) == ("ok", [])


def test_rows_have_the_quality_of_the_accuracy_that_they_show() -> None:
    reason = "suspect accuracy: top-1 of 9.8 % is no better than guessing"
    accuracy = a_record(
        run_id="a" * 12,
        mode=Mode.ACCURACY,
        valid=True,
        quality="suspect_accuracy",
        reasons=[reason],
        figures=Figures(top1_percent=9.8),
    )
    speed = a_record(accuracy_run_id="a" * 12, valid=True, quality="noisy", reasons=["noise"])
    listed = rows([accuracy, speed])
    assert [row["quality"] for row in listed] == ["suspect_accuracy", "suspect_accuracy"]
    assert listed[1]["reasons"] == [reason, "noise"]
    assert warnings(listed) == [f"digits-mlp-25-fp32: {reason}"]
    [line] = summarise([accuracy, speed])
    assert (line.problems, line.warnings) == ([], [f"digits-mlp-25-fp32: {reason}"])
