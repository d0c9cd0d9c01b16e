"""A new run beside the stored one: what counts as the same speed, and what noise explains."""

from pathlib import Path

import pytest

from qutiperf.audit.speed import compare_speed
from qutiperf.audit.stored_run import StoredRun, stored_runs
from tests.audit.test_finished_runs import OFFLINE, OLD, SINGLE

LIMITS = {"percent": 2.0, "spread_factor": 3.0, "one_second_percent": 10.0}


def run(run_id: str, factor: float = 1.0, *, quiet: bool = True, seconds: float = 400.0) -> StoredRun:
    """A committed run whose figure is `factor` times what it was, without its environment."""
    runs, _ = stored_runs([OLD])
    [found] = [each for each in runs if each.record.run_id == run_id]
    figure = found.record.inputs.scenario.metric.figure
    value = getattr(found.record.figures, figure) * factor
    assert found.record.observed is not None
    assert found.record.loadgen is not None
    record = found.record.model_copy(
        update={
            "figures": found.record.figures.model_copy(update={figure: value}),
            "loadgen": found.record.loadgen.model_copy(update={"duration_s": seconds}),
            "observed": found.record.observed.model_copy(
                update={"unsteadiness_percent": 0.0 if quiet else 60.0}
            ),
        }
    )
    return StoredRun(record, Path("nowhere"))


def outcome(factors: list[float], *, run_id: str = OFFLINE, last: bool = True, **how: object) -> str:
    before = run(run_id, 1.0, **how)  # type: ignore[arg-type]  # the options of run
    new = [run(run_id, factor, **how) for factor in factors]  # type: ignore[arg-type]  # as above
    return compare_speed(before, new, LIMITS, last=last).outcome


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([1.0], "pass"),
        ([0.985], "pass"),
        ([1.3, 1.3, 1.015], "pass"),  # one try within the tolerance is enough
        ([0.9, 0.9, 0.9], "fail"),
        ([1.1, 1.1, 1.1], "fail"),  # something was kept from the first run
        ([0.85, 0.9, 0.95], "inconclusive"),  # 12 % apart: three times that is allowed
        ([0.977, 0.977, 0.977], "inconclusive"),  # 10 % in 1 s are 0.5 % in 400 s
    ],
)
def test_long_quiet_runs(factors: list[float], expected: str) -> None:
    assert outcome(factors) == expected


def test_a_failure_needs_the_last_try() -> None:
    assert outcome([0.5], last=False) == "inconclusive"


def test_a_short_run_may_differ_more() -> None:
    assert outcome([0.9, 0.9, 0.9], seconds=1.0) == "inconclusive"
    assert outcome([0.8, 0.8, 0.8], seconds=1.0) == "fail"


def test_an_unsteady_run_may_differ_as_much() -> None:
    assert outcome([0.7, 0.7, 0.7], quiet=False) == "inconclusive"
    assert outcome([0.5, 0.5, 0.5], quiet=False) == "fail"


def test_a_longer_latency_is_slower() -> None:
    speed = compare_speed(run(SINGLE), [run(SINGLE, 3.0)] * 3, LIMITS, last=True)
    assert speed.outcome == "fail"
    line = "system_latency_p90_ms: 0.03637 ms in the run, 0.1091 ms in the closest of 3 new runs"
    assert speed.line == f"{line}, 3.0 times slower"
    assert speed.noise == "2 % are allowed, and 0.5 % for noise: runs of 400.0 s"


def test_an_invalid_run_does_not_pass() -> None:
    new = run(OFFLINE)
    invalid = StoredRun(new.record.model_copy(update={"valid": False, "reasons": ["late"]}), new.results)
    speed = compare_speed(run(OFFLINE), [invalid], LIMITS, last=True)
    assert speed.outcome == "inconclusive"
    assert speed.line.endswith(", but LoadGen calls the new run INVALID: late")
