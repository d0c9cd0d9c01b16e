"""How long runs take, before they are measured; benchmarks/plan.py compares it with what they took."""

from functools import cache

from qutiperf.adapters.registry import adapter_class
from qutiperf.errors import QutiperfError
from qutiperf.power.power_verdict import LEAST_UPDATES
from qutiperf.power.registry import AUTO, NONE, automatic, make_meter
from qutiperf.spec.before import Before
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode, Profile, ScenarioName
from qutiperf.spec.sut import SystemUnderTest

LOAD_S = 1.0  # the start of a worker, and a model that is not large
TAX_S = 1.6  # the overhead of the harness, measured once for each command
LEAST_SETTLE_S = 1.1  # eleven readings at 10 Hz
MOST_SETTLE_S = 20.0
_OVERHEAD_S = 0.1  # logs, phases, the record
_PROBE_S, _PROBE_SHARE = 0.1, 1 / 50
_SERVER_PROBE_S = 5.2  # eight trials of half a second
# LoadGen generates 1.1 times the samples of the minimum duration, at 1.15 times the rate of the probe.
_OFFLINE_SHARE = 1.265
_SUBMISSION_S = 600.0
_ACCURACY_S = 0.5
_CHECK_S = 0.2  # of an accuracy; up to some seconds if answers are wrong and the model is slow


def run_s(point: Point, before: Before | None, preparation_s: float) -> float:
    """Seconds of one run in a worker that has loaded the model; waiting for conditions is not known."""
    if point.mode is Mode.ACCURACY:
        least_s = _SUBMISSION_S if point.profile is Profile.SUBMISSION else _ACCURACY_S
        return (point.settings.min_duration_s or least_s) + preparation_s + _OVERHEAD_S + _CHECK_S
    return _test_s(point) + _before_test_s(point) + preparation_s + (before.pause_s if before else 0.0)


def _test_s(point: Point) -> float:
    submission = point.profile is Profile.SUBMISSION
    least_s = point.settings.min_duration_s or (_SUBMISSION_S if submission else _ACCURACY_S)
    return least_s * (_OFFLINE_SHARE if point.scenario is ScenarioName.OFFLINE else 1.0) + _OVERHEAD_S


def _before_test_s(point: Point) -> float:
    """The warm-up and the probe."""
    if point.scenario is ScenarioName.SERVER and point.settings.target_qps is None:
        probe_s = _SERVER_PROBE_S
    else:
        probe_s = min(_PROBE_S, _PROBE_SHARE * (point.settings.min_duration_s or 1.0))
    return probe_s + (point.settings.warm_up_s or 0.0)


def settle_s(slowest_s: float) -> float:
    """The pause in which a base or idle power is measured, of a meter with this period."""
    return min(max(LEAST_SETTLE_S, (LEAST_UPDATES + 1) * slowest_s), MOST_SETTLE_S)


def pause_s(sut: SystemUnderTest) -> float:
    """As `settle_s`, of the meter that a system would have on this machine; 0 without one."""
    period_s = 1 / sut.power.rate_hz
    if sut.power.meters != [AUTO]:
        names = tuple(name for name in sut.power.meters if name != NONE)
        return settle_s(max(period_s, make_meter(names[0]).least_period_s)) if names else 0.0
    names = tuple(
        automatic(sut.platform.family, over_network=bool(adapter_class(sut.adapter).over_network))[0]
    )
    return settle_s(period_s) if _any_works(names) else 0.0


@cache
def _any_works(names: tuple[str, ...]) -> bool:
    """Whether this machine has one of the meters that nobody named; opens it for a moment."""
    for name in names:
        try:
            make_meter(name).open_and_close()
            return True
        except QutiperfError:
            continue
    return False
