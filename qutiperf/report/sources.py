"""What a report is made of: results folders, shipped published tables, and files of published results."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.level0.analysis import AnalysedRow
from qutiperf.level0.reference import published_measurements
from qutiperf.report.columns import Row
from qutiperf.report.origin import origin_of
from qutiperf.report.published_rows import (
    QUTIBENCH,
    published_names,
    qutibench_roofs,
    rows_of_file,
    rows_of_name,
)
from qutiperf.report.recorded import Recorded, recorded
from qutiperf.report.roofs import Roof
from qutiperf.results.analysed import published_rows, record_rows
from qutiperf.results.store import Store

_TABLES = {".csv", ".json"}


@dataclass(frozen=True, slots=True)
class ReportSources:
    """Everything that was read, in the order it was named."""

    labels: list[str]
    rows: list[Row]
    roofs: list[Roof]
    recorded: list[Recorded]
    analysed: list[AnalysedRow] = field(default_factory=list)

    @property
    def damaged(self) -> list[InputError]:
        return [error for each in self.recorded for error in each.damaged]

    @property
    def described(self) -> list[str]:
        """Each label, with who measured and the licence where a folder was imported."""
        origins = {each.label: origin_of(each.folder) for each in self.recorded}
        return [f"{label}: {origin}" if (origin := origins.get(label)) else label for label in self.labels]

    @property
    def omitted(self) -> int:
        return sum(each.omitted for each in self.recorded)


def read_sources(names: Sequence[str]) -> ReportSources:
    """Raises InputError for a name that is not a folder, table or file of results, and if all are empty."""
    sources = ReportSources([], [], [], [])
    for name in dict.fromkeys(names):
        _add(sources, name, _label(name, sources.labels))
    if not sources.rows:
        cure = "measure something first: `qutiperf run quickstart`"
        raise InputError("has no runs to report", where=", ".join(names), cure=cure)
    return sources


def _label(name: str, taken: Sequence[str]) -> str:
    """The name of a folder or file, with a number if another source has the same one."""
    label = name if name in published_names() else Path(name).resolve().name or "results"
    same = sum(other == label or other.startswith(f"{label} (") for other in taken)
    return f"{label} ({same + 1})" if same else label


def _add(sources: ReportSources, name: str, label: str) -> None:
    path = Path(name)
    if Store.is_one(path):
        one = recorded(path, label)
        sources.recorded.append(one)
        sources.rows.extend(one.rows)
        sources.roofs.extend(one.roofs)
        sources.analysed.extend(record_rows(one.records))
    elif path.suffix.lower() in _TABLES and path.is_file():
        sources.rows.extend(rows_of_file(path, label))
    elif name in published_names():
        rows = rows_of_name(name)
        sources.rows.extend(rows)
        if name == QUTIBENCH:
            sources.roofs.extend(qutibench_roofs(rows))
            sources.analysed.extend(published_rows(published_measurements()))
    else:
        known = ", ".join(published_names())
        cure = (
            f"give a folder of `qutiperf run --out`, a table that `qutiperf import` reads, or one of {known}"
        )
        raise InputError("is not a results folder", where=name, cure=cure)
    sources.labels.append(label)
