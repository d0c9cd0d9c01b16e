"""Can the power of a run be relied on: reasons against it, and its grade.

docs/power.md defines the grades. A verdict is about one window: what the meters recorded from LoadGen's
power_begin to its power_end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from qutiperf.power.meter import Coverage
from qutiperf.power.meter_facts import MeterFacts
from qutiperf.power.power_trace import MOST_WATTS, MeterWindow, PowerTrace, RailEnergy

Grade = Literal["A", "B", "C", "D"]
LEAST_UPDATES = 10  # values of the sensor in a window: the ends are then at most a tenth of it
DISAGREEMENT = 0.1
_PERIODS = 5
_LONGEST_GAP_S = 1.0
_GAP_SHARE = 0.1
_STANDING_PERIODS = 20
_STANDING_S = 5.0
_GRADES: dict[Coverage, Grade] = {"analyser": "A", "supply": "B", "device": "C", "part": "D"}
_EXTENT: dict[Coverage, int] = {"part": 0, "device": 1, "supply": 2, "analyser": 2}


@dataclass(frozen=True, slots=True)
class Metered:
    """One meter over the window: its rails, and why it stopped, if it did."""

    facts: MeterFacts
    rails: Sequence[RailEnergy]
    failure: str | None = None
    clock_steps: Sequence[float] = ()
    unexpected: Sequence[str] = ()

    @property
    def energy_j(self) -> float | None:
        """The sum of the rails that count; None if one of them is not known."""
        known = [rail.energy_j for rail in self.rails if rail.rail.counts]
        values = [energy for energy in known if energy is not None]
        return sum(values) if known and len(values) == len(known) else None


@dataclass(frozen=True, slots=True)
class PowerVerdict:
    """`energy_j` and `power_w` are None unless `valid`; `notes` do not affect the verdict."""

    valid: bool
    grade: Grade | None
    energy_j: float | None
    power_w: float | None
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def metered(
    facts: MeterFacts,
    trace: PowerTrace,
    window: MeterWindow,
    failure: str | None = None,
    clock_steps: Iterable[tuple[int, float]] = (),
) -> Metered:
    """A meter over a window."""
    steps = [seconds for time, seconds in clock_steps if window.begin_ns <= time <= window.end_ns]
    return Metered(facts, trace.over(window), failure, steps, sorted(trace.unexpected))


def judge(
    meters: Sequence[Metered], window: MeterWindow, expected: Sequence[str] = (), analyser: str = ""
) -> PowerVerdict:
    """The first meter measures, the others check it; `analyser` is the instrument behind a file."""
    first, *others = meters
    reasons = [*problems(first, window), *_missing(first, expected)]
    notes: list[str] = []
    for other in others:
        against, remark = _compared(first, other, window)
        reasons += against
        notes += remark
    if first.facts.name == "replay":
        notes.append("replayed: recorded at another time, not during this run")
    energy = first.energy_j
    if reasons or energy is None:
        return PowerVerdict(False, None, None, None, reasons or [_absent(first)], notes)
    return PowerVerdict(True, _grade(first, analyser), energy, energy / window.duration_s, [], notes)


def _absent(meter: Metered) -> str:
    return f"{meter.facts.name}: no reading"


def _grade(meter: Metered, analyser: str) -> Grade | None:
    facts = meter.facts
    if facts.verified == "untried" or facts.name == "replay":
        return None
    return "A" if analyser and facts.name in ("file", "command") else _GRADES[facts.coverage]


def problems(meter: Metered, window: MeterWindow) -> list[str]:
    """Why the readings of a meter do not give the energy of the window."""
    name = meter.facts.name
    ended = meter.failure and meter.energy_j is None  # else it ended after the window
    reasons = [f"{name}: stopped: {meter.failure}"] if ended else []
    reasons += [
        f"{name}: the rail {rail} was not there when the meter was opened" for rail in meter.unexpected
    ]
    reasons += [f"{name}: the clock was set by {seconds:+.3g} s" for seconds in meter.clock_steps]
    counted = [rail for rail in meter.rails if rail.rail.counts]
    if not counted:
        return [*reasons, _absent(meter)]
    for rail in counted:
        reasons += [f"{name}: {reason}" for reason in _rail_problems(rail, meter.facts, window)]
    return reasons + ([] if reasons else _against_itself(meter, window))


def _rail_problems(rail: RailEnergy, facts: MeterFacts, window: MeterWindow) -> list[str]:
    label = rail.rail.name
    if rail.energy_j is None:
        count = f"{rail.readings} reading{'' if rail.readings == 1 else 's'}"
        return [f"{label}: {count} in the window of {window.duration_s:.3g} s, which do not cover it"]
    reasons = []
    if rail.backwards:
        times = "once" if rail.backwards == 1 else f"{rail.backwards} times"
        reasons.append(f"{label}: the counter jumped backwards {times}: it was reset")
    reasons += _gap_problems(rail, facts, window)
    update_s = max(rail.update_s or 0.0, facts.period_s)
    if window.duration_s < LEAST_UPDATES * update_s:
        reasons.append(
            f"{label}: {window.duration_s:.3g} s are too short for a value every {update_s:.3g} s; "
            f"{LEAST_UPDATES} are needed"
        )
    polled = rail.rail.quantity == "power" and not facts.stamped
    if rail.standing_s > _longest_standing_s(rail, facts):
        reasons.append(f"{label}: repeated one value for {rail.standing_s:.3g} s")
    elif polled and rail.update_s is None:
        values = f"{rail.changes + 1} value{'s' if rail.changes else ''} in {rail.known_s:.3g} s"
        reasons.append(f"{label}: gave {values}, too few to know how often it updates")
    if rail.energy_j <= 0 and not reasons:
        reasons.append(f"{label}: measured no energy")
    return reasons


def _gap_problems(rail: RailEnergy, facts: MeterFacts, window: MeterWindow) -> list[str]:
    """A counter misses nothing in a gap, unless it may have wrapped unseen; its ends must be close."""
    label, counter = rail.rail.name, rail.rail.quantity == "energy"
    usual_s = max(facts.period_s, rail.update_s or 0.0 if facts.stamped else 0.0)
    most_s = max(_PERIODS * usual_s, min(_GAP_SHARE * window.duration_s, _LONGEST_GAP_S))
    gap_s = (rail.end_gap_s if counter else rail.largest_gap_s) or 0.0
    if gap_s > most_s:
        where = " at an end of the window" if counter else ""
        return [f"{label}: no reading for {gap_s:.3g} s{where}; {most_s:.3g} s are allowed"]
    wraps_at, longest_s = rail.rail.wraps_at_j, rail.largest_gap_s or 0.0
    if counter and wraps_at and longest_s * MOST_WATTS > wraps_at:
        return [
            f"{label}: no reading for {longest_s:.3g} s, in which the counter may have wrapped more than once"
        ]
    return []


def _longest_standing_s(rail: RailEnergy, facts: MeterFacts) -> float:
    """A counter always moves; a reading of watts may be the same for a while, and a stamped one is new."""
    period_s = max(facts.period_s, rail.rail.update_s or 0.0)
    if rail.rail.quantity == "energy":
        return _PERIODS * period_s if not facts.stamped else _STANDING_S
    return float("inf") if facts.stamped else max(_STANDING_PERIODS * period_s, _STANDING_S)


def _against_itself(meter: Metered, window: MeterWindow) -> list[str]:
    """A rail that is measured twice, as a GPU's counter by its power reading."""
    energies = {rail.rail.name: rail.energy_j for rail in meter.rails}
    reasons = []
    for rail in meter.rails:
        counter = energies.get(rail.rail.checks or "")
        updates = window.duration_s / max(rail.update_s or 0.0, meter.facts.period_s)
        if rail.energy_j is None or not counter or updates < 2 * LEAST_UPDATES:
            continue
        if abs(rail.energy_j - counter) > DISAGREEMENT * max(rail.energy_j, counter):
            watts = [energy / window.duration_s for energy in (counter, rail.energy_j)]
            reasons.append(
                f"{meter.facts.name}: {rail.rail.checks}: {watts[0]:.3g} W by its counter, "
                f"{watts[1]:.3g} W by its power reading"
            )
    return reasons


