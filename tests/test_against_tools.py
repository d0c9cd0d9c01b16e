"""The arithmetic of benchmarks/against_tools.py."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest

from tests.places import CHECKOUT

SCRIPT = CHECKOUT / "benchmarks/against_tools.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("against_tools", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["against_tools"] = module
    spec.loader.exec_module(module)
    return module


def test_the_interval_is_of_the_median(script: ModuleType) -> None:
    assert script.interval(np.full(5, 1.25)) == (1.25, 1.25)
    low, high = script.interval(np.array([0.9, 1.0, 1.1]))
    assert (low, high) == (0.9, 1.1)  # all three of a kind: 1 of 27 resamples each, 2 of three: 7 of 27


def test_equal_sides_agree(script: ModuleType) -> None:
    assert script.comparison([100.0, 110.0, 90.0], [100.0, 110.0, 90.0], is_latency=False) == {
        "qutiperf": 100.0,
        "tool": 100.0,
        "ratio": 1.0,
        "interval": [1.0, 1.0],
        "includes_1": True,
        "within_tolerance": True,
        "agrees": True,
    }


@pytest.mark.parametrize(
    ("mine", "other", "is_latency", "within"),
    [
        (102.9, 100.0, True, True),  # 2 us and 1 % of 100 us are 3 us
        (103.1, 100.0, True, False),
        (10_102.0, 10_000.0, True, True),
        (10_103.0, 10_000.0, True, False),
        (98.1, 100.0, False, True),
        (97.9, 100.0, False, False),
    ],
)
def test_the_tolerance(script: ModuleType, mine: float, other: float, is_latency: bool, within: bool) -> None:
    found = script.comparison([mine] * 3, [other] * 3, is_latency)
    assert (found["includes_1"], found["within_tolerance"], found["agrees"]) == (False, within, within)


def test_what_benchmark_app_prints_is_read(script: ModuleType) -> None:
    text = "[ INFO ]    Median:        38.20 us\n[ INFO ] Throughput:   21683.51 FPS\n"
    assert script.parsed(text) == {"latency_us": 38.2, "ips": 21683.51}
    assert script.parsed(text.replace("us", "ms"))["latency_us"] == 38_200.0
    with pytest.raises(SystemExit, match="benchmark_app failed"):
        script.parsed("Exception: no such option")


def test_a_loop_counts_its_calls(script: ModuleType) -> None:
    calls: list[int] = []
    median_ms, rate = script.loop_ms([lambda: calls.append(1)], 0.02)
    assert 0 < median_ms < 20
    assert rate * 0.02 <= len(calls)
