"""Two results folders side by side: the change of each point's figure, its interval, and what differs."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qutiperf import host
from qutiperf.report.recorded import setting, status
from qutiperf.report.verdicts import Verdicts, failures, verdicts_of
from qutiperf.results.record import RunRecord
from qutiperf.spec.config import canonical_json
from qutiperf.spec.scenario import Mode, ScenarioName

Verdict = Literal["regressed", "improved", "same", "not compared"]
PERCENT = 100.0
CONFIDENCE = 0.95
_FIGURES: Mapping[ScenarioName, str] = {
    ScenarioName.SINGLE_STREAM: "system_latency_p90_ms",
    ScenarioName.MULTI_STREAM: "system_latency_p99_ms",
    ScenarioName.SERVER: "system_throughput_ips",
    ScenarioName.OFFLINE: "system_throughput_ips",
}
_LOWER_IS_BETTER = ("latency", "power", "energy")


@dataclass(frozen=True, slots=True)
class Change:
    """One point in both folders.

    `change_percent` is positive if the second is larger; low and high bound it at 95 %, None where the noise
    is unknown. `basis` is how the interval was obtained. `differs` does not affect the verdict unless it is
    `not compared`.
    """

    sut: str
    workload: str
    scenario: str
    setting: str
    figure: str
    first: float | None
    second: float | None
    change_percent: float | None
    low_percent: float | None
    high_percent: float | None
    basis: str
    verdict: Verdict
    reasons: list[str]
    differs: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The points of both folders, and how many only one of them has."""

    changes: list[Change]
    only_first: int
    only_second: int

    @property
    def regressed(self) -> bool:
        return any(change.verdict == "regressed" for change in self.changes)


def compare_records(
    first: Sequence[RunRecord],
    second: Sequence[RunRecord],
    threshold_percent: float,
    *,
    figure: str | None = None,
    across_hosts: bool = False,
    verdicts: tuple[Verdicts, Verdicts] = ({}, {}),
) -> Comparison:
    """Points that both have; `figure` replaces the scenario's own metric.

    `verdicts` are those of each folder's audits: a failed one is a difference that a reader should know.
    """
    groups_first, groups_second = _groups(first), _groups(second)
    changes = [
        _change(group, groups_second[key], threshold_percent, figure, across_hosts, verdicts)
        for key, group in groups_first.items()
        if key in groups_second
    ]
    return Comparison(
        changes,
        len(groups_first.keys() - groups_second.keys()),
        len(groups_second.keys() - groups_first.keys()),
    )


def _groups(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """The repeats of every point, whatever its LoadGen settings were."""
    groups: defaultdict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        point = record.point
        deployment = dict(sorted(point.deployment.items()))
        key = [point.sut, point.workload, point.scenario.value, point.mode.value, deployment]
        groups[canonical_json(key)].append(record)
    return dict(groups)


def _change(
    first: list[RunRecord],
    second: list[RunRecord],
    threshold: float,
    figure: str | None,
    across_hosts: bool,
    verdicts: tuple[Verdicts, Verdicts],
) -> Change:
    name = figure or _figure_of(first[0])
    one, two = _by_repeat(first, name), _by_repeat(second, name)
    reasons = _refusals(first, second, across_hosts)
    lost = _lost(first, second)
    estimate = _estimate(one, two, first + second) if one and two else _NO_ESTIMATE
    if not reasons and not lost and estimate.change_percent is None:
        reasons = [f"{name} is unknown in {'the first' if not one else 'the second'}"]
    verdict: Verdict = "not compared" if reasons else _verdict(estimate, name, threshold)
    if lost and not reasons:
        verdict, reasons = "regressed", [lost]
    record = first[0]
    return Change(
        sut=record.point.sut,
        workload=record.point.workload,
        scenario=record.point.scenario.value if record.point.mode is Mode.PERFORMANCE else "accuracy",
        setting=setting(record.point.deployment, 1),
        figure=name,
        first=_mean(one.values()),
        second=_mean(two.values()),
        change_percent=estimate.change_percent,
        low_percent=estimate.low_percent,
        high_percent=estimate.high_percent,
        basis=estimate.basis,
        verdict=verdict,
        reasons=reasons,
        differs=_differences(first, second, verdicts),
    )


def _figure_of(record: RunRecord) -> str:
    return "top1_percent" if record.point.mode is Mode.ACCURACY else _FIGURES[record.point.scenario]


def _by_repeat(records: Sequence[RunRecord], name: str) -> dict[int, float]:
    """The figure of each repeat that is valid and positive."""
    values = {record.point.repeat: getattr(record.figures, name, None) for record in records if record.valid}
    return {repeat: value for repeat, value in values.items() if value is not None and value > 0}


def _mean(values: Iterable[float]) -> float | None:
    """The geometric mean, as changes are ratios."""
    known = list(values)
    if len(known) < 2:  # exact, as measured
        return known[0] if known else None
    return math.exp(sum(map(math.log, known)) / len(known))


@dataclass(frozen=True, slots=True)
class _Estimate:
    change_percent: float | None
    low_percent: float | None
    high_percent: float | None
    basis: str


_NO_ESTIMATE = _Estimate(None, None, None, "")


def _estimate(one: Mapping[int, float], two: Mapping[int, float], records: Sequence[RunRecord]) -> _Estimate:
    """Paired where both have the same repeats, else Welch's interval, else the spread within the runs."""
    common = sorted(one.keys() & two.keys())
    if len(common) >= 2:
        logs = [math.log(two[repeat] / one[repeat]) for repeat in common]
        return _interval(
            sum(logs) / len(logs),
            _deviation(logs) / math.sqrt(len(logs)),
            len(logs) - 1,
            f"{len(logs)} pairs",
        )
    logs_one, logs_two = ([math.log(value) for value in each.values()] for each in (one, two))
    center = sum(logs_two) / len(logs_two) - sum(logs_one) / len(logs_one)
    if len(logs_one) >= 2 and len(logs_two) >= 2:
        parts = [_deviation(logs) ** 2 / len(logs) for logs in (logs_one, logs_two)]
        return _interval(center, math.sqrt(sum(parts)), _welch(parts, logs_one, logs_two), "repeats")
    spread = _spread_within(records)
    if spread is None:
        return _Estimate(_percent(center), None, None, "noise unknown: one run each")
    ends = (_percent(center - spread), _percent(center + spread))
    return _Estimate(_percent(center), *ends, "spread within the runs")


def _welch(parts: Sequence[float], one: Sequence[float], two: Sequence[float]) -> float:
    """Welch and Satterthwaite's degrees of freedom."""
    below = parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(two) - 1)
    return sum(parts) ** 2 / below if below > 0 else len(one) + len(two) - 2


