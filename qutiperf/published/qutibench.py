"""QuTiBench's tables: the portal's CSV, and the one that ships with qutiperf."""

from collections.abc import Iterable, Iterator, Mapping

from qutiperf.published.result import PublishedResult

PORTAL = ("NN_Topology", "HWType", "Precision")
SHIPPED = ("sut", "topology", "system_throughput_ips", "compute_throughput_ips")
_THESIS = "https://doi.org/10.13140/RG.2.2.35785.57448"


def portal_rows(rows: Iterable[Mapping[str, str]]) -> Iterator[PublishedResult]:
    """Rows without any throughput are not results and are left out."""
    for row in rows:
        throughput, compute = _number(row.get("fps-system")), _number(row.get("fps-comp"))
        if throughput is None and compute is None:
            continue
        yield PublishedResult(
            source="qutibench",
            system=row["HWType"].strip(),
            platform=_text(row.get("Op mode")),
            benchmark=row["NN_Topology"].strip(),
            datatype=_text(row.get("Precision")),
            deployment=_text(row.get("batch/thread/stream")),
            scenario="Offline",
            figure=throughput,
            unit="samples/s" if throughput is not None else None,
            compute_latency_ms=_number(row.get("lat-comp")),
            compute_throughput_ips=compute,
            accuracy=_text(row.get("top1")),
            top1_percent=_number(row.get("top1")),
            full_power_w=_number(row.get("FullPwr")),
            url="https://rcl-lab.github.io/QutibenchWeb/",
        )


def shipped_rows(rows: Iterable[Mapping[str, str]]) -> Iterator[PublishedResult]:
    for row in rows:
        throughput = _number(row.get("system_throughput_ips"))
        compute = _number(row.get("compute_throughput_ips"))
        if throughput is None and compute is None:
            continue
        yield PublishedResult(
            source="qutibench",
            system=row["sut"],
            platform=_text(row.get("operating_mode")),
            benchmark=f"{row['topology']}-{row['channel_scale_percent']}",
            datatype=_text(row.get("datatype")),
            deployment=f"batch {row['batch_size']}, streams {row['streams']}",
            scenario="Offline",
            figure=throughput,
            unit="samples/s" if throughput is not None else None,
            system_latency_ms=_number(row.get("system_latency_ms")),
            compute_latency_ms=_number(row.get("compute_latency_ms")),
            compute_throughput_ips=compute,
            top1_percent=_number(row.get("top1_percent")),
            full_power_w=_number(row.get("full_power_w")),
            location=_text(row.get("source")),
            notes=_text(row.get("caveats")),
            url=_THESIS,
        )


def _text(value: str | None) -> str | None:
    return value.strip() or None if value else None


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value and value.strip() else None
    except ValueError:
        return None
