"""Repeats of a point that differ by more than a bound: their runs are marked when they are read."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

from qutiperf import host
from qutiperf.results.metrics import repeats_reason
from qutiperf.results.record import RunRecord
from qutiperf.spec.config import canonical_json
from qutiperf.spec.scenario import Mode

STABLE_WITHIN_PERCENT = 10.0  # of runs whose sweep states no bound
_OTHERWISE = "compute_throughput_ips"  # of parts of a network, which have no figures of the system


def with_stability(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The same records, those of unstable repeats with that quality and reason; others are unchanged.

    A worse mark of a run stays. What is stored stays as it is.
    """
    reasons = unstable_repeats(records)
    return [
        _marked(record, reasons[key]) if (key := _key(record)) in reasons else record for record in records
    ]


def unstable_repeats(records: Iterable[RunRecord]) -> dict[tuple[str, int], str]:
    """Run id and attempt of every run whose repeats differ too much, with the reason.

    The figure is that of the scenario. Runs that are not valid do not count.
    """
    points: defaultdict[str, list[tuple[RunRecord, str, float]]] = defaultdict(list)
    for record in records:
        measured = _figure(record)
        if record.valid and record.point.mode is Mode.PERFORMANCE and measured is not None:
            points[_point(record)].append((record, *measured))
    reasons: dict[tuple[str, int], str] = {}
    for repeats in points.values():
        if (reason := _reason(repeats)) is not None:
            reasons |= {_key(record): reason for record, _, _ in repeats}
    return reasons


def _key(record: RunRecord) -> tuple[str, int]:
    return record.run_id, record.attempt


def _point(record: RunRecord) -> str:
    """Everything that repeats have in common; attempts of one run are not repeats."""
    point = record.point.model_dump(mode="json", exclude={"repeat"})
    return canonical_json([point, record.inputs.files_sha256, host.fingerprint(record.host)])


def _figure(record: RunRecord) -> tuple[str, float] | None:
    """The scenario's figure of merit and its value."""
    for name in (record.inputs.scenario.metric.figure, _OTHERWISE):
        value = getattr(record.figures, name, None)
        if isinstance(value, float):
            return name, value
    return None


def _reason(repeats: Sequence[tuple[RunRecord, str, float]]) -> str | None:
    """None within the bound, which is that of the repeat that was measured last."""
    values = list({record.point.repeat: value for record, _, value in repeats}.values())
    middle = statistics.median(values)
    if len(values) < 2 or not middle:
        return None
    last = max(repeats, key=lambda each: each[0].started_utc)[0]
    bound = last.inputs.stable_within_percent or STABLE_WITHIN_PERCENT
    spread = 100 * (max(values) - min(values)) / middle
    return repeats_reason(len(values), repeats[0][1], spread, bound) if spread > bound else None


def _marked(record: RunRecord, reason: str) -> RunRecord:
    quality = "unstable" if record.quality == "ok" else record.quality
    return record.model_copy(update={"quality": quality, "reasons": [*record.reasons, reason]})
