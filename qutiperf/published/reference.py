"""The published results that ship with qutiperf, and how much of each round they are."""

from dataclasses import dataclass
from pathlib import Path

from qutiperf.published.files import read_published
from qutiperf.published.result import PublishedResult, read_csv
from qutiperf.spec import catalog


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """`published` is how many rows the round has; `rows` of them are in the file.

    `commit` and `date` are those of the repository's state that the rows were read from, where known.
    """

    mlperf_round: str
    rows: int
    published: int
    commit: str | None = None
    date: str | None = None

    @property
    def name(self) -> str:
        return f"mlperf_{self.mlperf_round}.csv"

    @property
    def url(self) -> str:
        return f"https://github.com/mlcommons/inference_results_{self.mlperf_round}"

    def results(self) -> list[PublishedResult]:
        """Every row, with what all rows of the table have in common."""
        common = {"source": "mlperf", "round": self.mlperf_round, "url": self.url}
        dated = {"commit": self.commit, "date": self.date}
        return read_csv(self.path, {**common, **{name: text for name, text in dated.items() if text}})

    @property
    def path(self) -> Path:
        return catalog.root() / "reports/reference" / self.name


TABLES = (
    ReferenceTable("v0.5", 595, 595),
    ReferenceTable("v4.1", 937, 937),
    ReferenceTable("v5.1", 1448, 1448),
    ReferenceTable("v6.0", 520, 520, "4d3916a", "2026-04-03"),
    ReferenceTable("v6.1", 28, 492, "10ecdff"),
)


def mlperf_results() -> list[PublishedResult]:
    """Every shipped row of MLPerf, in the order of the rounds."""
    return [row for table in TABLES for row in table.results()]


def qutibench_results() -> list[PublishedResult]:
    return read_published(catalog.root() / "reports/reference/qutibench_measurements.csv")
