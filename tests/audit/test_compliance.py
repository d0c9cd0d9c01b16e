"""TEST01 and TEST04 give the verdicts of MLPerf's scripts, by the encoding that the answers really have."""

import json
import struct
from pathlib import Path

import pytest

from qutiperf.audit import test01, test04
from qutiperf.audit.evidence import DETAIL, RESPONSES, SUMMARY
from qutiperf.audit.registry import COMPLIANCE, FINISHED, NEW_RUNS
from qutiperf.audit.scores import detail_score
from qutiperf.audit.tested_run import TestedRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.errors import RunError
from qutiperf.spec.audits import audit_names, load_audit
from tests.submission.good_tree import LOGS, copy

TEST01, TEST04 = load_audit("TEST01"), load_audit("TEST04")


def recorded_run(folder: Path, name: str, scenario: str = "SingleStream") -> TestedRun:
    """A copy of recorded runs, to be edited."""
    for kind in ("performance", "accuracy", name):
        copy(LOGS / scenario / kind, folder / kind)
    return TestedRun("0" * 12, scenario, folder / "performance", folder / "accuracy", folder / name)


def answers(path: Path, dtype: str, change: int = 0) -> None:
    """Writes the answers of a log as another type, `change` added to each class."""
    form = {"float32": "<f", "int32": "<i", "int64": "<q"}[dtype]
    entries = json.loads(path.read_text())
    lines = []
    for each in entries:
        label = int(struct.unpack("<f", bytes.fromhex(each["data"]))[0]) + change
        data = struct.pack(form, label).hex().upper()
        lines.append(f'{{ "seq_id" : {each["seq_id"]}, "qsl_idx" : {each["qsl_idx"]}, "data" : "{data}" }}')
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def test_shipped_audits_have_the_official_settings() -> None:
    assert set(audit_names()) == {*COMPLIANCE, *FINISHED, *NEW_RUNS}
    assert TEST01.config("resnet", "Offline") == (
        "*.*.mode = 2\n*.*.accuracy_log_rng_seed = 720381539243781796\n"
        "*.*.accuracy_log_sampling_target = 4096\n"
    )
    assert "sampling_target = 64\n" in TEST01.config("yolo-99", "Offline")
    assert TEST04.config("resnet", "MultiStream") == (
        "*.MultiStream.mode = 2\n*.MultiStream.performance_issue_unique = 0\n"
        "*.MultiStream.performance_issue_same = 1\n*.MultiStream.performance_issue_same_index = 3\n"
    )


def test_honest_runs_pass(tmp_path: Path) -> None:
    first = test01.judge(TEST01, recorded_run(tmp_path, "TEST01"))
    second = test04.judge(TEST04, recorded_run(tmp_path, "TEST04"))
    assert (first.outcome, second.outcome) == ("pass", "pass")
    assert first.evidence[1] == "the scores agree"
    assert [*first.texts, *second.texts] == [
        "verify_accuracy.txt",
        "verify_performance.txt",
        "verify_performance.txt",
    ]
    assert AuditVerdict.model_validate_json(first.model_dump_json()) == first


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
def test_answers_that_are_all_wrong_fail_in_every_encoding(tmp_path: Path, dtype: str) -> None:
    """The official default, byte, sees none of the float32 ones: the low byte of small floats is 0."""
    run = recorded_run(tmp_path, "TEST01")
    assert run.accuracy is not None
    answers(run.accuracy / RESPONSES, dtype)
    answers(run.test / RESPONSES, dtype, change=1)
    counts = test01.count_answers(run.accuracy / RESPONSES, run.test / RESPONSES, dtype)
    assert counts.num_perf_log_data_mismatch == counts.num_perf_log_qsl_idx_match > 0
    assert counts.text().endswith("TEST FAIL\n\n")
    blind = test01.count_answers(run.accuracy / RESPONSES, run.test / RESPONSES, "byte")
    assert blind.passed == (dtype == "float32")


def test_one_wrong_answer_fails(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, "TEST01")
    log = run.test / RESPONSES
    entries = log.read_text().splitlines()
    last = next(number for number in reversed(range(len(entries))) if "data" in entries[number])
    before, _, _ = entries[last].partition('"data" : "')
    entries[last] = f'{before}"data" : "0000C842" }}'
    log.write_text("\n".join(entries))
    verdict = test01.judge(TEST01, run)
    assert verdict.outcome == "fail"
    assert verdict.evidence[0].startswith("1 of ")
    assert "num_perf_log_data_mismatch = 1\n" in verdict.texts["verify_accuracy.txt"]
    assert "TEST PASS" in verdict.texts["verify_performance.txt"]


