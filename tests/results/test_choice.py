"""The best setting under requirements, from made-up records whose answers are worked out by hand."""

import pytest

from qutiperf.errors import InputError
from qutiperf.results.choice import Choice, Goal, choose
from qutiperf.results.record import Figures, RunRecord
from qutiperf.results.requirement import parse_requirement
from qutiperf.results.table import COLUMNS, rows
from tests.results.test_metrics import a_record

FASTEST = Goal("system_throughput_ips", highest=True)


def run(batch_size: int, ips: float, latency_ms: float | None = None, repeat: int = 1) -> RunRecord:
    record = a_record(
        f"{batch_size:06}{repeat:06}",
        batch_size=batch_size,
        figures=Figures(system_throughput_ips=ips, system_latency_p99_ms=latency_ms),
    )
    return record.model_copy(update={"point": record.point.model_copy(update={"repeat": repeat})})


def best(records: list[RunRecord], *require: str, goal: Goal = FASTEST) -> Choice:
    return choose(rows(records), [parse_requirement(text, COLUMNS) for text in require], goal)


def batch_sizes(choice: Choice) -> list[object]:
    return [one.row["batch_size"] if one else None for one in (choice.winner, choice.runner_up)]


def test_the_winner_the_runner_up_and_the_cost_of_a_requirement() -> None:
    records = [run(1, 100.0, 2.0), run(8, 400.0, 4.0), run(64, 800.0, 9.0)]
    choice = best(records, "system_latency_p99_ms <= 5", "batch_size >= 2")
    assert batch_sizes(choice) == [8, None]
    latency, batch = choice.costs
    assert (latency.satisfied, latency.cost_percent) == (2, 50.0)
    assert latency.without is not None
    assert latency.without.row["batch_size"] == 64
    assert (batch.satisfied, batch.cost_percent) == (2, 0.0)
    assert batch_sizes(best(records)) == [64, 8]
    assert batch_sizes(best(records, goal=Goal("system_latency_p99_ms", highest=False))) == [1, 8]


def test_the_bound_may_be_a_share_of_another_datatypes_best() -> None:
    """Of accuracies also if the runs of that datatype that measure speed are not valid."""
    reference = a_record("a" * 12, figures=Figures(top1_percent=98.0, system_throughput_ips=1.0))
    mine = reference.model_copy(update={"valid": False, "run_id": "b" * 12})
    good = a_record("c" * 12, batch_size=2, figures=Figures(top1_percent=97.5, system_throughput_ips=5.0))
    poor = a_record("d" * 12, batch_size=4, figures=Figures(top1_percent=90.0, system_throughput_ips=9.0))
    choice = best([reference, mine, good, poor], "top1_percent >= 99% of FP32")
    assert choice.costs[0].bound == pytest.approx(97.02)
    assert batch_sizes(choice) == [2, 8]
    with pytest.raises(InputError, match="no valid run of datatype int4 has top1_percent; the results have"):
        best([reference], "top1_percent >= 99% of int4")


def test_repeats_are_one_setting_with_the_interval_of_students_t() -> None:
    """Median 100, standard deviation 2, t of 2 degrees of freedom 4.3027: 4.3027 * 2 / sqrt(3) = 4.9683."""
    choice = best([run(1, ips, repeat=number) for number, ips in enumerate((98.0, 100.0, 102.0), 1)])
    assert choice.winner is not None
    assert choice.settings == 1
    figure = choice.winner.figures["system_throughput_ips"]
    assert (figure.value, figure.repeats, figure.assumed) == (100.0, 3, False)
    assert figure.high - figure.value == pytest.approx(4.9683, abs=1e-4)
    assert choice.winner.run_ids == ["000001000001", "000001000002", "000001000003"]


@pytest.mark.parametrize(("second", "undecided"), [(98.1, 1), (97.9, 0)])
def test_single_runs_within_two_percent_are_undecided(second: float, undecided: int) -> None:
    choice = best([run(1, 100.0), run(8, second)])
    assert len(choice.undecided) == undecided
    assert choice.winner is not None
    assert choice.winner.figures["system_throughput_ips"].assumed


def test_noise_at_a_bound_is_said() -> None:
    choice = best([run(1, 100.0, 4.99), run(8, 300.0, 5.02)], "system_latency_p99_ms <= 5")
    assert batch_sizes(choice) == [1, None]
    assert choice.undecided == [
        "the winner's system_latency_p99_ms is within the noise of the bound 5",
        "1 setting would be better and misses a requirement by less than the noise",
    ]


def test_what_is_not_valid_or_not_measured_takes_no_part() -> None:
    invalid = run(2, 900.0).model_copy(update={"valid": False})
    unknown = a_record("e" * 12, batch_size=16)
    choice = best([run(1, 100.0), invalid, unknown])
    assert choice.left_out == {"INVALID": 1, "system_throughput_ips not measured": 1}
    assert batch_sizes(choice) == [1, None]
    with pytest.raises(InputError, match="no valid run has system_throughput_ips: 1 INVALID"):
        best([invalid])
    with pytest.raises(InputError, match="there are no runs"):
        best([])


def test_nobody_meets_it() -> None:
    choice = best([run(1, 100.0, 7.0)], "system_latency_p99_ms < 5", "scenario == offline")
    assert (choice.winner, choice.undecided) == (None, [])
    assert [(cost.satisfied, cost.cost_percent) for cost in choice.costs] == [(0, None), (1, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a requirement"),
        ("top1_percent", "is not a requirement"),
        ("top1_percent >=", "is not a requirement"),
        ("top1_percent >= x", "'x' is not a number, as top1_percent is"),
        ("top1_percent >= nan", "'nan' is not a number"),
        ("top1_percent >= 1e999", "'1e999' is not a number"),
        ("top1_procent >= 1", "unknown column 'top1_procent'; did you mean 'top1_percent'?"),
        ("sut >= 3", "sut is text and cannot be compared with >="),
        ("__class__ == 1", "unknown column '__class__'"),
    ],
)
def test_wrong_requirements(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_requirement(text, COLUMNS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("batch_size == 8", True),
        ("batch_size = 8", True),
        ("batch_size != 8", False),
        ("batch_size < 8", False),
        ("sut == CPU-*", True),
        ("sut != 'gpu-*'", True),
        ("valid == true", True),
        ("threads <= 0", False),
    ],
)
def test_comparisons(text: str, holds: bool) -> None:
    assert (best([run(8, 1.0)], text).winner is not None) is holds
