"""Measures the runs that a submission lacks: performance first, then accuracy, then compliance tests."""

from collections.abc import Callable, Sequence
from pathlib import Path

from qutiperf import host
from qutiperf.audit.compliance import run_tests
from qutiperf.results.record import RunRecord
from qutiperf.run.repeated import other_run
from qutiperf.run.sweep import Observer, PlannedSweep, measure_sweep
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.sweep import Sweep
from qutiperf.submission.chosen import Missing

_STAGES = ("performance", "accuracy", "compliance")
_SAFETY = 5.0
_STEP_S = 3600.0
# settings that a run of another scenario has in common with the one it is like
_SHARED = ("min_duration_s", "performance_sample_count", "time_limit_s")
_DEFAULT_LIMIT_S = 3000.0  # what a run gets without a limit of its own


def measure_missing(
    missing: Sequence[Missing], folder: Path, observer: Observer, round_name: str
) -> list[RunRecord]:
    """The runs of the first stage that lacks any; those of the next are known when these are there.

    Raises InputError, SetupError as `measure_sweep`.
    """
    stage = next((kind for kind in _STAGES if any(each.kind == kind for each in missing)), None)
    due = [each for each in missing if each.kind == stage]
    if stage == "compliance":
        run_tests([each.test for each in due if each.test is not None], observer, round_name)
        return []
    groups = [other_run(each.example.record, *_scenario_and_mode(each), _settings(each)) for each in due]
    unique = list({group.runs[0].run_id: group for group in groups}.values())
    record = due[0].example.record
    sweep = Sweep(
        name="submission",
        suts=[record.point.sut],
        workloads=[record.point.workload],
        scenarios=[ScenarioName(each.scenario) for each in due],
    )
    planned = PlannedSweep(sweep, unique, host.facts())
    return measure_sweep(planned, folder, observer, round_name=round_name)


def _scenario_and_mode(missing: Missing) -> tuple[ScenarioName, Mode]:
    mode = Mode.ACCURACY if missing.kind == "accuracy" else Mode.PERFORMANCE
    return ScenarioName(missing.scenario), mode


def _settings(missing: Missing) -> RunSettings:
    """Server needs the benchmark's bound, and its rate in an accuracy run; a long run its own limit."""
    record = missing.example.record
    if missing.kind == "accuracy":
        server = missing.scenario == ScenarioName.SERVER.value
        rate = record.loadgen.target_qps if server and record.loadgen else None
        return RunSettings(target_qps=rate, time_limit_s=_limit_s(missing.minutes * 60))
    point = record.point
    base = point.settings if point.profile is Profile.SUBMISSION else RunSettings()
    settings = {name: value for name in _SHARED if (value := getattr(base, name)) is not None}
    if missing.scenario == ScenarioName.SERVER.value and missing.server_bound_ms:
        settings["server_target_latency_ms"] = missing.server_bound_ms
    return RunSettings(**settings)


def _limit_s(expected_s: float) -> float | None:
    """None where the usual limit will do."""
    if expected_s * _SAFETY < _DEFAULT_LIMIT_S:
        return None
    hours = 1
    while hours * _STEP_S < expected_s * _SAFETY:
        hours *= 2
    return hours * _STEP_S


Again = Callable[[], Sequence[Missing]]


def complete(
    again: Again, folder: Path, observer: Observer, round_name: str, announce: Callable[[float], None]
) -> None:
    """Measures until nothing is missing that was not tried; `again` looks at what there is now.

    `announce` hears the minutes of each stage before it starts.
    """
    tried: set[tuple[str, str, str, str]] = set()
    while due := [each for each in again() if _key(each) not in tried]:
        announce(sum(each.minutes for each in due))
        tried |= {_key(each) for each in due if each.kind == _first_stage(due)}
        measure_missing(due, folder, observer, round_name)


def _first_stage(missing: Sequence[Missing]) -> str:
    return next(kind for kind in _STAGES if any(each.kind == kind for each in missing))


def _key(missing: Missing) -> tuple[str, str, str, str]:
    point = missing.example.record.point
    test = missing.test.rule.name if missing.test else ""
    return point.sut, point.workload, missing.scenario, f"{missing.kind} {test}"
