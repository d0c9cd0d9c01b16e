"""The remaining time that a callback hears."""

from dataclasses import replace

import pytest

from qutiperf.api import progress
from qutiperf.api.progress import Progress, Tracker
from tests.results.test_metrics import a_record
from tests.run.test_repeats import planned


def test_runs_at_the_same_time_share_the_remaining_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs take twice the estimate each, at the same time; two others follow them."""
    now = 100.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    events: list[Progress] = []
    tracker = Tracker(events.append, lambda _: None, lambda _: None)
    _, [group] = planned("repeats=2")
    runs = [replace(run, preparation_s=0.0) for run in group.runs]  # how long that takes is measured
    first, second, third, fourth = runs
    tracker._runs_s = sum(run.estimated_s for run in runs)
    tracker.started(first)
    tracker.started(second)
    now += 2 * first.estimated_s
    tracker.finished(first, a_record(first.run_id))
    tracker.started(third)
    tracker.finished(second, a_record(second.run_id))
    tracker.started(fourth)
    assert events[-1].running == (progress.title(third), progress.title(fourth))
    left_s = third.estimated_s + fourth.estimated_s
    assert events[-1].remaining_s == pytest.approx(2 * left_s / 2, rel=0.01)


def test_probes_take_nothing_from_the_time_of_the_runs_that_are_planned() -> None:
    events: list[Progress] = []
    tracker = Tracker(events.append, lambda _: None, lambda _: None)
    _, [group] = planned("repeats=1")
    runs = [replace(run, preparation_s=0.0) for run in group.runs]
    tracker._runs_s = planned_s = sum(run.estimated_s for run in runs)
    probe = replace(runs[0], probe_of=runs[0].run_id)
    tracker.finished(probe, a_record(probe.run_id))
    assert tracker._runs_s == planned_s
    for run in runs:
        tracker.finished(run, a_record(run.run_id))
    assert events[-1].remaining_s == pytest.approx(0.0, abs=1e-9)
    assert events[-1].remaining_s >= 0