def _interval(center: float, error: float, freedom: float, basis: str) -> _Estimate:
    from scipy.stats import t

    half = float(t.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
    return _Estimate(_percent(center), _percent(center - half), _percent(center + half), basis)


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _spread_within(records: Sequence[RunRecord]) -> float | None:
    """Both runs' variation of the compute time over the run, added up as squares; None if one is unknown."""
    spreads = [record.observed.unsteadiness_percent if record.observed else None for record in records]
    known = [spread for spread in spreads if spread is not None]
    if not known or len(known) < len(spreads):
        return None
    return math.sqrt(sum((spread / PERCENT) ** 2 for spread in known))


def _percent(log_ratio: float) -> float:
    return PERCENT * math.expm1(log_ratio)


def _verdict(estimate: _Estimate, figure: str, threshold: float) -> Verdict:
    """Beyond the threshold, and beyond the noise where it is known."""
    change = estimate.change_percent
    if change is None:
        return "not compared"
    noise = (estimate.low_percent or 0.0) <= 0.0 <= (estimate.high_percent or 0.0)
    if abs(change) <= threshold or (estimate.low_percent is not None and noise):
        return "same"
    worse = change > 0 if any(part in figure for part in _LOWER_IS_BETTER) else change < 0
    return "regressed" if worse else "improved"


def _lost(first: Sequence[RunRecord], second: Sequence[RunRecord]) -> str | None:
    """Valid before and not now."""
    if any(record.valid for record in first) and not any(record.valid for record in second):
        return f"the second is {status(second[-1])}: {'; '.join(second[-1].reasons) or 'no reason given'}"
    return None


def _refusals(first: Sequence[RunRecord], second: Sequence[RunRecord], across_hosts: bool) -> list[str]:
    """Why the two must not be compared: other hosts, other rules, or nothing valid before."""
    reasons = []
    if not across_hosts and {_machine(record) for record in first} != {_machine(record) for record in second}:
        reasons.append("the hosts differ (--across-hosts compares them)")
    rules = _different_settings(first[0], second[0])
    if rules:
        reasons.append(f"the settings differ: {', '.join(rules)}")
    if not any(record.valid for record in first):
        reasons.append(f"the first is {status(first[-1])}")
    return reasons


def _machine(record: RunRecord) -> str:
    return host.fingerprint(record.host)


def _different_settings(one: RunRecord, two: RunRecord) -> list[str]:
    first, second = (record.point.settings.model_dump(mode="json") for record in (one, two))
    names = [name for name, value in first.items() if second.get(name) != value]
    return names + (["profile"] if one.point.profile is not two.point.profile else [])


def _differences(
    first: Sequence[RunRecord], second: Sequence[RunRecord], verdicts: tuple[Verdicts, Verdicts]
) -> list[str]:
    """What a reader should know: files, versions, hosts, marks of quality, and failed audits."""
    one, two = first[0], second[0]
    parts = [
        f"{name.partition(':')[0]} changed: {name.partition(':')[2]}"
        for name, digest in one.inputs.files_sha256.items()
        if two.inputs.files_sha256.get(name, digest) != digest
    ]
    for name in sorted(one.versions.keys() | two.versions.keys()):
        before, after = one.versions.get(name), two.versions.get(name)
        if before != after:
            parts.append(f"{name} {before or 'none'} -> {after or 'none'}")
    if _machine(one) != _machine(two):
        parts.append(f"host {one.host.get('hostname')} -> {two.host.get('hostname')}")
    for place, records, audits in (("first", first, verdicts[0]), ("second", second, verdicts[1])):
        marks = sorted({record.quality for record in records} - {"ok"})
        if marks:
            parts.append(f"{place}: {', '.join(marks)}")
        failed = [text for record in records for text in failures(verdicts_of(record, audits))]
        parts += [f"{place} fails an audit: {text}" for text in dict.fromkeys(failed)]
    return parts
