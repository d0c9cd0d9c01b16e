"""Figures of merit and quality of a run, from LoadGen's result and the worker's observations."""

import re
from collections.abc import Mapping
from typing import Literal

from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.results.record import AccuracyCheck, Figures, HarnessTax, Observed, PhaseTime, Quality
from qutiperf.spec.scenario import Mode, ScenarioName
from qutiperf.surroundings import Disturbances
from qutiperf.units import milliseconds_from_ns

# Above this share of the harness in a measured time, the result reflects the harness as well.
GENERATOR_SHARE = 0.2
NOISY_FOREIGN_PERCENT = 10.0
UNSTABLE_PERCENT = 20.0
STOLEN_PERCENT = 5.0
MEMORY_PRESSURE_PERCENT = 5.0
SLOW_CLOCK_PERCENT = 80.0
ReasonKind = Literal[
    "harness",
    "unstable",
    "repeats",
    "other programs",
    "retries",
    "other guests",
    "memory",
    "throttled",
    "clock",
    "accuracy",
    "other",
]
SUSPECT_PREFIX = "suspect accuracy: "
_REASONS: Mapping[ReasonKind, str] = {
    "harness": "the harness alone takes {:.0f} % of the measured time",
    "unstable": "compute time per input varied by {:.0f} % over the run",
    "other programs": "other processes used {:.0f} % of the cores",
    "other guests": "other guests of the host took {:.0f} % of the CPU time",
    "memory": "processes waited for memory {:.0f} % of the time",
    "throttled": "the processor was throttled {:.0f} times",
    "clock": "the clock of the fastest core fell to {:.0f} % of its highest",
    "retries": "{:.0f} requests were sent again after a lost connection",
}
_PATTERNS = {
    kind: re.compile(re.escape(text).replace(re.escape("{:.0f}"), r"\d+")) for kind, text in _REASONS.items()
}
_REPEATS = re.compile(r"its \d+ repeats differ by .*")
_QUIET = Disturbances()
_PERCENTILES = ("mean", "p50", "p90", "p99", "p99_9")


def figures(scenario: ScenarioName, mode: Mode, result: LoadGenResult, observed: Observed) -> Figures:
    """Everything measured; accuracy runs have no times, performance runs no accuracy."""
    if mode is Mode.ACCURACY:
        return Figures(top1_percent=observed.top1_percent, top5_percent=observed.top5_percent)
    return Figures(
        **_system_latencies(scenario, result.latency_ns),
        **_compute_latencies(observed.phases.get("compute")),
        system_throughput_ips=system_throughput_ips(result),
        compute_throughput_ips=observed.compute_throughput_ips,
    )


def compute_only(measured: Figures) -> Figures:
    """Those of a part of a network, whose samples are no real queries: without the system's (Blott 2021)."""
    system = {name: None for name in Figures.model_fields if name.startswith("system_")}
    return measured.model_copy(update=system)


def _system_latencies(scenario: ScenarioName, latency_ns: Mapping[str, float]) -> dict[str, float]:
    if scenario is ScenarioName.OFFLINE:
        return {}
    return {
        f"system_latency_{name}_ms": milliseconds_from_ns(latency_ns[name])
        for name in _PERCENTILES
        if name in latency_ns
    }


def _compute_latencies(time: PhaseTime | None) -> dict[str, float]:
    if time is None:
        return {}
    return {
        f"compute_latency_{name}_ms": milliseconds_from_ns(getattr(time, f"{name}_ns"))
        for name in _PERCENTILES
    }


def system_throughput_ips(result: LoadGenResult) -> float | None:
    """Samples per second as counted by LoadGen, including its overhead."""
    if result.samples_per_second is not None:
        return result.samples_per_second
    if result.queries_per_second is None:
        return None
    return result.queries_per_second * (result.samples_per_query or 1)


