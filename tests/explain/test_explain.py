"""Recorded runs against their expected explanation, and the values in it against LoadGen's formulas."""

import json
import shutil
from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.explain import Context, Finding, explain, explain_folder, render, to_dict
from qutiperf.explain.server import achievable_rate
from qutiperf.mlperf_logs import read_result
from qutiperf.spec.scenario import RunSettings
from tests.places import LOGS

KINDS = sorted(path.name for path in LOGS.iterdir())
INVALID = [kind for kind in KINDS if read_result(LOGS / kind).validity == "INVALID"]
CONTEXTS = {"submission_seeds_v5_1": Context(round_name="v6.1")}


def findings_of(kind: str, context: Context | None = None) -> list[Finding]:
    return explain(read_result(LOGS / kind), context)


def only(findings: list[Finding], rule: str) -> Finding:
    found = [finding for finding in findings if finding.rule == rule]
    assert len(found) == 1, render(findings)
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
def test_expected_text(kind: str) -> None:
    """The text beside each recording; the tests below compute its values from LoadGen's formulas."""
    expected = (LOGS / kind / "explanation.txt").read_text(encoding="utf-8")
    assert render(findings_of(kind, CONTEXTS.get(kind))) + "\n" == expected


def test_every_invalid_recording_names_its_rule_and_the_setting_that_cures_it() -> None:
    first = {kind: findings_of(kind)[0] for kind in INVALID}
    assert {kind: (finding.rule, finding.setting) for kind, finding in first.items()} == {
        "max_duration": ("ended by max_duration", "settings.max_duration_s"),
        "max_query_count": ("ended by max_query_count", "settings.max_query_count"),
        "multi_stream_early_stopping": ("early stopping not met", "settings.min_query_count"),
        "multi_stream_ran_out": ("minimum duration not met", "settings.target_latency_ms"),
        "offline_target_qps_low": ("minimum duration not met", "settings.target_qps"),
        "server_bound_below_service": ("Server latency bound", "settings.server_target_latency_ms"),
        "server_early_stopping": ("early stopping not met", "settings.min_query_count"),
        "server_latency_bound": ("Server latency bound", "settings.target_qps"),
        "server_overloaded": ("Server overloaded", "settings.target_qps"),
        "server_too_many_waiting": ("pipeline overloaded", "settings.target_qps"),
        "single_stream_early_stopping": ("early stopping not met", "settings.min_query_count"),
        "single_stream_ran_out": ("minimum duration not met", "settings.target_latency_ms"),
    }


@pytest.mark.parametrize("kind", INVALID)
def test_one_failed_rule_comes_first_with_a_cure(kind: str) -> None:
    findings = findings_of(kind)
    assert [finding.kind for finding in findings].count("invalid") == 1
    assert findings[0].kind == "invalid"
    assert findings[0].setting is not None
    assert findings[0].value is not None
    assert (findings[0].source or "").partition("https://")[2].startswith("github.com/mlcommons/inference/")


@pytest.mark.parametrize("kind", INVALID)
def test_settings_are_those_of_the_configuration(kind: str) -> None:
    for finding in findings_of(kind):
        section, _, name = (finding.setting or "").partition(".")
        assert section == "settings"
        assert RunSettings.model_validate({name: finding.value})


def test_ran_out_of_queries_expects_the_measured_latency() -> None:
    """20 ms expected for 2 s: 2 x 2000 / 20 + 1 = 201 queries; 1.11177 ms measured, rounded down."""
    finding = findings_of("single_stream_ran_out")[0]
    assert (finding.setting, finding.value) == ("settings.target_latency_ms", 1.11)
    assert finding.run_minutes == pytest.approx(2 / 60)
    assert finding.extra_minutes == pytest.approx((2 - 200 / 895.872) / 60)
    assert "generated 201 queries" in finding.what


def test_offline_rate_makes_the_query_long_enough() -> None:
    """LoadGen: 1.1 x 1 s x 998/s = 1097 samples, 1.1 s at the 997.8/s of this system."""
    finding = findings_of("offline_target_qps_low")[0]
    assert (finding.setting, finding.value) == ("settings.target_qps", 998)
    assert finding.run_minutes == pytest.approx(1.1 * 998 / 997.838 / 60, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "queries", "query_s"),
    [("single_stream_early_stopping", 64, 0.0302502), ("multi_stream_early_stopping", 662, 0.0031449)],
)
def test_early_stopping_costs_its_queries(kind: str, queries: int, query_s: float) -> None:
    finding = findings_of(kind)[0]
    assert (finding.setting, finding.value) == ("settings.min_query_count", queries)
    assert finding.run_minutes == pytest.approx(queries * query_s / 60, rel=1e-3)


def test_server_early_stopping_allows_one_late_query_more() -> None:
    """None of 190 was late: 459 would do without a late one, 662 with one; at 200 queries/s 3.31 s."""
    finding = findings_of("server_early_stopping")[0]
    assert (finding.setting, finding.value) == ("settings.min_query_count", 662)
    assert finding.run_minutes == pytest.approx(3.31 / 60)


