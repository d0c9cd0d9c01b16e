"""Rows and rooflines of a results folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.errors import InputError, QutiperfError
from qutiperf.level0.capability import OPS_PER_TOP, bandwidth_of, peaks_of
from qutiperf.printable import bounded, one_line
from qutiperf.report.columns import BY_NAME, Row
from qutiperf.report.gaps import gaps_of
from qutiperf.report.roofs import Roof
from qutiperf.report.verdicts import FAILED, Verdicts, failures, stored_verdicts, summary, verdicts_of
from qutiperf.results.record import RunRecord, StoredPrediction
from qutiperf.results.selection import select
from qutiperf.results.table import Row as TableRow
from qutiperf.results.table import rows as table_rows

_RENAMED = {"system_latency_ms": "system_latency_p50_ms", "compute_latency_ms": "compute_latency_p50_ms"}
_OWN_OF_TABLE = frozenset(
    {"run_id", "attempt", "repeat", "profile", "valid", "quality", "failure", "weight_datatype", "end_to_end"}
)
_MOST_SOURCE = 300
_SHOWN_SETTINGS = ("batch_size", "threads", "streams", "operating_mode")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a results folder holds: a row and a record per run, roofs, and an error per damaged part.

    `verdicts` are those of audits, by run id or run and attempt.
    """

    label: str
    folder: Path
    rows: list[Row]
    records: list[RunRecord]
    roofs: list[Roof]
    damaged: list[InputError]
    omitted: int
    verdicts: Verdicts = field(default_factory=dict)


def recorded(folder: Path, label: str) -> Recorded:
    """Raises InputError if this is not a results folder; superseded runs are left out."""
    selection = select(folder)
    records = selection.records
    verdicts, damaged = stored_verdicts(folder)
    gaps = gaps_of(records, str(folder))
    built = [
        _row(record, row, label) | _marks(record, row, verdicts_of(record, verdicts)) | gap
        for record, row in zip(records, table_rows(records), strict=True)
        for gap in (gaps.get(record.run_id, {}),)
    ]
    broken = selection.damaged + damaged
    return Recorded(
        label, folder, built, records, roofs_of(records), broken, selection.omitted, dict(verdicts)
    )


def run_key(record: RunRecord) -> str:
    return f"{record.run_id}-{record.attempt}"


def _row(record: RunRecord, table_row: TableRow, label: str) -> Row:
    known = {name: value for name, value in table_row.items() if name in BY_NAME}
    row: Row = {name: _cell(value) for name, value in known.items()}
    row |= {name: _cell(table_row.get(former)) for name, former in _RENAMED.items()}
    prediction = record.prediction
    row |= {
        "id": run_key(record),
        "source": label,
        "task": record.inputs.workload.dataset.name,
        "topology": record.inputs.workload.variant.topology or record.point.workload,
        "datatype": record.inputs.workload.variant.weight_datatype,
        "threads": _text(record.point.deployment.get("threads")),
        "setting": setting(record.point.deployment, record.point.repeat),
        "hardware_cost": record.inputs.sut.platform.hardware_cost,
        "ops": prediction.ops if prediction else None,
        "operational_intensity_ops_per_byte": _intensity(record),
        "roofline_throughput_ips": roofline_ips(record.prediction),
        "host": _text(record.host.get("hostname")),
        "versions": "; ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
    }
    return row | _own(table_row)


def _own(table_row: TableRow) -> Row:
    """The adapters' parameters and figures, and whether the figures include decoding."""
    known = set(BY_NAME) | _OWN_OF_TABLE | set(_RENAMED.values())
    own = {
        name: _cell(value)
        for name, value in table_row.items()
        if name not in known and not name.startswith(("system_", "compute_", "activation_"))
    }
    return own | {"end_to_end": "yes" if table_row.get("end_to_end") else None}


def _marks(record: RunRecord, table_row: TableRow, verdicts: Sequence[AuditVerdict]) -> Row:
    """The status and reasons of a run with the verdicts of its audits; a valid run may be marked by one."""
    failed = failures(verdicts)
    reasons = [text for text in (_cell(table_row.get("reasons")), *failed) if text]
    marked = failed and record.valid and record.failure is None
    return {
        "status": FAILED if marked else status(record),
        "reasons": "; ".join(map(str, reasons)) or None,
        "audits": summary(verdicts),
    }


def status(record: RunRecord) -> str:
    """One word: failed, INVALID, or the quality."""
    if record.failure is not None:
        return "failed"
    return record.quality if record.valid else "INVALID"


def setting(deployment: Mapping[str, object], repeat: int) -> str:
    """`batch 8, threads 2`; parameters at their usual value are left out, except the batch."""
    parts = [f"batch {deployment.get('batch_size', 1)}"]
    for name, value in deployment.items():
        if name != "batch_size" and not (name == "streams" and value == 1) and value != "default":
            parts.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(parts + ([f"repeat {repeat}"] if repeat > 1 else []))


def _intensity(record: RunRecord) -> float | None:
    prediction = record.prediction
    return prediction.operational_intensity_ops_per_byte if prediction else None


def roofline_ips(stored: StoredPrediction | None) -> float | None:
    """Inputs/s of the plain prediction; beside a refined one, those at the peak of the datatype."""
    if stored is None or stored.model is None:
        return None
    if stored.model == "plain":
        return stored.predicted_throughput_ips
    return stored.peak_tops * OPS_PER_TOP / stored.ops if stored.peak_tops and stored.ops else None


def _cell(value: object) -> str | int | float | bool | None:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or None
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def roofs_of(records: Iterable[RunRecord]) -> list[Roof]:
    """Peaks and bandwidth of every system and mode that has them; `detect` and unknown ones have no roof."""
    roofs: dict[tuple[str, str, str], Roof] = {}
    for record in records:
        mode = str(record.point.deployment.get("operating_mode") or "default")
        for roof in platform_roofs(record, mode):
            roofs.setdefault((roof.sut, roof.operating_mode, roof.datatype), roof)
    return list(roofs.values())


def platform_roofs(record: RunRecord, mode: str) -> Sequence[Roof]:
    platform, sut = record.inputs.sut.platform, record.point.sut
    try:
        peaks, bandwidth = peaks_of(platform, mode, sut), bandwidth_of(platform, sut)
    except QutiperfError:
        return []
    source = bounded(one_line(platform.source), _MOST_SOURCE)
    return [Roof(sut, mode, datatype, peak, bandwidth, source) for datatype, peak in peaks.items()]
