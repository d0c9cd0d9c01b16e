"""Two results folders side by side: changes, intervals, refusals and exit codes, by hand."""

import json
import math
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.report.change import Change, compare_records
from qutiperf.results.record import Failure, Figures, Observed, RunRecord
from qutiperf.spec.scenario import ScenarioName
from tests.conftest import fails
from tests.report.folders import accuracy, performance, stored


def repeats(*rates_ips: float, **more: object) -> list[RunRecord]:
    """One point, measured once per rate."""
    records = []
    for number, rate in enumerate(rates_ips, start=1):
        record = performance(number, rate, **more)
        point = record.point.model_copy(
            update={"repeat": number, "deployment": {**record.point.deployment, "batch_size": 8}}
        )
        records.append(record.model_copy(update={"point": point}))
    return records


def steady(percent: float) -> Observed:
    return Observed(adapter={}, unsteadiness_percent=percent)


def only(first: list[RunRecord], second: list[RunRecord], threshold: float = 5.0) -> Change:
    [change] = compare_records(first, second, threshold).changes
    return change


def test_pairs_give_an_interval_by_hand() -> None:
    change = only(repeats(100.0, 200.0, 400.0), repeats(80.0, 160.0, 352.0))
    logs = [math.log(0.8), math.log(0.8), math.log(0.88)]
    mean = sum(logs) / 3
    error = math.sqrt(sum((each - mean) ** 2 for each in logs) / 2 / 3)
    half = 4.302652729911275 * error  # Student's t, 97.5 %, 2 degrees of freedom
    assert change.change_percent == pytest.approx(100 * math.expm1(mean))
    assert change.low_percent == pytest.approx(100 * math.expm1(mean - half))
    assert change.high_percent == pytest.approx(100 * math.expm1(mean + half))
    assert (change.basis, change.verdict) == ("3 pairs", "regressed")
    assert change.first == pytest.approx(200.0)


def test_noise_over_repeats_is_not_a_regression() -> None:
    change = only(repeats(100.0, 100.0), repeats(60.0, 105.0))
    assert change.change_percent == pytest.approx(100 * (math.sqrt(0.63) - 1))
    assert change.verdict == "same"


def test_one_run_each_uses_the_spread_within_the_runs() -> None:
    change = only(repeats(100.0, observed=steady(3.0)), repeats(90.0, observed=steady(4.0)))
    assert change.low_percent == pytest.approx(100 * math.expm1(math.log(0.9) - 0.05))
    assert change.high_percent == pytest.approx(100 * math.expm1(math.log(0.9) + 0.05))
    assert (change.basis, change.verdict) == ("spread within the runs", "regressed")
    noisy = only(repeats(100.0, observed=steady(30.0)), repeats(90.0, observed=steady(4.0)))
    assert noisy.verdict == "same"


def test_without_any_noise_only_the_threshold_decides() -> None:
    assert only(repeats(100.0), repeats(94.0)).verdict == "regressed"
    assert only(repeats(100.0), repeats(96.0)).verdict == "same"
    assert only(repeats(100.0), repeats(94.0), threshold=7.0).verdict == "same"
    assert only(repeats(100.0), repeats(107.0)).verdict == "improved"
    assert only(repeats(100.0), repeats(107.0)).basis == "noise unknown: one run each"


def test_a_longer_latency_is_worse() -> None:
    def single(p90_ms: float) -> list[RunRecord]:
        [record] = repeats(1.0, figures=Figures(system_latency_p90_ms=p90_ms))
        return [
            record.model_copy(
                update={"point": record.point.model_copy(update={"scenario": ScenarioName.SINGLE_STREAM})}
            )
        ]

    change = only(single(2.0), single(3.0))
    assert (change.figure, change.verdict) == ("system_latency_p90_ms", "regressed")
    assert change.change_percent == pytest.approx(50.0)
    assert only(single(3.0), single(2.0)).verdict == "improved"


