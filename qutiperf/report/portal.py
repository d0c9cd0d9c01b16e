"""Rows of a report as results in QuTiBench's own columns, and what those columns cannot hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from qutiperf.level0.requirements import BILLION
from qutiperf.published.qutibench import number_text
from qutiperf.published.result import PublishedResult
from qutiperf.report.columns import Row

_LEVEL = "l3"  # whole networks under load; 0 is theory, 1 layers, 2 blocks
_SCENARIOS = ("Offline", "published")
_NOT_VALID = ("INVALID", "failed")


@dataclass(frozen=True, slots=True)
class PortalRows:
    """`other_scenarios` and `not_valid` rows are left out, `marked` ones lose their mark."""

    results: list[PublishedResult]
    other_scenarios: int
    not_valid: int
    marked: int


def portal_results(rows: Sequence[Row]) -> PortalRows:
    """Valid performance rows of Offline, and of publishers that give no scenario: the columns have none."""
    performance = [row for row in rows if row.get("mode") in (None, "PerformanceOnly")]
    offline = [row for row in performance if row.get("scenario") in _SCENARIOS]
    valid = [row for row in offline if row.get("status") not in _NOT_VALID]
    kept = [row for row in valid if row.get("system_throughput_ips") or row.get("compute_throughput_ips")]
    return PortalRows(
        [_result(row) for row in kept],
        len(performance) - len(offline),
        len(offline) - len(kept),
        sum(row.get("status") not in ("ok", "published") for row in kept),
    )


def _result(row: Row) -> PublishedResult:
    ops = _number(row, "ops")
    top1 = _number(row, "top1_percent")
    return PublishedResult(
        source="qutibench",
        suite=_LEVEL,
        system=str(row["sut"]),
        platform=_text(row, "operating_mode"),
        benchmark=str(row.get("topology") or row.get("workload")),
        channel_scale_percent=_number(row, "channel_scale_percent"),
        datatype=(_text(row, "datatype") or "").upper() or None,
        deployment=_setting(row),
        scenario="Offline",
        figure=_number(row, "system_throughput_ips"),
        unit="samples/s" if row.get("system_throughput_ips") is not None else None,
        compute_latency_ms=_number(row, "compute_latency_ms"),
        compute_throughput_ips=_number(row, "compute_throughput_ips"),
        gop=ops / BILLION if ops is not None else None,
        system_gops=_number(row, "system_gops"),
        compute_gops=_number(row, "compute_gops"),
        accuracy=number_text(top1) if top1 is not None else None,
        top1_percent=top1,
        top5_percent=_number(row, "top5_percent"),
        base_power_w=_number(row, "base_power_w"),
        idle_power_w=_number(row, "idle_power_w"),
        full_power_w=_number(row, "full_power_w"),
        url="https://rcl-lab.github.io/QutibenchWeb/",
    )


def _setting(row: Row) -> str | None:
    """The one number of a published row; batch, threads and streams of a run as 8/4/1."""
    batch, streams = row.get("batch_size"), row.get("streams")
    if row.get("mode") is None:
        number = streams if isinstance(streams, int) and streams > 1 else batch
        return _text(row, "setting") if number is None else str(number)
    return "/".join("" if value is None else str(value) for value in (batch, row.get("threads"), streams))


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    return None if value is None else str(value)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
