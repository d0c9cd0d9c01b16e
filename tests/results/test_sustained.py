"""What a held run shows: the share that is left at the end, and when it throttled, by which sign."""

from pathlib import Path

import numpy as np
import pytest

from qutiperf.results.sustained import Interval, read_intervals, sustained_of, throughput, write_intervals
from qutiperf.surroundings import EnvironmentRow

QUIET: EnvironmentRow = {"foreign_cpu_percent": 0.5, "cpu_frequency_max_mhz": 3000.0, "temperature_c": 60.0}


def seconds(rates: list[int]) -> list[Interval]:
    return [Interval(float(number), number + 1.0, rate) for number, rate in enumerate(rates)]


def noisy(level: float, count: int, seed: int = 1) -> list[int]:
    """One per cent of noise."""
    return [round(rate) for rate in np.random.default_rng(seed).normal(level, level / 100, count)]


def environment(count: int, **changed: dict[int, float]) -> list[EnvironmentRow]:
    """A row a second, the hold beginning with the third; `changed` are values by second of the hold."""
    rows: list[EnvironmentRow] = []
    for second in range(-2, count):
        mine = {name: values[second] for name, values in changed.items() if second in values}
        rows.append({**QUIET, "elapsed_s": second + 2.0, **mine})
    return rows


def test_a_steady_hold_keeps_its_throughput() -> None:
    held = sustained_of(seconds(noisy(1000, 1800)), 1800, environment(1800), 2.0)
    assert held is not None
    assert held.window_s == 60
    assert held.last_over_first_percent == pytest.approx(100, abs=0.5)
    assert held.throttled_s is None
    assert held.signs == []
    assert held.highest_temperature_c == 60


def test_a_short_hold_is_compared_by_tenths() -> None:
    held = sustained_of(seconds([100] * 10 + [80] * 10), 20, [], 0.0)
    assert held is not None
    assert (held.window_s, held.first_ips, held.last_ips) == (2.0, 100.0, 80.0)
    assert held.last_over_first_percent == 80


def test_a_drop_beyond_the_noise_is_throttling_from_its_begin_on() -> None:
    held = sustained_of(seconds(noisy(1000, 300) + noisy(850, 300)), 600, environment(600), 2.0)
    assert held is not None
    assert held.throttled_s == pytest.approx(300, abs=3)
    [sign] = held.signs
    assert sign.kind == "throughput"
    assert sign.text == "throughput was 15 % lower than at the start, to the end"


def test_a_drop_within_the_noise_is_none() -> None:
    rates = [round(rate) for rate in np.random.default_rng(3).normal(1000, 150, 600)]
    held = sustained_of(seconds(rates), 600, [], 0.0)
    assert held is not None
    assert held.signs == []


def test_a_drop_with_other_programs_is_not_throttling() -> None:
    busy = dict.fromkeys(range(301, 321), 40.0)
    rates = noisy(1000, 300) + noisy(700, 20) + noisy(1000, 300)
    held = sustained_of(seconds(rates), 620, environment(620, foreign_cpu_percent=busy), 2.0)
    assert held is not None
    assert held.throttled_s is None
    [sign] = held.signs
    assert sign.kind == "other programs"
    assert "until 320 s, while other processes used 40 % of the cores" in sign.text


def test_the_processors_own_signal_counts() -> None:
    rows = environment(100, throttle_count={-1: 9, 40: 3, 41: 5}, temperature_c={40: 97.0})
    held = sustained_of(seconds([1000] * 100), 100, rows, 2.0)
    assert held is not None
    assert held.throttled_s == 40
    assert held.signs[0].text == "the processor reported throttling, 3 times in a second at 97 °C"
    assert held.highest_temperature_c == 97


def test_a_clock_that_fell_counts_and_one_low_reading_does_not() -> None:
    fell = {20: 1500.0, **dict.fromkeys(range(50, 100), 2100.0)}
    held = sustained_of(seconds([1000] * 100), 100, environment(100, cpu_frequency_max_mhz=fell), 2.0)
    assert held is not None
    assert held.throttled_s == 50
    assert held.signs[0].text == "the clock of the fastest core fell to 70 % of its highest at 60 °C"


def test_intervals_that_overlap_a_window_count_by_their_share() -> None:
    assert throughput([Interval(0, 4, 40), Interval(4, 8, 80)], 3, 5) == 15


def test_intervals_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = [Interval(0.0, 1.5, 3), Interval(1.5, 2.25, 0)]
    write_intervals(tmp_path / "sustained.csv", written)
    assert (tmp_path / "sustained.csv").read_text().splitlines() == [
        "begin_s,end_s,inputs,throughput_ips",
        "0.000000,1.500000,3,2",
        "1.500000,2.250000,0,0",
    ]
    assert read_intervals(tmp_path / "sustained.csv") == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "begin_s,end_s\n0,1\n",
        "begin_s,end_s,inputs\n0,nan,1\n",
        "begin_s,end_s,inputs\n1,1,1\n",
        "begin_s,end_s,inputs\n0,1\n",
        "begin_s,end_s,inputs\n0,1,many\n",
    ],
)
def test_a_damaged_file_has_no_intervals(tmp_path: Path, text: str) -> None:
    (tmp_path / "sustained.csv").write_text(text)
    assert read_intervals(tmp_path / "sustained.csv") == []
    assert read_intervals(tmp_path / "none.csv") == []
    assert sustained_of([], 60, [], 0.0) is None