def test_answers_of_another_size_are_inconclusive(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, "TEST01")
    assert run.accuracy is not None
    with pytest.raises(RunError, match="an answer of 4 bytes is not made of int64"):
        test01.count_answers(run.accuracy / RESPONSES, run.test / RESPONSES, "int64")


def test_a_missing_or_damaged_log_is_inconclusive(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, "TEST01")
    (run.test / RESPONSES).write_text("not json")
    assert test01.judge(TEST01, run).outcome == "inconclusive"
    (run.test / RESPONSES).unlink()
    assert test01.judge(TEST01, run).outcome == "inconclusive"
    alone = TestedRun(run.run_id, run.scenario, run.performance, None, run.test)
    assert test01.judge(TEST01, alone).evidence == ["there is no accuracy run to compare with"]
    (run.performance / SUMMARY).unlink()
    assert test04.judge(TEST04, run).outcome == "inconclusive"


def scaled(path: Path, key: str, factor: float) -> None:
    """Multiplies one value of a detail log."""
    lines = []
    for line in path.read_text().splitlines():
        entry = json.loads(line.removeprefix(":::MLLOG "))
        if entry["key"] == key:
            entry["value"] = entry["value"] * factor
        lines.append(f":::MLLOG {json.dumps(entry)}")
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("factor", "passes"), [(0.89, False), (0.91, True), (1.09, True), (1.11, False)])
def test_test01_allows_ten_percent_either_way(tmp_path: Path, factor: float, passes: bool) -> None:
    run = recorded_run(tmp_path, "TEST01", "Offline")
    copy(run.performance, run.test)
    scaled(run.test / DETAIL, "result_samples_per_second", factor)
    verdict = test01.judge(TEST01, run)
    assert (verdict.outcome == "pass") == passes
    assert ("TEST PASS" in verdict.texts["verify_performance.txt"]) == passes


@pytest.mark.parametrize(("factor", "passes"), [(1.15, True), (1.21, False)])
def test_fast_systems_may_differ_by_twenty_percent(tmp_path: Path, factor: float, passes: bool) -> None:
    """Up to 200 us in SingleStream."""
    run = recorded_run(tmp_path, "TEST01")
    value = detail_score(run.performance_trace(), "run").value
    assert value is not None
    copy(run.performance, run.test)
    scaled(run.performance / DETAIL, "early_stopping_latency_ss", 200_000 / value)
    scaled(run.test / DETAIL, "early_stopping_latency_ss", 200_000 * factor / value)
    assert ("TEST PASS" in test01.judge(TEST01, run).texts["verify_performance.txt"]) == passes


def test_an_invalid_run_fails_both(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, "TEST01")
    path = run.test / DETAIL
    path.write_text(
        path.read_text().replace(
            '"result_validity", "value": "VALID"', '"result_validity", "value": "INVALID"'
        )
    )
    verdict = test01.judge(TEST01, run)
    assert (verdict.outcome, verdict.evidence[1]) == ("fail", "Invalid results in TEST01")
    other = recorded_run(tmp_path / "4", "TEST04")
    summary = other.performance / SUMMARY
    summary.write_text(summary.read_text().replace("Result is : VALID", "Result is : INVALID"))
    verdict = test04.judge(TEST04, other)
    assert (verdict.outcome, verdict.evidence) == ("fail", ["Reference results are invalid"])


@pytest.mark.parametrize(
    ("scenario", "reference", "test", "passes"),
    [
        ("Offline", 100.0, 109.0, True),
        ("Offline", 100.0, 111.0, False),
        ("Offline", 100.0, 1.0, True),
        ("SingleStream", 1_200_000, 1_010_000, True),  # 19 % faster: the script's bound is never reached
        ("SingleStream", 1_200_000, 990_000, False),
    ],
)
def test_test04_fails_only_what_is_faster(
    tmp_path: Path, scenario: str, reference: float, test: float, passes: bool
) -> None:
    """The two latencies are those of shared measurements with the official script: 19 % passes, 21 % not."""
    run = TestedRun("0" * 12, scenario, tmp_path / "a", None, tmp_path / "b")
    for folder, value in ((run.performance, reference), (run.test, test)):
        folder.mkdir()
        line = {
            "Offline": f"Samples per second: {value}",
            "SingleStream": f" * Early stopping 90.0th percentile estimate: {value}",
        }[scenario]
        (folder / SUMMARY).write_text(f"Scenario : {scenario}\nResult is : VALID\n{line}\n")
    assert (test04.judge(TEST04, run).outcome == "pass") == passes


def test_runs_of_two_scenarios_do_not_compare(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, "TEST04")
    copy(LOGS / "Offline" / "TEST04", run.test)
    verdict = test04.judge(TEST04, run)
    assert verdict.evidence == ["Test and reference scenarios do not match!"]
