"""Energy of a window, by hand: times in seconds, values in joules or watts."""

import pytest

from qutiperf.power.meter import Rail, Reading
from qutiperf.power.power_trace import (
    MeterWindow,
    PowerTrace,
    RailEnergy,
    line_of,
    reading_of,
    seconds_text,
    unwrapped,
)

S = 1_000_000_000


def window(begin_s: float, end_s: float) -> MeterWindow:
    return MeterWindow(round(begin_s * S), round(end_s * S))


def over(rail: Rail, samples: list[tuple[float, float]], begin_s: float, end_s: float) -> RailEnergy:
    trace = PowerTrace([rail])
    for time_s, value in samples:
        trace.add(Reading(round(time_s * S), rail.name, value))
    [energy] = trace.over(window(begin_s, end_s))
    return energy


WATTS = Rail("supply", "power")
COUNTER = Rail("package-0", "energy", wraps_at_j=100.0)


def test_the_trapezoid_of_watts_has_interpolated_ends() -> None:
    samples = [(0.0, 10.0), (1.0, 20.0), (2.0, 20.0), (3.0, 40.0)]
    energy = over(WATTS, samples, 0.5, 2.5)
    # 15 W at 0.5 s, 30 W at 2.5 s: (15+20)/2*0.5 + 20*1 + (20+30)/2*0.5
    assert energy.energy_j == pytest.approx(8.75 + 20 + 12.5)
    assert (energy.readings, energy.largest_gap_s, energy.backwards) == (2, 1.0, 0)


def test_the_counter_has_interpolated_ends() -> None:
    energy = over(COUNTER, [(0.0, 0.0), (1.0, 10.0), (2.0, 30.0)], 0.25, 1.5)
    assert energy.energy_j == pytest.approx((10 + 0.5 * 20) - 0.25 * 10)


def test_a_window_between_two_readings_is_interpolated() -> None:
    assert over(WATTS, [(0.0, 10.0), (1.0, 20.0)], 0.25, 0.75).energy_j == pytest.approx(7.5)


def test_an_end_on_a_reading_needs_no_other() -> None:
    assert over(WATTS, [(0.0, 10.0), (1.0, 20.0)], 0.0, 1.0).energy_j == pytest.approx(15.0)


@pytest.mark.parametrize(("begin", "end"), [(-0.1, 1.0), (0.0, 2.1), (5.0, 6.0), (1.0, 1.0)])
def test_readings_that_do_not_cover_the_window_give_no_energy(begin: float, end: float) -> None:
    assert over(WATTS, [(0.0, 10.0), (1.0, 20.0), (2.0, 20.0)], begin, end).energy_j is None


def test_no_reading_gives_no_energy() -> None:
    energy = over(WATTS, [], 0.0, 1.0)
    assert (energy.energy_j, energy.readings, energy.largest_gap_s, energy.update_s) == (None, 0, None, None)


def test_a_counter_that_wraps_goes_on() -> None:
    energy = over(COUNTER, [(0.0, 90.0), (1.0, 98.0), (2.0, 6.0), (3.0, 14.0)], 0.0, 3.0)
    assert energy.energy_j == pytest.approx(24.0)  # 8 + (2 + 6) + 8
    assert (energy.wraps, energy.backwards) == (1, 0)


def test_a_fall_that_would_need_kilowatts_is_a_reset() -> None:
    # from 10 J to 0 J in a range of 262 kJ: 262 kJ in 0.1 s would be 2.6 MW
    times = [0, S // 10, S // 5]
    assert unwrapped(times, [10.0, 0.0, 1.0], 262_143.0) == ([10.0, 10.0, 11.0], 0, 1)
    assert unwrapped(times, [10.0, 0.0, 1.0], None) == ([10.0, 10.0, 11.0], 0, 1)


def test_a_gap_and_a_standing_value_are_measured() -> None:
    energy = over(WATTS, [(0.0, 1.0), (0.1, 2.0), (0.2, 2.0), (0.3, 2.0), (1.5, 3.0), (1.6, 3.1)], 0.0, 1.6)
    assert energy.largest_gap_s == pytest.approx(1.2)
    assert energy.standing_s == pytest.approx(0.2)


def test_the_update_rate_is_that_of_changes() -> None:
    samples = [
        (number / 10, float(number // 10)) for number in range(50)
    ]  # polled at 10 Hz, new once a second
    assert over(WATTS, samples, 0.0, 4.9).update_s == pytest.approx(1.0)


def test_two_readings_of_one_moment_count_once_and_older_ones_are_dropped() -> None:
    trace = PowerTrace([WATTS])
    for time, value in ((0, 1.0), (S, 5.0), (S, 99.0), (S // 2, 99.0), (2 * S, 5.0)):
        trace.add(Reading(time, "supply", value))
    assert list(trace.values["supply"]) == [1.0, 5.0, 5.0]
    trace.forget(S)
    assert list(trace.times["supply"]) == [S, 2 * S]


def test_a_line_keeps_a_reading_exactly() -> None:
    reading = Reading(1_764_374_400_123_456_789, "VDD, with comma", 0.1 + 0.2)
    assert reading_of(line_of(reading)) == reading
    assert seconds_text(reading.time_ns) == "1764374400.123456789"
