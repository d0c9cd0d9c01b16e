"""Findings with their cure, and the context of a run."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from qutiperf.explain.wording import time_text

LOADGEN = "https://github.com/mlcommons/inference/blob/master/loadgen"
Kind = Literal[
    "failed", "invalid", "error", "suspect", "noisy", "unstable", "slow", "after_run", "note", "valid"
]
Value = str | int | float
SECONDS_PER_MINUTE = 60
_SAME_SHARE = 0.01  # of the run; durations that differ by less count as equal

# by severity, worst first
TITLES: Mapping[Kind, str] = {
    "failed": "failed",
    "invalid": "INVALID",
    "error": "not submittable",
    "suspect": "suspect",
    "noisy": "noisy",
    "unstable": "unstable",
    "slow": "slow",
    "after_run": "after the run",
    "note": "note",
    "valid": "valid",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule or observation with its cure: `setting` = `value`, a `command`, or text in `cure`.

    `what` is the fact, `because` its reason.
    `run_minutes` is the duration of the cured run, `extra_minutes` its difference to this run.
    """

    kind: Kind
    rule: str
    what: str
    because: str = ""
    cure: str = ""
    setting: str | None = None
    value: Value | None = None
    command: str | None = None
    run_minutes: float | None = None
    extra_minutes: float | None = None
    source: str | None = None

    def costing(self, run_s: float, this_run_s: float | None) -> "Finding":
        """The finding with the duration of the cured run and its difference to this run."""
        extra = None if this_run_s is None else (run_s - this_run_s) / SECONDS_PER_MINUTE
        return dataclasses.replace(self, run_minutes=run_s / SECONDS_PER_MINUTE, extra_minutes=extra)


@dataclass(frozen=True, slots=True)
class Context:
    """Data of a record beyond LoadGen's logs; every field may be unknown.

    `generator_share` is the harness's share of the measured time (0 to 1).
    """

    mode: str | None = None
    round_name: str | None = None
    phase_mean_ns: Mapping[str, float] = field(default_factory=dict)
    generator_share: float | None = None
    quality_reasons: tuple[str, ...] = ()
    batch_size: int | None = None
    threads: int | None = None
    streams: int | None = None
    cores: int | None = None
    load_1min: float | None = None
    governor: str | None = None


def to_dict(finding: Finding) -> dict[str, Value | None]:
    """For --json: every field, None if it does not apply."""
    return dataclasses.asdict(finding)


def render(findings: Iterable[Finding]) -> str:
    """Plain text: a headline per finding, with its reason, cure and source indented below."""
    return "\n".join(line for finding in findings for line in _lines(finding))


def _lines(finding: Finding) -> list[str]:
    value = "" if finding.value is None else value_text(finding.value)
    lines = [f"{TITLES[finding.kind]}: {finding.rule}: {finding.what}", *cure_lines(finding, value)]
    if finding.run_minutes is not None:
        lines.append(f"  cost    {_cost(finding)}")
    if finding.source is not None:
        lines.append(f"  rule    {finding.source}")
    return lines


def cure_lines(finding: Finding, value: str) -> list[str]:
    """The reason and the cure; `value` is what its setting should be."""
    parts = {
        "because": finding.because,
        "set": f"{finding.setting}={value}" if finding.setting is not None and value else "",
        "run": finding.command,
        "do": finding.cure,
    }
    return [f"  {name:7} {text}" for name, text in parts.items() if text]


def value_text(value: Value) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _cost(finding: Finding) -> str:
    minutes, extra = finding.run_minutes or 0, finding.extra_minutes
    total = f"the run then takes {time_text(SECONDS_PER_MINUTE * minutes)}"
    if extra is None:
        return total
    if abs(extra) < _SAME_SHARE * minutes:
        return f"{total}, as long as this one"
    difference = time_text(SECONDS_PER_MINUTE * abs(extra))
    return f"{total}, {difference} {'more' if extra > 0 else 'less'} than this one"