def _missing(meter: Metered, expected: Sequence[str]) -> list[str]:
    present = [rail.rail.name for rail in meter.rails]
    reasons = [f"{meter.facts.name}: {rail} is missing" for rail in meter.facts.missing]
    return reasons + [
        f"{meter.facts.name}: the expected rail {rail} is missing; there are {', '.join(present)}"
        for rail in expected
        if rail not in present
    ]


def _compared(first: Metered, other: Metered, window: MeterWindow) -> tuple[list[str], list[str]]:
    """Why two meters cannot both be right, and remarks."""
    trouble = problems(other, window)
    energy, check = first.energy_j, other.energy_j
    if trouble or energy is None or check is None:
        return [], [f"not checked by {trouble[0]}"] if trouble else []
    watts, check_watts = energy / window.duration_s, check / window.duration_s
    extent = _EXTENT[other.facts.coverage] - _EXTENT[first.facts.coverage]
    larger, smaller = max(watts, check_watts), min(watts, check_watts)
    apart = larger - smaller > DISAGREEMENT * larger
    impossible = (extent == 0 and apart) or (extent > 0 and apart and check < energy)
    impossible = impossible or (extent < 0 and apart and check > energy)
    text = f"{first.facts.name} {watts:.4g} W, {other.facts.name} {check_watts:.4g} W"
    if impossible:
        more = "" if extent == 0 else ", although it measures " + ("more" if extent > 0 else "less")
        return [f"two meters disagree: {text}{more}"], []
    return [], [f"checked: {text}"]
