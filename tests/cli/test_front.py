"""The front at the end of `show` and `run`."""

from dataclasses import replace

import pytest

from qutiperf.cli.front import bar, front_of, print_front
from qutiperf.cli.show import print_summary
from qutiperf.results.table import BestOfModel


def model(name: str, top1_percent: float | None, offline_ips: float | None) -> BestOfModel:
    return BestOfModel("s", name, top1_percent, None, offline_ips, 1, None, None, 1, [], [])


MODELS = [
    model("slow", 99.0, 10.0),
    model("beaten", 98.0, 5.0),
    model("fast", 97.0, 40.0),
    model("same accuracy, slower", 97.0, 20.0),
    model("no accuracy", None, 90.0),
    model("not valid", 99.9, None),
]


def test_the_front_is_what_no_other_model_beats() -> None:
    assert [line.workload for line in front_of(MODELS)] == ["slow", "fast"]


def test_bars_start_at_zero_and_are_exact_to_an_eighth() -> None:
    assert bar(0.0, plain=False) == ""
    assert bar(1.0, plain=False) == "█" * 32
    assert bar(0.5 + 1 / 256, plain=False) == "█" * 16 + "▏"
    assert bar(0.25, plain=True) == "#" * 8


def test_the_front_is_printed_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    print_front(MODELS)
    first, slow, fast = capsys.readouterr().out.splitlines()
    assert first == "Pareto front of top-1 and best Offline throughput: 2 of 4 models"
    assert slow.split()[:5] == ["slow", "99", "%", "10", "ips"]
    assert fast.split() == ["fast", "97", "%", "40", "ips", "█" * 32]
    print_front(MODELS[:1])
    assert capsys.readouterr().out == ""


def test_of_many_warnings_ten_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    problems, warnings = (
        [f"{kind} {number}" for number in range(count)] for kind, count in (("p", 12), ("w", 35))
    )
    print_summary([replace(MODELS[0], problems=problems, warnings=warnings)])
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("slow: p ")]) == 10
    assert len([line for line in lines if line.startswith("WARNING: w ")]) == 10
    assert "and 2 more like these; `qutiperf explain` sums them up by cause" in lines
    assert "and 25 more like these; `qutiperf explain` sums them up by cause" in lines
