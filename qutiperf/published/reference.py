"""The published results that ship with qutiperf, and how much of each round they are."""

import csv
from dataclasses import dataclass
from functools import cache
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


@cache
def tables() -> tuple[ReferenceTable, ...]:
    """In the order of reports/reference/mlperf_tables.csv, which says how much of each round there is."""
    path = catalog.root() / "reports/reference/mlperf_tables.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple(
            ReferenceTable(
                row["mlperf_round"],
                int(row["rows"]),
                int(row["published"]),
                row["commit"] or None,
                row["date"] or None,
            )
            for row in csv.DictReader(stream)
        )


def mlperf_results() -> list[PublishedResult]:
    """Every shipped row of MLPerf, in the order of the rounds."""
    return [row for table in tables() for row in table.results()]


def qutibench_results() -> list[PublishedResult]:
    return read_published(catalog.root() / "reports/reference/qutibench_measurements.csv")