def test_overloaded_server_stays_below_what_it_answered() -> None:
    """The advised 331 queries/s, and 137 of the next test, were run on the recording host: VALID."""
    assert achievable_rate(read_result(LOGS / "server_overloaded")) == 331
    finding = findings_of("server_overloaded")[0]
    assert (finding.rule, finding.value) == ("Server overloaded", 331)


def test_server_over_its_bound_lowers_the_rate() -> None:
    result = read_result(LOGS / "server_latency_bound")
    assert achievable_rate(result) == 137
    advice = explain(result)
    assert (advice[0].rule, advice[0].value) == ("Server latency bound", 137)
    assert (advice[1].setting, advice[1].value) == ("settings.min_query_count", 2144)


def test_a_bound_below_the_device_has_no_rate() -> None:
    result = read_result(LOGS / "server_bound_below_service")
    assert achievable_rate(result) is None
    assert explain(result)[0].setting == "settings.server_target_latency_ms"


def test_token_latencies_are_left_to_loadgens_words() -> None:
    result = read_result(LOGS / "server_latency_bound")
    tokens = result.model_copy(update={"requested": {**result.requested, "use_token_latencies": True}})
    assert [finding.rule for finding in explain(tokens)] == ["token latency bound"]


def test_limits_of_the_user_come_before_the_rules_they_broke() -> None:
    assert findings_of("max_duration")[0].rule == "ended by max_duration"
    assert findings_of("max_query_count")[0].value == 400
    waiting = findings_of("server_too_many_waiting")[0]
    assert (waiting.rule, waiting.setting) == ("pipeline overloaded", "settings.target_qps")


def test_seeds_of_another_round_name_the_pip_line() -> None:
    finding = only(
        findings_of("submission_seeds_v5_1", Context(round_name="v6.1")), "seeds are not those of v6.1"
    )
    assert finding.what == "they are those of v5.1"
    assert finding.command == "pip install 'mlcommons-loadgen==6.0.17'"
    assert [entry.kind for entry in findings_of("submission_seeds", Context(round_name="v6.1"))] == ["valid"]


def test_seeds_of_zero_name_the_profile() -> None:
    findings = findings_of("single_stream_valid", Context(round_name="v6.1"))
    assert only(findings, "seeds are not those of v6.1").cure == "run with --profile submission"


def test_a_valid_run_with_errors_is_not_submittable() -> None:
    assert [entry.kind for entry in findings_of("two_configurations")] == ["valid", "error"]
    assert [entry.kind for entry in findings_of("answered_twice")] == ["valid", "error"]


def test_audit_config_changed_the_mode() -> None:
    findings = findings_of("audit_config", Context(mode="AccuracyOnly"))
    assert only(findings, "mode changed").what == "AccuracyOnly was requested, but PerformanceOnly was run"


def test_a_cut_log_is_a_run_that_did_not_finish(tmp_path: Path) -> None:
    text = (LOGS / "single_stream_valid" / "mlperf_log_detail.txt").read_text(encoding="utf-8")
    (tmp_path / "mlperf_log_detail.txt").write_text(text[: text.index('"power_end"')], encoding="utf-8")
    [explained] = explain_folder(tmp_path)
    assert [finding.rule for finding in explained.findings] == ["run not finished"]


def test_slow_names_the_largest_phase_first() -> None:
    phases = {"queue": 3e6, "gather": 1e3, "transfer": 4e6, "compute": 2e6, "respond": 1e3}
    context = Context(phase_mean_ns=phases, streams=2, batch_size=8)
    slow = [entry for entry in findings_of("server_valid", context) if entry.kind == "slow"]
    assert [(entry.rule, entry.setting, entry.value) for entry in slow] == [
        ("copying to and from the device", "deployment.batch_size", 32),
        ("waiting in the queue", "deployment.streams", 4),
    ]
    assert slow[0].what == "4 ms of a batch (44 %), compute takes 2 ms"


def test_waiting_in_an_offline_query_is_the_scenario() -> None:
    context = Context(phase_mean_ns={"queue": 9e6, "compute": 1e6})
    assert [entry.kind for entry in findings_of("offline_valid", context)] == ["valid"]


def test_a_larger_batch_is_no_cure_in_single_stream() -> None:
    single = only(findings_of("single_stream_valid", Context(generator_share=0.3)), "limited by the harness")
    offline = only(findings_of("offline_valid", Context(generator_share=0.3)), "limited by the harness")
    assert (single.setting, single.value) == (None, None)
    assert (offline.setting, offline.value) == ("deployment.batch_size", 4)
    assert findings_of("offline_valid", Context(generator_share=0.2)) == findings_of("offline_valid")


def test_more_threads_than_cores() -> None:
    finding = only(
        findings_of("offline_valid", Context(threads=4, streams=2, cores=4)), "more threads than cores"
    )
    assert (finding.setting, finding.value) == ("deployment.threads", 2)
    assert [entry.kind for entry in findings_of("offline_valid", Context(threads=2, streams=2, cores=4))] == [
        "valid"
    ]


