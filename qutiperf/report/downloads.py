"""The tables of a report as files: CSV, and Parquet with the types and units of its columns."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.errors import SetupError
from qutiperf.report.columns import Column, Row
from qutiperf.report.table import to_csv

if TYPE_CHECKING:
    import pyarrow as pa

CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


@dataclass(frozen=True, slots=True)
class DataTable:
    """One table to download; `key` are the columns that identify a row, none if rows may repeat."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    key: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Download:
    """A file of a table: its path in the folder, its size in bytes and its sha256."""

    table: DataTable
    path: str
    media_type: str
    size: int
    sha256: str


def write_tables(folder: Path, tables: Sequence[DataTable], *, parquet: bool) -> list[Download]:
    """Writes every table that has rows; raises SetupError for `parquet` without pyarrow."""
    if parquet:
        check_parquet()
    return [
        download
        for table in tables
        if table.rows or table.name == "rows"
        for download in _write(folder, table, parquet=parquet)
    ]


def check_parquet() -> None:
    """Raises SetupError if pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise SetupError("pyarrow is not installed", cure="pip install 'qutiperf[parquet]'") from None


def _write(folder: Path, table: DataTable, *, parquet: bool) -> Iterator[Download]:
    content = to_csv(table.columns, table.rows).encode("utf-8", errors="replace")
    path = folder / f"{table.name}.csv"
    path.write_bytes(content)
    yield Download(table, path.name, CSV, len(content), hashlib.sha256(content).hexdigest())
    if parquet:
        from pyarrow import parquet as files

        path = folder / f"{table.name}.parquet"
        files.write_table(arrow_table(table), path)
        content = path.read_bytes()
        yield Download(table, path.name, PARQUET, len(content), hashlib.sha256(content).hexdigest())


def arrow_table(table: DataTable) -> "pa.Table":
    """Typed columns; unit, title and description of each are in the metadata of its field."""
    import pyarrow as pa

    types = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    fields = [
        pa.field(column.name, types[column.kind], metadata=_metadata(column)) for column in table.columns
    ]
    arrays = [
        pa.array([_typed(row.get(column.name), column) for row in table.rows], type=types[column.kind])
        for column in table.columns
    ]
    described = {"title": table.title, "qutiperf": json.dumps({"key": list(table.key)})}
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=described))


def _metadata(column: Column) -> dict[str, str]:
    facts = {"title": column.title, "unit": column.unit, "description": column.description}
    return {name: text for name, text in facts.items() if text}


def _typed(value: object, column: Column) -> str | int | float | bool | None:
    """The value as its column's type; a number that is not finite is unknown, as in CSV."""
    if value is None:
        return None
    if column.kind == "string":
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return text.encode("utf-8", errors="replace").decode("utf-8")
    if column.kind == "boolean":
        return bool(value)
    number = float(str(value)) if not isinstance(value, int | float) else value
    if not math.isfinite(number):
        return None
    return int(number) if column.kind == "integer" else float(number)
