"""The scores that MLPerf's compliance scripts compare, read as they read them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qutiperf.mlperf_logs.trace import Trace
from qutiperf.spec.audits import ScoreLimits
from qutiperf.units import NANOSECONDS_PER_SECOND

PASS, FAIL = "TEST PASS", "TEST FAIL"
_KEYS: Mapping[str, str] = {
    "Offline": "result_samples_per_second",
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
    "Server": "result_completed_samples_per_sec",
}
_MOST_BYTES = 1 << 20
_LATENCIES = {
    "SingleStream": r".*Early stopping (90th|90\.0th|99\.9th) percentile estimate",
    "MultiStream": r".*Early stopping (99th|99\.0th) percentile estimate",
}
_RATES = {"Server": "Completed samples per second", "Offline": "Samples per second"}


@dataclass(frozen=True, slots=True)
class TestScore:
    """`value` as the script prints it; None where the log has none. `problem` makes the script fail."""

    __test__ = False
    scenario: str
    value: float | None
    valid: bool
    problem: str | None = None


def detail_score(trace: Trace, name: str) -> TestScore:
    """From a detail log, as TEST01's verify_performance.py; `name` is how its text calls the log."""
    scenario = trace.scenario or ""
    value = trace.number(_KEYS.get(scenario, ""))
    valid = trace.text("result_validity") == "VALID"
    problem = None
    if value is None:
        problem = f"{name} has no score"
    elif not valid:
        problem = f"Invalid results in {name}"
    elif trace.error_count:  # the script stops with an exception
        problem = f"{name} reports {trace.error_count} errors"
    return TestScore(scenario, value, valid, problem)


def summary_score(path: Path, name: str) -> TestScore:
    """From a summary, as TEST04's verify_performance.py: latencies as queries per second; raises OSError."""
    scenario, value, valid = "", 0.0, True
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream.read(_MOST_BYTES).splitlines():
            if line.startswith("Scenario"):
                scenario = _after_colon(line)
            elif scenario in _LATENCIES and re.match(_LATENCIES[scenario], line):
                latency_ns = _number(_after_colon(line))
                value = NANOSECONDS_PER_SECOND / latency_ns if latency_ns else value
            elif scenario in _RATES and line.startswith(_RATES[scenario]):
                value = _number(_after_colon(line)) or value
            elif line.startswith("Result is") and _after_colon(line) == "INVALID":
                valid = False
    return TestScore(scenario, value, valid, None if valid else f"{name} results are invalid")


def _after_colon(line: str) -> str:
    return line.partition(": ")[2].strip()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def allowed_share(limits: ScoreLimits, reference: TestScore) -> float:
    """The share that the scores may differ by."""
    bound = limits.fast.get(reference.scenario)
    fast = bound is not None and reference.value is not None and reference.value <= bound
    return (limits.fast_percent if fast else limits.percent) / 100
