"""Groups the findings of many runs by cause, each with its cure and the affected runs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qutiperf.explain.explained import Explained
from qutiperf.explain.finding import SECONDS_PER_MINUTE, TITLES, Finding, Kind, cure_lines, value_text
from qutiperf.explain.wording import time_text

_NUMBER = re.compile(r"\d[\d.,]*")
_SEVERITY = {kind: number for number, kind in enumerate(TITLES)}


@dataclass(frozen=True, slots=True)
class Cause:
    """One rule with its finding for each affected run; `findings` and `runs` are parallel."""

    kind: Kind
    rule: str
    findings: tuple[Finding, ...]
    runs: tuple[Explained, ...]


def causes(explained: Iterable[Explained]) -> list[Cause]:
    """Ordered by severity, then by number of runs; a run counts once for each of its causes."""
    groups: dict[tuple[str, ...], list[tuple[Finding, Explained]]] = {}
    for run in explained:
        named: dict[tuple[str, ...], Finding] = {}
        for finding in run.findings:
            if finding.kind != "valid":
                named.setdefault(_key(finding), finding)
        for key, finding in named.items():
            groups.setdefault(key, []).append((finding, run))
    merged = [
        Cause(
            group[0][0].kind,
            group[0][0].rule,
            tuple(finding for finding, _ in group),
            tuple(run for _, run in group),
        )
        for group in groups.values()
    ]
    return sorted(merged, key=lambda cause: (_SEVERITY[cause.kind], -len(cause.runs)))


def _key(finding: Finding) -> tuple[str, ...]:
    """Findings with the same key have one cause; for failures, the text without numbers is part of it."""
    reason = _NUMBER.sub("#", finding.what) if finding.kind == "failed" else ""
    return finding.kind, finding.rule, reason, finding.setting or finding.command or finding.cure


def render_causes(listed: Sequence[Cause]) -> str:
    """A paragraph for each cause."""
    return "\n".join(line for cause in listed for line in _lines(cause))


def _lines(cause: Cause) -> list[str]:
    first, count = cause.findings[0], len(cause.runs)
    lines = [f"{_runs(count)} {TITLES[cause.kind]}: {cause.rule}"]
    lines.append(f"  {'fact' if count == 1 else 'such as':7} {first.what}")
    lines += cure_lines(first, "" if first.value is None else _values(cause.findings))
    minutes = [finding.run_minutes for finding in cause.findings if finding.run_minutes is not None]
    if minutes:
        total = time_text(SECONDS_PER_MINUTE * sum(minutes))
        lines.append(f"  cost    {'the run then takes' if count == 1 else 'all of them then take'} {total}")
    lines.append(f"  runs    {cause.runs[0].name}{f', and {count - 1} more' if count > 1 else ''}")
    return lines


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _values(findings: Iterable[Finding]) -> str:
    """The value, or the range of values, since runs may need different ones."""
    values = list(dict.fromkeys(finding.value for finding in findings if finding.value is not None))
    numbers = [value for value in values if not isinstance(value, str)]
    if len(values) == 1 or len(numbers) < len(values):
        return " or ".join(value_text(value) for value in values)
    return f"{value_text(min(numbers))} to {value_text(max(numbers))} (--details has the value of each run)"
