"""Is a new run as fast as the stored one, given the noise of both?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt

from qutiperf.audit.machine_state import machine_state
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import Outcome
from qutiperf.results.record import RunRecord

_LATENCY = "_ms"
_NAMED = 1.001  # smaller factors are not worth a word
_LEAST_SHARE = 0.05  # of the CPU time that the noise leaves to a run, so that the allowance stays finite


@dataclass(frozen=True, slots=True)
class SpeedComparison:
    """`line` says how the runs compare, `noise` what was allowed for it."""

    outcome: Outcome
    line: str
    noise: str = ""
    slower: bool = False


@dataclass(frozen=True, slots=True)
class _Rate:
    """A figure of merit as something of which more is better."""

    figure: str
    value: float

    @property
    def rate(self) -> float:
        return 1 / self.value if self.figure.endswith(_LATENCY) else self.value

    def __str__(self) -> str:
        return f"{self.value:.4g} ms" if self.figure.endswith(_LATENCY) else f"{self.value:,.4g} inputs/s"


def compare_speed(
    run: StoredRun, new: Sequence[StoredRun], limits: Mapping[str, float], *, last: bool
) -> SpeedComparison:
    """Pass if a new run is within `percent` of the stored one, else inconclusive while noise explains it.

    A failure is only found with the `last` try, from the median of all of them.
    """
    before = _rate_of(run.record)
    if before is None:
        return SpeedComparison("inconclusive", "the run has no figure to compare")
    rates = [rate for each in new if (rate := _rate_of(each.record, before.figure)) is not None]
    if not rates:
        return SpeedComparison("inconclusive", "no new run has a figure to compare")
    ratios = sorted(rate.rate / before.rate for rate in rates)
    closest = min(ratios, key=_apart)
    tolerance = 1 + limits["percent"] / 100
    shown = min(rates, key=lambda each: _apart(each.rate / before.rate))
    line = f"{before.figure}: {before} in the run, {shown} in {_new_runs(len(rates))}, {_words(closest)}"
    invalid = [each.record for each in new if not each.record.valid]
    if _apart(closest) <= tolerance and len(invalid) < len(new):
        return SpeedComparison("pass", f"{line}; {limits['percent']:g} % are allowed")
    if invalid and _apart(closest) <= tolerance:
        reason = next(iter(invalid[-1].reasons), "no reason given")
        return SpeedComparison("inconclusive", f"{line}, but LoadGen calls the new run INVALID: {reason}")
    noise, allowed = _noise(run, new, ratios, limits)
    middle = ratios[len(ratios) // 2]
    failed = last and _apart(middle) > tolerance * allowed
    text = f"{limits['percent']:g} % are allowed, and {100 * (allowed - 1):.3g} % for noise: {noise}"
    return SpeedComparison("fail" if failed else "inconclusive", line, text, middle < 1)


def _new_runs(count: int) -> str:
    return "the new run" if count == 1 else f"the closest of {count} new runs"


def _apart(ratio: float) -> float:
    return max(ratio, 1 / ratio) if ratio > 0 else float("inf")


def _words(ratio: float) -> str:
    """Times rather than percent for what is far away."""
    apart, word = _apart(ratio), "faster" if ratio >= 1 else "slower"
    return f"{apart:.1f} times {word}" if apart >= 2 else f"{100 * (apart - 1):.1f} % {word}"


def _rate_of(record: RunRecord, figure: str | None = None) -> _Rate | None:
    """The scenario's figure of merit; of parts of networks, which have none, the compute throughput."""
    names = [figure] if figure else [record.inputs.scenario.metric.figure, "compute_throughput_ips"]
    for name in names:
        value = getattr(record.figures, name, None)
        if isinstance(value, float | int) and value > 0:
            return _Rate(name, float(value))
    return None


def _noise(
    run: StoredRun, new: Sequence[StoredRun], ratios: Sequence[float], limits: Mapping[str, float]
) -> tuple[str, float]:
    """What the runs differ by without any change of the system, in words and as a factor."""
    records = [run.record, *(each.record for each in new)]
    shortest_s = min(record.loadgen.duration_s or 0.0 if record.loadgen else 0.0 for record in records)
    short = limits["one_second_percent"] / 100 / sqrt(max(shortest_s, 0.01))
    spread = ratios[-1] / ratios[0] - 1 if ratios[0] > 0 else 0.0
    unsteady = max((each.observed.unsteadiness_percent or 0.0 if each.observed else 0.0) for each in records)
    states = [state for each in (run, *new) if (state := machine_state(each)) is not None]
    taken = max((state.taken_share for state in states), default=0.0)
    clocks = [state.clock_mhz for state in states if state.clock_mhz]
    clock = max(clocks) / min(clocks) if clocks else 1.0
    # others that take CPU time are why runs and parts of them differ: the largest of these three counts
    common = {
        f"new runs that are {100 * spread:.1f} % apart": 1 + limits["spread_factor"] * spread,
        f"{unsteady:.0f} % of variation within a run": 1 + unsteady / 100,
        f"{100 * taken:.0f} % of the CPU time taken by others": 1 / max(1 - taken, _LEAST_SHARE),
    }
    largest = max(common, key=lambda text: common[text])
    factors = {
        f"runs of {shortest_s:.1f} s": 1 + short,
        largest: common[largest],
        f"clocks that are {100 * (clock - 1):.0f} % apart": clock,
    }
    named = [text for text, factor in factors.items() if factor > _NAMED]
    return ", ".join(named), prod(factors.values())
