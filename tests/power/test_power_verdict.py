"""Verdicts on the power of a window, each reason once, with the numbers that cause it."""

from collections.abc import Callable, Iterable

import pytest

from qutiperf.power.meter import Coverage, Quantity, Rail, Reading, Trial
from qutiperf.power.meter_facts import MeterFacts, RailFacts
from qutiperf.power.power_trace import MeterWindow, PowerTrace
from qutiperf.power.power_verdict import Metered, judge, metered

S = 1_000_000_000
WINDOW = MeterWindow(1 * S, 11 * S)  # ten seconds
Samples = Iterable[tuple[float, float]]


def samples(value: Callable[[float], float], step_s: float = 0.1, until_s: float = 12.0) -> Samples:
    return [(step_s * number, value(step_s * number)) for number in range(round(until_s / step_s) + 1)]


def ramp(watts: float) -> Samples:
    """A counter at a constant power."""
    return samples(lambda time_s: watts * time_s)


def meter(
    rails: dict[str, Samples],
    quantity: Quantity = "energy",
    *,
    name: str = "rapl",
    coverage: Coverage = "device",
    verified: Trial = "replayed",
    missing: tuple[str, ...] = (),
    parts: tuple[str, ...] = (),
    checks: dict[str, str] | None = None,
    stamped: bool = False,
    period_s: float = 0.1,
    update_s: float | None = None,
    wraps_at_j: float | None = 262_143.0,
    failure: str | None = None,
    clock_steps: tuple[tuple[int, float], ...] = (),
) -> Metered:
    facts_of_rails = [
        RailFacts(
            name=rail,
            quantity="power" if rail in (checks or {}) else quantity,
            counts=rail not in parts,
            wraps_at_j=wraps_at_j if quantity == "energy" else None,
            update_s=update_s,
            checks=(checks or {}).get(rail),
        )
        for rail in rails
    ]
    facts = MeterFacts(
        meter=name,
        verified=verified,
        coverage=coverage,
        stamped=stamped,
        period_s=period_s,
        missing=list(missing),
        rails=facts_of_rails,
    )
    trace = PowerTrace([Rail(**rail.model_dump()) for rail in facts_of_rails], stamped)
    for rail, readings in rails.items():
        for time_s, value in readings:
            trace.add(Reading(round(time_s * S), rail, value))
    return metered(facts, trace, WINDOW, failure, clock_steps)


def reasons(*meters: Metered, expected: tuple[str, ...] = ()) -> list[str]:
    verdict = judge(meters, WINDOW, expected)
    assert (verdict.valid, verdict.energy_j, verdict.power_w, verdict.grade) == (False, None, None, None)
    return verdict.reasons


def test_the_rails_that_count_are_added() -> None:
    both = meter(
        {"package-0": ramp(50.0), "package-0/core": ramp(30.0), "dram": ramp(5.0)}, parts=("package-0/core",)
    )
    verdict = judge([both], WINDOW)
    assert (verdict.valid, verdict.grade, verdict.reasons, verdict.notes) == (True, "C", [], [])
    assert verdict.energy_j == pytest.approx(550.0)
    assert verdict.power_w == pytest.approx(55.0)


@pytest.mark.parametrize(
    ("coverage", "name", "analyser", "verified", "grade"),
    [
        ("analyser", "joulescope", "", "real", "A"),
        ("supply", "command", "Yokogawa WT310E", "real", "A"),
        ("supply", "redfish", "Yokogawa WT310E", "replayed", "B"),
        ("supply", "file", "", "real", "B"),
        ("device", "rapl", "", "replayed", "C"),
        ("part", "rapl", "", "replayed", "D"),
        ("device", "nvml", "", "untried", None),
        ("supply", "replay", "", "replayed", None),
    ],
)
def test_grades(coverage: Coverage, name: str, analyser: str, verified: Trial, grade: str | None) -> None:
    one = meter({"supply": ramp(50.0)}, name=name, coverage=coverage, verified=verified)
    verdict = judge([one], WINDOW, analyser=analyser)
    assert (verdict.valid, verdict.grade) == (True, grade)
    assert verdict.power_w == pytest.approx(50.0)


