"""Every table that a report offers to download, with the types and units of its columns."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from qutiperf.errors import InputError
from qutiperf.level0.analysis import AnalysedRow, correlations, orthogonality
from qutiperf.report.beside import Beside
from qutiperf.report.columns import Cell, Column, Row
from qutiperf.report.downloads import DataTable
from qutiperf.report.sources import ReportSources

_SYSTEM = Column("sut", "system")
_MODE = Column("operating_mode", "operating mode")
_SOURCE = Column("source", "source")


def _figure(name: str, title: str, unit: str = "", description: str = "") -> Column:
    return Column(name, title, "number", unit, description=description)


_ROOFS = (
    *(_SYSTEM, _MODE, Column("datatype", "datatype")),
    _figure("peak_tops", "peak", "TOP/s"),
    _figure("memory_bandwidth_gb_s", "memory bandwidth", "GB/s"),
    Column("source", "source"),
)
_VERDICTS = (
    *(_SOURCE, Column("run", "run"), Column("audit", "audit"), Column("scenario", "scenario")),
    Column("outcome", "outcome", description="pass, fail or inconclusive"),
    *(Column("evidence", "evidence"), Column("cure", "cure")),
)
_ORTHOGONALITY = (
    *(_SYSTEM, _MODE, Column("topology", "topology"), Column("setting", "setting")),
    *(Column("base_datatype", "base datatype"), Column("quantised_datatype", "quantised datatype")),
    _figure("pruned_percent", "channels after pruning", "%"),
    _figure("pruning_gain", "gain of pruning", description="compute throughput over that of the base"),
    _figure("quantisation_gain", "gain of quantisation", description="as the gain of pruning"),
    _figure("both_gain", "gain of both", description="as the gain of pruning"),
    _figure(
        "ratio", "ratio", description="of the gain of both over the product of the two; 1: they multiply"
    ),
)
_CORRELATION = (
    *(_SYSTEM, Column("task", "task"), Column("n", "rows", "integer")),
    _figure("pearson", "Pearson", description="of compute and system throughput"),
    _figure("pearson_log", "Pearson of logarithms", description="of compute and system throughput"),
    _figure("spearman", "Spearman", description="of compute and system throughput"),
)
_BESIDE = (
    *(Column("own_run", "own run"), Column("own_sut", "own system"), Column("own_workload", "own workload")),
    _figure("own_figure", "own figure", description="in the unit of the row"),
    *(Column("unit", "unit"), Column("source", "published by"), Column("round", "round")),
    *(Column("result_id", "result"), Column("division", "division"), Column("availability", "availability")),
    *(Column("submitter", "submitter"), Column("system", "published system")),
    *(Column("benchmark", "benchmark"), Column("scenario", "scenario")),
    _figure("figure", "published figure", description="in the unit of the row"),
    _figure("speed_ratio", "own speed over published speed"),
    _figure("per_accelerator", "throughput per accelerator", "samples/s"),
    _figure("per_watt", "throughput per watt", "samples/s/W"),
    _figure("roofline_percent", "share of the roofline", "%"),
    *(Column("url", "source address"), Column("retrieved", "retrieved")),
    *(Column("because", "comparable because"), Column("differs", "differs in"), Column("doubts", "doubtful")),
)


def data_tables(
    sources: ReportSources, columns: Sequence[Column], compared: Sequence[Beside]
) -> list[DataTable]:
    """The rows first; tables without rows are not written."""
    return [
        DataTable("rows", "Rows", columns, sources.rows, ("id", "source")),
        DataTable(
            *("roofs", "Roofs of the systems", _ROOFS),
            [dict[str, Cell](asdict(roof)) for roof in dict.fromkeys(sources.roofs)],
        ),
        DataTable("verdicts", "Verdicts of audits", _VERDICTS, _verdict_rows(sources)),
        DataTable(
            *("orthogonality", "Gains of pruning and quantisation", _ORTHOGONALITY),
            _analysed(lambda rows: orthogonality(rows, "compute_throughput_ips"), sources.analysed),
        ),
        DataTable(
            *("correlation", "Correlation of compute and system throughput", _CORRELATION),
            _analysed(
                lambda rows: correlations(rows, "compute_throughput_ips", "system_throughput_ips"),
                sources.analysed,
            ),
        ),
        DataTable("beside", "Beside published results", _BESIDE, _beside_rows(compared)),
    ]


def _verdict_rows(sources: ReportSources) -> list[Row]:
    return [
        {
            **{"source": each.label, "run": verdict.run_id, "audit": verdict.audit},
            **{"scenario": verdict.scenario, "outcome": verdict.outcome},
            **{"evidence": "; ".join(verdict.evidence), "cure": verdict.cure or None},
        }
        for each in sources.recorded
        for verdicts in each.verdicts.values()
        for verdict in verdicts
    ]


def _analysed(analyse: Callable[[list[AnalysedRow]], Sequence[object]], rows: list[AnalysedRow]) -> list[Row]:
    """No rows where no row has both figures."""
    try:
        return [dict[str, Cell](asdict(one)) for one in analyse(rows)]  # type: ignore[call-overload]  # dataclasses
    except InputError:
        return []


def _beside_rows(compared: Sequence[Beside]) -> list[Row]:
    return [
        {
            **{"own_run": each.own.run, "own_sut": each.own.sut, "own_workload": each.own.workload},
            "own_figure": each.own.figure,
            **{name: _cell(value) for name, value in asdict(entry).items()},
        }
        for each in compared
        for entry in each.entries
    ]


def _cell(value: object) -> Cell:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or None
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
