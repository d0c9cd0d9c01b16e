"""Rows as a pandas DataFrame: one row a run, typed columns that may be empty, units in their names."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.errors import InputError
from qutiperf.results.record import RunRecord
from qutiperf.results.selection import select
from qutiperf.results.table import COLUMNS, PROBE, SUPERSEDED, rows

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_DTYPES: dict[type, str] = {str: "string", int: "Int64", float: "Float64", bool: "boolean"}


def load(results: str | Path, *, everything: bool = False) -> "DataFrame":
    """The runs of a results folder, one row a run, with the columns of `qutiperf show --csv`.

    Unknown values are `pandas.NA`. Runs of files that have changed since, and probes, are left out unless
    `everything`, which adds the columns `superseded` and `probe`. Damaged parts are left out with a
    UserWarning each.

    Raises InputError if this is not a results folder.
    """
    selection = select(Path(results), everything=everything)
    warn_of_damaged(selection.damaged)
    frame = frame_of_records(selection.records)
    if everything:
        frame[SUPERSEDED] = frame["run_id"].isin(selection.superseded).astype("boolean")
        probes = {record.run_id for record in selection.records if record.probe_of is not None}
        frame[PROBE] = frame["run_id"].isin(probes).astype("boolean")
    return frame


def warn_of_damaged(damaged: Iterable[InputError]) -> None:
    """One UserWarning for each part that is left out."""
    for error in damaged:
        warnings.warn(str(error), UserWarning, stacklevel=3)


def frame_of_records(records: Sequence[RunRecord]) -> "DataFrame":
    """One row a record, also without any: the columns and their types do not depend on the values."""
    return frame_of_rows(rows(records), COLUMNS)


def frame_of_rows(found: Sequence[Mapping[str, object]], kinds: Mapping[str, type]) -> "DataFrame":
    """The columns of `kinds` with these types; further columns with the types of their values."""
    from pandas import DataFrame

    names = list(dict.fromkeys(name for row in found for name in row)) or list(kinds)
    series = {name: _series([_plain(row.get(name)) for row in found], kinds.get(name)) for name in names}
    return DataFrame(series)


def _plain(value: object) -> object:
    """A list as `show --csv` writes it."""
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _series(values: list[object], kind: type | None) -> "Series":
    """Text where an adapter's parameter has values of another type than is usual for its name."""
    from pandas import Series, to_datetime

    if kind is datetime:
        times = to_datetime([str(value) for value in values], utc=True, errors="coerce", format="ISO8601")
        return Series(times.as_unit("us"))
    dtype = _DTYPES[kind or _common(values)]
    try:
        return Series(values, dtype=dtype)
    except (TypeError, ValueError):
        return Series([None if value is None else str(value) for value in values], dtype="string")


def _common(values: Iterable[object]) -> type:
    """The type of all known values; float for whole and other numbers, text for a mixture or for none."""
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float}:
        return float if float in kinds else int
    return bool if kinds == {bool} else str