def test_a_counter_that_wraps_is_valid() -> None:
    wrapping = samples(lambda time_s: (995.0 + 50.0 * time_s) % 1000.0)
    verdict = judge([meter({"package-0": wrapping}, wraps_at_j=1000.0)], WINDOW)
    assert verdict.valid
    assert verdict.power_w == pytest.approx(50.0)


def test_a_counter_that_was_reset_is_not() -> None:
    reset = samples(lambda time_s: 50.0 * (time_s if time_s < 5 else time_s - 5))
    assert reasons(meter({"package-0": reset})) == [
        "rapl: package-0: the counter jumped backwards once: it was reset"
    ]


def test_a_counter_that_stands_still() -> None:
    standing = samples(lambda time_s: 50.0 * min(time_s, 5.0))
    assert reasons(meter({"package-0": standing})) == ["rapl: package-0: repeated one value for 6 s"]


def test_watts_that_stand_still_on_a_polled_sensor() -> None:
    constant = samples(lambda _: 8.0, until_s=40.0)
    window = MeterWindow(1 * S, 31 * S)
    one = meter({"VDD_IN": constant}, "power", name="ina")
    facts = one.facts
    trace = PowerTrace(facts.rail_list())
    for time_s, value in constant:
        trace.add(Reading(round(time_s * S), "VDD_IN", value))
    assert judge([metered(facts, trace, window)], window).reasons == [
        "ina: VDD_IN: repeated one value for 30 s"
    ]
    stamped = facts.model_copy(update={"stamped": True})
    trace.stamped = True
    assert judge([metered(stamped, trace, window)], window).power_w == pytest.approx(8.0)


def test_a_polled_sensor_whose_rate_nobody_knows() -> None:
    steps = samples(lambda time_s: 98.0 if time_s < 6.95 else 99.0)
    assert reasons(meter({"power total": steps}, "power", name="hwmon")) == [
        "hwmon: power total: repeated one value for 5.9 s",
    ]
    window = MeterWindow(1 * S, 3 * S)
    one = meter({"power total": steps}, "power", name="hwmon")
    trace = PowerTrace(one.facts.rail_list())
    for time_s, value in steps:
        trace.add(Reading(round(time_s * S), "power total", value))
    assert judge([metered(one.facts, trace, window)], window).reasons == [
        "hwmon: power total: gave 2 values in 12 s, too few to know how often it updates"
    ]


def test_a_meter_that_ends_after_the_window_has_measured_it() -> None:
    assert judge([meter({"package-0": ramp(50.0)}, failure="it was unplugged")], WINDOW).valid


def test_a_rail_that_appears_later_was_not_counted() -> None:
    one = meter({"a": ramp(50.0)}, name="command", stamped=True)
    trace = PowerTrace(one.facts.rail_list(), stamped=True)
    for time_s, value in ramp(50.0):
        trace.add(Reading(round(time_s * S), "a", value))
    trace.add(Reading(5 * S, "b", 1.0))
    assert judge([metered(one.facts, trace, WINDOW)], WINDOW).reasons == [
        "command: the rail b was not there when the meter was opened"
    ]


def test_a_gap_in_watts() -> None:
    gap = [(time_s, 8.0 + time_s) for time_s, _ in samples(float) if not 4.05 < time_s < 5.45]
    assert reasons(meter({"VDD_IN": gap}, "power", name="ina")) == [
        "ina: VDD_IN: no reading for 1.5 s; 1 s are allowed"
    ]


def test_a_gap_in_a_counter_matters_at_the_ends_only() -> None:
    inside = [(time_s, 50 * time_s) for time_s, _ in samples(float) if not 4.05 < time_s < 6.45]
    assert judge([meter({"package-0": inside})], WINDOW).valid
    at_end = [(time_s, 50 * time_s) for time_s, _ in samples(float) if not 9.95 < time_s < 11.55]
    assert reasons(meter({"package-0": at_end})) == [
        "rapl: package-0: no reading for 1.7 s at an end of the window; 1 s are allowed"
    ]