def quality(
    scenario: ScenarioName,
    measured: Figures,
    observed: Observed,
    tax: HarnessTax | None,
    foreign_cpu_percent: float | None,
    machine: Disturbances = _QUIET,
) -> tuple[Quality, list[str]]:
    """The grade and its reasons; figures are marked, never hidden."""
    reasons: list[tuple[Quality, str]] = []
    share = generator_share(scenario, measured, tax)
    if share is not None and share > GENERATOR_SHARE:
        reasons.append(("generator_limited", _REASONS["harness"].format(100 * share)))
    spread = observed.unsteadiness_percent
    if spread is not None and spread > UNSTABLE_PERCENT:
        reasons.append(("unstable", _REASONS["unstable"].format(spread)))
    if foreign_cpu_percent is not None and foreign_cpu_percent > NOISY_FOREIGN_PERCENT:
        reasons.append(("noisy", _REASONS["other programs"].format(foreign_cpu_percent)))
    reasons += [("noisy", reason) for reason in _disturbed(machine)]
    retries = observed.adapter_figures.get("retries", 0)
    if retries:
        reasons.append(("noisy", _REASONS["retries"].format(retries)))
    return (reasons[0][0] if reasons else "ok"), [reason for _, reason in reasons]


def accuracy_quality(check: AccuracyCheck | None) -> tuple[Quality, list[str]]:
    """The grade of an accuracy run, and its reasons."""
    if check is None or not check.suspect:
        return "ok", []
    reasons = [SUSPECT_PREFIX + text for text in (_better_text(check), _chance_text(check)) if text]
    return "suspect_accuracy", reasons[:1]


def _better_text(check: AccuracyCheck) -> str:
    if not check.settings:
        return ""
    settings = ", ".join(f"{key}: {value}" for key, value in check.settings.items())
    return (
        f"set {settings} in the workload file: {check.settings_right} of {check.settings_samples} samples "
        f"are right with it, {check.right} of {check.samples} as declared"
    )


def _chance_text(check: AccuracyCheck) -> str:
    if not check.near_chance or not check.total:
        return ""
    return (
        f"top-1 of {100 * (check.total_right or 0) / check.total:.1f} % is no better than guessing "
        f"({check.chance_percent or 0:.1f} %), and nothing else that was tried fits better"
    )


def _disturbed(machine: Disturbances) -> list[str]:
    """What else disturbed the window, by its limits."""
    above: list[tuple[ReasonKind, float | None, float]] = [
        ("other guests", machine.steal_percent, STOLEN_PERCENT),
        ("memory", machine.memory_pressure_percent, MEMORY_PRESSURE_PERCENT),
        ("throttled", machine.throttle_count, 0.0),
    ]
    reasons = [
        _REASONS[kind].format(value) for kind, value, limit in above if value is not None and value > limit
    ]
    clock = machine.clock_percent
    return reasons + (
        [_REASONS["clock"].format(clock)] if clock is not None and clock < SLOW_CLOCK_PERCENT else []
    )


def repeats_reason(repeats: int, figure: str, spread_percent: float, bound_percent: float) -> str:
    """Why repeats of a point are unstable; the spread is from the lowest to the highest, of the median."""
    what = f"its {repeats} repeats differ by {spread_percent:.3g} % in {figure}"
    return f"{what}, more than the bound of {bound_percent:g} %"


def kind_of_reason(reason: str) -> ReasonKind:
    """What a stored reason is about: records hold reasons as text alone."""
    if reason.startswith(SUSPECT_PREFIX):
        return "accuracy"
    if _REPEATS.fullmatch(reason):
        return "repeats"
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(reason)), "other")


def generator_share(scenario: ScenarioName, measured: Figures, tax: HarnessTax | None) -> float | None:
    """The harness's share of the measured time: what a device that takes no time would measure."""
    if tax is None:
        return None
    if scenario is ScenarioName.SINGLE_STREAM:
        median = measured.system_latency_p50_ms
        return milliseconds_from_ns(tax.single_stream_ns) / median if median else None
    throughput = measured.system_throughput_ips
    return throughput / tax.offline_samples_per_s if throughput else None
