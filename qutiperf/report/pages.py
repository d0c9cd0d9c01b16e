"""The pages of a report: what each template is filled with."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from qutiperf.errors import InputError
from qutiperf.level0.analysis import AnalysedRow, correlations, orthogonality
from qutiperf.printable import bounded, one_line
from qutiperf.report.columns import Row
from qutiperf.report.data_package import citation
from qutiperf.report.downloads import Download
from qutiperf.report.run_page import RunDetails
from qutiperf.report.sources import ReportSources
from qutiperf.report.table import counts_of, script_json
from qutiperf.results.record import RunRecord
from qutiperf.spec import catalog
from qutiperf.units import format_number

if TYPE_CHECKING:
    from jinja2 import Environment

_KINDS = (("task", "task", "Tasks"), ("system", "sut", "Systems"), ("workload", "workload", "Workloads"))
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_TITLE = 120
_MOST_LINE = 2_000
_MOST_LISTED = 300
_MOST_ANALYSED = 400


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page of one value of a column, and how many rows it has."""

    kind: str
    column: str
    text: str
    count: int
    value: str

    @property
    def href(self) -> str:
        return f"{self.kind}/{page_name(self.value)}.html"


def environment() -> "Environment":
    """Templates that escape every value."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(catalog.root() / "reports/templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters["line"] = lambda text: bounded(one_line(str(text)), _MOST_LINE)
    return made


def page_name(value: str) -> str:
    """A file name for any text: a safe one stays, others get a digest, so that no two share a page."""
    safe = _SAFE.sub("-", value).strip(".-")[:60]
    if safe == value and safe.lower() != "con":
        return safe
    return f"{safe or 'page'}-{hashlib.sha256(value.encode(errors='surrogatepass')).hexdigest()[:8]}"


def links_of(rows: Sequence[Row]) -> list[PageLink]:
    """A page for every task, system and workload that has rows."""
    return [
        PageLink(kind, column, _shown(value), count, value)
        for kind, column, _ in _KINDS
        for value, count in counts_of(rows, column).items()
    ]


def contents_of(links: Sequence[PageLink]) -> list[tuple[str, list[PageLink]]]:
    return [
        (heading, [link for link in links if link.kind == kind][:_MOST_LISTED]) for kind, _, heading in _KINDS
    ]


def facts_of(sources: ReportSources) -> list[tuple[str, str]]:
    """What was measured, on what and when, for the index."""
    rows = sources.rows
    facts = [("sources", ", ".join(_shown(label) for label in sources.described))]
    facts.append(("rows", f"{len(rows):,}: {_counted(rows, 'status')}"))
    times = sorted(str(row["started_utc"]) for row in rows if row.get("started_utc"))
    if times:
        facts.append(
            ("measured", f"{times[0][:16].replace('T', ' ')} to {times[-1][:16].replace('T', ' ')} UTC")
        )
    facts += [
        (title, _counted(rows, column))
        for title, column in (("hosts", "host"), ("versions", "versions"))
        if any(row.get(column) for row in rows)
    ]
    if sources.omitted:
        facts.append(("left out", f"{sources.omitted} runs of files that have changed since"))
    if sources.damaged:
        shown = "; ".join(_shown(str(error)) for error in sources.damaged[:3])
        facts.append(("damaged", f"{len(sources.damaged)} parts could not be read: {shown}"))
    return facts


def _counted(rows: Sequence[Row], column: str) -> str:
    counts = list(counts_of(rows, column).items())
    shown = [f"{_shown(value)} ({count:,})" for value, count in counts[:5]]
    return ", ".join(shown) + (f", and {len(counts) - 5} more" if len(counts) > 5 else "")


def citations_of(sources: ReportSources) -> list[str]:
    return [text for label in sources.labels if (text := citation(label))]


def downloads_of(downloads: Sequence[Download]) -> list[tuple[str, list[Download]]]:
    """Each table's title with its rows, and its files."""
    tables = {each.table.name: each.table for each in downloads}
    return [
        (f"{table.title} ({len(table.rows):,})", [each for each in downloads if each.table.name == name])
        for name, table in tables.items()
    ]


def subtitle_of(sources: ReportSources) -> str:
    systems, workloads = counts_of(sources.rows, "sut"), counts_of(sources.rows, "workload")
    shown = ", ".join(_shown(name) for name in list(systems)[:4]) + (" ..." if len(systems) > 4 else "")
    counts = [_count(len(workloads), "workload"), _count(len(sources.rows), "row")]
    return ", ".join([f"{_count(len(systems), 'system')} ({shown})", *counts])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _shown(text: str) -> str:
    return bounded(one_line(text), _MOST_TITLE)


@dataclass(frozen=True, slots=True)
class Analyses:
    """Two tables of a task: columns and formatted cells."""

    orthogonality_columns: list[str]
    orthogonality: list[list[str]]
    correlation_columns: list[str]
    correlation: list[list[str]]


def analyses_of(rows: Sequence[AnalysedRow], task: str) -> Analyses | None:
    """Orthogonality and correlation of the rows of a task; None if neither can be computed."""
    mine = [row for row in rows if row.task == task or row.task.startswith(f"{task} ")]
    try:
        gains = [asdict(one) for one in orthogonality(mine, "compute_throughput_ips")]
        related = [
            asdict(one) for one in correlations(mine, "compute_throughput_ips", "system_throughput_ips")
        ]
    except InputError:
        return None
    if not gains:
        return None
    gains, related = gains[:_MOST_ANALYSED], related[:_MOST_ANALYSED]
    return Analyses(_titles(gains), _cells(gains), _titles(related), _cells(related))


def _titles(rows: Sequence[Mapping[str, object]]) -> list[str]:
    return [name.replace("_", " ") for name in rows[0]] if rows else []


def _cells(rows: Sequence[Mapping[str, object]]) -> list[list[str]]:
    return [
        [format_number(value) if isinstance(value, float) else _shown(str(value)) for value in row.values()]
        for row in rows
    ]


def run_groups(record: RunRecord, row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Headings with names and texts: figures, setting, machine, versions."""
    figures = [
        (name.replace("_", " "), f"{format_number(value)}")
        for name, value in record.figures.model_dump().items()
        if value is not None
    ]
    if figures:
        yield "Figures", figures
    yield (
        "Run",
        _texts(
            {
                "run": row["id"],
                "started": record.started_utc,
                "scenario": record.point.scenario.value,
                "mode": record.point.mode.value,
                "profile": record.point.profile.value,
                **record.point.deployment,
                "dataset": record.inputs.workload.dataset.name,
                "accuracy from": record.accuracy_run_id,
                "power": record.power_source or record.power_reason,
                "resolved inputs, sha256": record.inputs.resolved_sha256,
            }
        ),
    )
    if record.prediction:
        stored = {name: value for name, value in record.prediction.model_dump().items() if value is not None}
        yield "Level-0 prediction", _texts(stored)
    yield "Machine", _texts({**record.host, **record.versions})
    if record.loadgen_host is not None:
        yield "Machine of LoadGen", _texts(record.loadgen_host)


def _texts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    return [
        (
            _shown(name.replace("_", " ")),
            format_number(value) if isinstance(value, float) else _shown(str(value)),
        )
        for name, value in values.items()
        if value is not None
    ]


def number(value: float | None) -> str:
    """A cell of a table; unknown is empty."""
    return "" if value is None else format_number(value)


def run_script(details: RunDetails, scenario: str) -> str:
    shown = {**asdict(details), "scenario": scenario}
    return script_json({"kind": "run", "base": "../", "run_pages": True, "fixed": {}, "details": shown})