def test_a_gap_in_which_a_counter_may_wrap_unseen() -> None:
    inside = [(time_s, 50 * time_s) for time_s, _ in samples(float) if not 4.05 < time_s < 6.45]
    assert reasons(meter({"package-0": inside}, wraps_at_j=1000.0)) == [
        "rapl: package-0: no reading for 2.5 s, in which the counter may have wrapped more than once"
    ]


def test_a_window_too_short_for_the_sensor() -> None:
    slow = meter(
        {"chassis": samples(lambda time_s: 300.0 + time_s // 2, until_s=13)}, "power", name="redfish"
    )
    assert reasons(slow) == ["redfish: chassis: 10 s are too short for a value every 2 s; 10 are needed"]


def test_readings_that_end_before_the_window() -> None:
    ended = meter({"package-0": samples(lambda time_s: 50 * time_s, until_s=5.0)}, failure="it was unplugged")
    assert reasons(ended) == [
        "rapl: stopped: it was unplugged",
        "rapl: package-0: 41 readings in the window of 10 s, which do not cover it",
    ]


def test_a_rail_and_a_device_that_are_missing() -> None:
    one = meter({"package-0": ramp(50.0)}, missing=("package-1",))
    assert reasons(one, expected=("package-0", "dram")) == [
        "rapl: package-1 is missing",
        "rapl: the expected rail dram is missing; there are package-0",
    ]


def test_a_clock_that_was_set_during_the_window() -> None:
    one = meter({"package-0": ramp(50.0)}, clock_steps=((5 * S, 2.0), (20 * S, 1.0)))
    assert reasons(one) == ["rapl: the clock was set by +2 s"]


def test_a_counter_and_a_power_reading_that_disagree() -> None:
    watts = samples(lambda time_s: 85.0 + time_s / 100)
    one = meter(
        {"gpu-0": ramp(50.0), "gpu-0 power": watts},
        parts=("gpu-0 power",),
        checks={"gpu-0 power": "gpu-0"},
        name="nvml",
    )
    assert reasons(one) == ["nvml: gpu-0: 50 W by its counter, 85.1 W by its power reading"]


def wall(watts: float) -> Metered:
    readings = samples(lambda time_s: watts + time_s / 1e6)
    return meter({"chassis": readings}, "power", name="redfish", coverage="supply")


def test_a_wall_meter_confirms_what_it_contains() -> None:
    verdict = judge([meter({"package-0": ramp(50.0)}), wall(90.0)], WINDOW)
    assert verdict.valid
    assert verdict.power_w == pytest.approx(50.0)
    assert verdict.notes == ["checked: rapl 50 W, redfish 90 W"]


def test_a_part_cannot_take_more_than_the_whole() -> None:
    line = "two meters disagree: rapl 50 W, redfish 30 W, although it measures more"
    assert reasons(meter({"package-0": ramp(50.0)}), wall(30.0)) == [line]
    line = "two meters disagree: redfish 30 W, rapl 50 W, although it measures less"
    assert reasons(wall(30.0), meter({"package-0": ramp(50.0)})) == [line]


def test_two_meters_of_the_same_supply_agree_within_a_tenth() -> None:
    assert judge([wall(100.0), wall(91.0)], WINDOW).valid
    assert reasons(wall(100.0), wall(89.0)) == ["two meters disagree: redfish 100 W, redfish 89 W"]


def test_a_check_that_does_not_work_is_a_note() -> None:
    broken = meter({"chassis": []}, "power", name="redfish", coverage="supply")
    verdict = judge([meter({"package-0": ramp(50.0)}), broken], WINDOW)
    assert verdict.valid
    assert verdict.notes == [
        "not checked by redfish: chassis: 0 readings in the window of 10 s, which do not cover it"
    ]
