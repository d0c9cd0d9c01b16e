"""Which repeats are still needed, from made-up values; and a sweep that repeats by itself."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from qutiperf import host
from qutiperf.cli import main
from qutiperf.results.record import Figures, RunRecord
from qutiperf.run.plan import Group, gather, make_plan
from qutiperf.run.repeats import RepeatRule, in_rounds
from qutiperf.spec.sweep import Sweep, load_sweep
from tests.conftest import SutFile, fails
from tests.results.test_metrics import a_record

SweepFile = Callable[..., Path]
QUICK = [
    "workloads=digits-mlp-25-fp32",
    "scenarios=Offline",
    "modes=PerformanceOnly",
    "deployment.batch_size=1,8",
]


def planned(*more: str) -> tuple[Sweep, list[Group]]:
    sweep, file = load_sweep("quickstart", [*QUICK, *more])
    return sweep, make_plan(sweep, gather(sweep, beside=file.path.parent), host.facts()).groups


def records(groups: Sequence[Group], batch_size: int, values: Sequence[float]) -> list[RunRecord]:
    """One valid run with a throughput for each of the first repeats."""
    runs = {
        run.point.repeat: run
        for group in groups
        for run in group.runs
        if run.point.deployment["batch_size"] == batch_size
    }
    return [
        a_record(runs[number].run_id, figures=Figures(system_throughput_ips=value))
        for number, value in enumerate(values, 1)
    ]


def needed(rule: RepeatRule, groups: Sequence[Group]) -> list[list[tuple[object, int]]]:
    return [
        [(run.point.deployment["batch_size"], run.point.repeat) for run in rule.needed(group).runs]
        for group in groups
    ]


def test_auto_is_three_repeats_and_a_rule() -> None:
    sweep, groups = planned("repeats=auto")
    assert (sweep.repeats, sweep.most_repeats) == (3, 10)
    assert sum(len(group.runs) for group in groups) == 20
    assert [len(group.runs) for group in in_rounds(groups, sweep)] == [6, *[2] * 7]
    assert in_rounds(groups, planned("repeats=3")[0]) == groups


def test_a_point_is_repeated_until_its_interval_is_narrow_enough() -> None:
    """99, 100, 101: t 4.3027 x deviation 1 / sqrt(3) = 2.48 %; a fourth 100: 3.1824 x 0.8165 / 2 = 1.30 %."""
    sweep, groups = planned("repeats=auto", "repeat_until.most=4", "order=listed")
    rounds = in_rounds(groups, sweep)
    rule = RepeatRule(sweep, groups, {})
    rule.take(records(groups, 8, (100.0, 100.1, 99.9)))
    rule.take(records(groups, 1, (99.0, 100.0, 101.0)))
    first, further = needed(rule, rounds)
    assert len(first) == 6
    assert further == [(1, 4)]
    rule.take(records(groups, 1, (99.0, 100.0, 101.0, 100.0)))
    assert needed(rule, rounds)[1] == []


def test_invalid_runs_do_not_count() -> None:
    sweep, groups = planned("repeats=auto")
    same = records(groups, 8, (100.0, 100.0, 100.0))
    rule = RepeatRule(sweep, groups, {"x": [same[0].model_copy(update={"valid": False}), *same[1:]]})
    assert (8, 4) in needed(rule, in_rounds(groups, sweep))[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["repeats=auto", "repeat_until.figure=speed"], "repeat_until.figure: 'speed' is not a figure"),
        (["repeats=2", "repeat_until.most=9"], "repeat_until needs repeats of 3 or more, not 2"),
        (["repeats=auto", "repeat_until.within_percent=0"], "repeat_until.within_percent"),
        (["repeats=auto", "repeat_until.most=1000000"], "repeat_until.most"),
        (["repeats=always"], "repeats: should be a"),
    ],
)
def test_wrong_rules(settings: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    assert message in fails(capsys, ["plan", "quickstart", *words], 2)


@pytest.mark.slow
def test_a_steady_device_is_measured_three_times(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three runs of a simulated device are within the bound of 100 %; the second command measures nothing."""
    sut = sut_file("simulated", extra="options: {latency_us: 20000}\n")
    sweep = sweep_file(sut, extra="repeats: auto\nrepeat_until: {within_percent: 100, most: 20}\n")
    arguments = ["run", str(sweep), "--out", str(tmp_path / "out"), "--json", "--only", "mode=perf*"]
    for _ in range(2):
        assert main(arguments, debug=True) == 0
        rows = json.loads(capsys.readouterr().out)
        assert [(row["attempt"], row["repeat"]) for row in rows] == [(1, 1), (1, 2), (1, 3)]
