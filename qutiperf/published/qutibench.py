"""QuTiBench's tables: the portal's CSV, and the one that ships with qutiperf."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from qutiperf.printable import spreadsheet_text
from qutiperf.published.result import PublishedResult

PORTAL = ("NN_Topology", "HWType", "Precision")
PORTAL_COLUMNS = (
    *("NN_Topology", "HWType", "Precision", "Op mode", "batch/thread/stream", "lat-comp", "fps-system"),
    *("fps-comp", "tp-system", "tp-comp", "top1", "top5", "BasePWR", "IdlePWR", "FullPwr", "GOPS"),
    *("PruningFactor", "level"),
)
_TEXTS = {
    **{"NN_Topology": "benchmark", "HWType": "system", "Precision": "datatype", "Op mode": "platform"},
    **{"batch/thread/stream": "deployment", "level": "suite"},
}
_NUMBERS = {
    **{"lat-comp": "compute_latency_ms", "fps-system": "figure", "fps-comp": "compute_throughput_ips"},
    **{"tp-system": "system_gops", "tp-comp": "compute_gops", "top1": "top1_percent"},
    **{"top5": "top5_percent", "BasePWR": "base_power_w", "IdlePWR": "idle_power_w"},
    **{"FullPwr": "full_power_w", "GOPS": "gop"},
}
SHIPPED = ("sut", "topology", "system_throughput_ips", "compute_throughput_ips")
_THESIS = "https://doi.org/10.13140/RG.2.2.35785.57448"


def portal_rows(rows: Iterable[Mapping[str, str]]) -> Iterator[PublishedResult]:
    """Rows without any throughput are not results and are left out."""
    for row in rows:
        numbers = {field: _number(row.get(column)) for column, field in _NUMBERS.items()}
        throughput = numbers.pop("figure")
        if throughput is None and numbers["compute_throughput_ips"] is None:
            continue
        texts = {field: _text(row.get(column)) for column, field in _TEXTS.items()}
        yield PublishedResult.model_validate(
            {
                **texts,
                **numbers,
                "source": "qutibench",
                "system": texts["system"] or "",
                "benchmark": texts["benchmark"] or "",
                "channel_scale_percent": _number((row.get("PruningFactor") or "").rstrip(" %")),
                "scenario": "Offline",
                "figure": throughput,
                "unit": "samples/s" if throughput is not None else None,
                "accuracy": _text(row.get("top1")),
                "url": "https://rcl-lab.github.io/QutibenchWeb/",
            }
        )


def portal_csv(results: Iterable[PublishedResult]) -> str:
    """Results in the portal's columns, which `portal_rows` reads; what they cannot hold is left out."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(PORTAL_COLUMNS)
    fields = {**_TEXTS, **_NUMBERS, "PruningFactor": "channel_scale_percent"}
    for result in results:
        writer.writerow([_cell(getattr(result, fields[column])) for column in PORTAL_COLUMNS])
    return stream.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return number_text(value) if isinstance(value, float) else spreadsheet_text(str(value))


def number_text(value: float) -> str:
    """All digits of a number, a whole one without a point."""
    return repr(value).removesuffix(".0")


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
    text = value.strip() if value else ""
    return (text[1:] if text.startswith(("'=", "'+", "'-", "'@")) else text) or None


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value and value.strip() else None
    except ValueError:
        return None