def test_unstable_says_what_the_host_does() -> None:
    reason = "compute time per input varied by 31 % over the run"
    context = Context(quality_reasons=(reason,), governor="powersave", load_1min=6.2, cores=4)
    unstable = [entry for entry in findings_of("single_stream_valid", context) if entry.kind == "unstable"]
    assert [entry.rule for entry in unstable] == ["unsteady times", "frequency governor", "busy machine"]
    assert (unstable[0].what, unstable[0].setting) == (reason, None)
    assert unstable[2].what == "the load average was 6.2 on 4 cores"
    assert unstable[1].command == "sudo cpupower frequency-set -g performance"


def test_unsteady_on_a_quiet_host_is_cured_by_a_longer_run() -> None:
    reason = "compute time per input varied by 31 % over the run"
    [_, finding] = findings_of("single_stream_valid", Context(quality_reasons=(reason,)))
    assert (finding.rule, finding.what) == ("unsteady times", reason)
    assert (finding.setting, finding.value) == ("settings.min_duration_s", 1.5)
    assert finding.run_minutes == pytest.approx(1.5 / 60, rel=1e-3)


def test_a_load_of_the_runs_own_threads_is_not_blamed_on_others() -> None:
    reason = "compute time per input varied by 31 % over the run"
    context = Context(quality_reasons=(reason,), load_1min=6.2, cores=4, threads=4, streams=2)
    rules = [entry.rule for entry in findings_of("single_stream_valid", context)]
    assert rules == ["SingleStream", "more threads than cores", "unsteady times"]


def test_noise_of_other_programs_is_never_answered_with_a_longer_run() -> None:
    reasons = ("compute time per input varied by 31 % over the run", "other processes used 76 % of the cores")
    context = Context(quality_reasons=reasons, load_1min=6.2, cores=4)
    [_, noisy, unsteady] = findings_of("single_stream_valid", context)
    assert (noisy.kind, noisy.what, noisy.setting) == ("noisy", reasons[1], None)
    assert noisy.cure.startswith("stop other programs")
    assert (unsteady.kind, unsteady.what, unsteady.setting) == ("unstable", reasons[0], None)


def test_lost_connections_point_to_the_network() -> None:
    reason = "3 requests were sent again after a lost connection"
    [_, finding] = findings_of("single_stream_valid", Context(quality_reasons=(reason,)))
    assert (finding.rule, finding.cure) == ("unreliable network", "check the link to the device")


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("other guests of the host took 7 % of the CPU time", "other guests"),
        ("processes waited for memory 40 % of the time", "too little memory"),
        ("the processor was throttled 3 times", "throttling"),
        ("the clock of the fastest core fell to 60 % of its highest", "changing clock"),
    ],
)
def test_a_disturbance_of_the_machine_has_a_cure(reason: str, rule: str) -> None:
    [_, finding] = findings_of("single_stream_valid", Context(quality_reasons=(reason,)))
    assert (finding.kind, finding.rule, finding.what) == ("noisy", rule, reason)
    assert finding.because
    assert finding.cure or finding.command


def test_queries_issued_late_are_a_reason() -> None:
    context = Context(phase_mean_ns={"late": 8e6, "queue": 1e5, "compute": 2e6})
    finding = only(findings_of("server_valid", context), "LoadGen issuing queries late")
    assert finding.what == "8 ms of a batch (79 %), compute takes 2 ms"


def test_every_finding_has_a_cause_or_a_cure() -> None:
    for kind in KINDS:
        for finding in findings_of(kind, CONTEXTS.get(kind)):
            assert finding.kind == "valid" or finding.because or finding.cure or finding.setting


def test_a_quiet_run_is_not_blamed_on_the_host() -> None:
    context = Context(governor="powersave", load_1min=6.2, cores=4)
    assert [entry.kind for entry in findings_of("single_stream_valid", context)] == ["valid"]


def test_reasons_of_the_verdict_are_not_repeated_as_quality() -> None:
    result = read_result(LOGS / "single_stream_ran_out")
    context = Context(quality_reasons=tuple(result.invalid_reasons))
    assert explain(result, context) == explain(result)


def test_a_tree_of_anybody(tmp_path: Path) -> None:
    place = (
        tmp_path / "open" / "Acme" / "results" / "board" / "resnet50" / "Offline" / "performance" / "run_1"
    )
    shutil.copytree(LOGS / "offline_valid", place)
    [explained] = explain_folder(tmp_path)
    assert (explained.name, explained.findings[0].kind) == (str(place), "valid")
    with pytest.raises(InputError):
        explain_folder(tmp_path / "absent")


def test_json_has_every_field() -> None:
    entry = to_dict(findings_of("single_stream_ran_out")[0])
    assert entry.keys() == set(Finding.__dataclass_fields__)
    assert json.loads(json.dumps(entry))["value"] == 1.11
