"""The audit `environment`: throttling, load of others, steal and clocks, in a run and between runs."""

from collections.abc import Iterator
from dataclasses import asdict
from statistics import median

from qutiperf import __version__
from qutiperf.audit.finished_runs import FinishedRuns, system_of
from qutiperf.audit.machine_state import ENVIRONMENT, MachineState
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import AuditVerdict, Outcome
from qutiperf.spec.audits import AuditRule
from qutiperf.spec.scenario import Mode

_CURE = "measure again on a quiet machine: `qutiperf doctor` shows what disturbs it"
_HIDDEN_CURE = "records and their files are never edited; measure again"
_CLEARLY = 1.5  # times a limit, beyond any rounding of the window
_WORDS = {
    "foreign_cpu_percent": "other processes used {:.0f} % of the cores",
    "steal_percent": "other guests of the host took {:.0f} % of the CPU time",
    "memory_pressure_percent": "processes waited for memory {:.0f} % of the time",
    "throttle_count": "the processor was throttled {:.0f} times",
}


def judge(rule: AuditRule, run: StoredRun, finished: FinishedRuns) -> AuditVerdict:
    """A disturbed run is inconclusive; it fails if its own version should have marked it, and did not."""
    if run.record.failure is not None or run.record.point.mode is not Mode.PERFORMANCE:
        return _verdict(rule, run, "pass", [])
    state = finished.states.get(run.folder)
    if state is None:
        cure = "measure again with this version, which keeps the state of the machine"
        return _verdict(rule, run, "inconclusive", [f"there is no readable {ENVIRONMENT}"], cure)
    found = dict(_disturbances(state, rule))
    clear = [text for text, excess in found.items() if excess > _CLEARLY]
    if clear and run.record.quality == "ok" and run.record.versions.get("qutiperf") == __version__:
        lines = [f"{text}, but the record calls the run ok" for text in clear]
        return _verdict(rule, run, "fail", lines, _HIDDEN_CURE)
    lines = [*found, *_other_clock(rule, run, state, finished)]
    return _verdict(rule, run, "inconclusive" if lines else "pass", lines, _CURE)


def _verdict(
    rule: AuditRule, run: StoredRun, outcome: Outcome, lines: list[str], cure: str = ""
) -> AuditVerdict:
    return AuditVerdict(
        audit=rule.name,
        run_id=run.record.run_id,
        scenario=run.record.point.scenario,
        outcome=outcome,
        evidence=lines or [rule.title],
        cure="" if outcome == "pass" else cure,
    )


def _disturbances(state: MachineState, rule: AuditRule) -> Iterator[tuple[str, float]]:
    """What is above its limit, and how many times."""
    values = asdict(state.disturbed)
    for name, text in _WORDS.items():
        value, limit = values[name], rule.limits[name]
        if value is not None and value > limit:
            yield text.format(value), value / limit if limit else float("inf")
    clock, slowest = state.disturbed.clock_percent, rule.limits["slowest_clock_percent"]
    if clock is not None and clock < slowest:
        text = f"the clock of the fastest core fell to {clock:.0f} % of its highest"
        yield text, slowest / clock if clock else float("inf")


def _other_clock(
    rule: AuditRule, run: StoredRun, state: MachineState, finished: FinishedRuns
) -> Iterator[str]:
    """The clock beside that of the system's other runs, in the same operating mode."""
    clocks = finished.clocks_mhz.get(system_of(run), [])
    if state.clock_mhz is None or len(clocks) < 2:
        return
    usual = median(clocks)
    change = 100 * abs(state.clock_mhz / usual - 1)
    if change > rule.limits["clock_change_percent"]:
        yield f"its clock is {state.clock_mhz:,.0f} MHz, that of the system's runs {usual:,.0f} MHz"