def test_lost_accuracy_is_a_regression() -> None:
    change = only([accuracy(97.5)], [accuracy(90.0)])
    assert (change.figure, change.scenario, change.verdict) == ("top1_percent", "accuracy", "regressed")


def test_a_run_that_is_no_longer_valid_is_a_regression() -> None:
    failure = Failure(stage="run", kind="crash", reason="gone")
    broken = repeats(1.0, valid=False, failure=failure, reasons=["gone"], figures=Figures())
    change = only(repeats(100.0), broken)
    assert (change.verdict, change.reasons) == ("regressed", ["the second is failed: gone"])
    assert only(broken, repeats(100.0)).reasons == ["the first is failed"]
    assert only(broken, repeats(100.0)).verdict == "not compared"


def test_other_hosts_and_other_rules_are_refused_and_versions_are_marked() -> None:
    here, there = ({"cpu_model": name, "hostname": name} for name in ("x", "y"))
    refused = only(repeats(100.0, host=here), repeats(50.0, host=there))
    assert refused.reasons == ["the hosts differ (--across-hosts compares them)"]
    [across] = compare_records(
        repeats(100.0, host=here), repeats(50.0, host=there), 5, across_hosts=True
    ).changes
    assert (across.verdict, across.differs) == ("regressed", ["host x -> y"])
    [record] = repeats(50.0)
    settings = record.point.settings.model_copy(update={"min_duration_s": 1.0})
    longer = record.model_copy(update={"point": record.point.model_copy(update={"settings": settings})})
    assert only(repeats(100.0), [longer]).reasons == ["the settings differ: min_duration_s"]
    newer = only(repeats(100.0, versions={"onnxruntime": "1"}), repeats(99.0, versions={"onnxruntime": "2"}))
    assert newer.differs == ["onnxruntime 1 -> 2"]
    marked = only(repeats(100.0), repeats(99.0, quality="noisy"))
    assert marked.differs == ["second: noisy"]


def folders(tmp_path: Path, before: float, after: float) -> list[str]:
    pairs = (("before", before), ("after", after))
    return [
        str(stored(tmp_path / name, [performance(0, rate), performance(1, 100.0)])) for name, rate in pairs
    ]


def test_the_exit_code_is_1_for_a_regression_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = folders(tmp_path, 100.0, 80.0)
    assert main(["compare", before, after, "--only-regressed", "--json"], debug=False) == 1
    [regressed] = json.loads(capsys.readouterr().out)
    assert (regressed["setting"], regressed["first"], regressed["second"]) == (
        "batch 1, threads 1",
        100.0,
        80.0,
    )
    assert regressed["change_percent"] == pytest.approx(-20.0)
    assert main(["compare", before, after, "--threshold", "25"], debug=False) == 0
    assert main(["compare", after, before], debug=False) == 0
    assert "0 regressed, 1 improved, 1 same, 0 not compared; threshold 5 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{before}"], "compare: 1 folders are given"),
        (["{before}", "{before}", "{after}"], "compare: 3 folders are given"),
        (["{before}", "nowhere"], "nowhere: is not a results folder"),
        (["{before}", "{after}", "--threshold", "-1"], "--threshold: -1.0 is not a threshold"),
        (["{before}", "{after}", "--threshold", "nan"], "--threshold: nan is not a threshold"),
        (["{before}", "{after}", "--figure", "speed"], "--figure: no figure named 'speed'"),
        (["{before}", "{after}", "--figure", "full_power_w"], "cannot be compared; full_power_w is unknown"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = folders(tmp_path, 100.0, 80.0)
    line = fails(capsys, ["compare", *(text.format(before=before, after=after) for text in arguments)], 2)
    assert message in line


def test_folders_without_a_common_point_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stored(tmp_path / "one", [performance(0, 1.0)])
    two = stored(tmp_path / "two", [performance(5, 1.0)])
    assert "have no point in common" in fails(capsys, ["compare", str(one), str(two)], 2)
