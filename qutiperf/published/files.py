"""Any published table, whichever format it is in."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.published import mlperf_json, qutibench
from qutiperf.published.result import PublishedResult, read_csv
from qutiperf.regular_file import unreadable

_MOST_BYTES = 200_000_000
FORMATS = (
    "summary_results.json (MLPerf to v6.0)",
    "summary.json (MLPerf from v6.1)",
    "result_summary.json (Endpoints)",
    "QuTiBench CSV",
    "a CSV that `qutiperf import` wrote",
)


def read_published(path: Path) -> list[PublishedResult]:
    """Raises InputError for a file that is in none of `FORMATS`, or damaged."""
    if problem := unreadable(path, _MOST_BYTES):
        raise InputError(problem, where=str(path))
    if path.suffix.lower() == ".csv":
        return _from_csv(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", where=str(path), cure=_cure()) from None
    return _from_json(data, path)


def _from_json(data: object, path: Path) -> list[PublishedResult]:
    where = str(path)
    if mlperf_json.is_old_summary(data) and isinstance(data, list):
        return list(mlperf_json.old_summary(data, where))
    if mlperf_json.is_endpoints(data) and isinstance(data, Mapping):
        return list(mlperf_json.endpoints(data, where))
    if mlperf_json.is_new_summary(data) and isinstance(data, dict):
        return list(mlperf_json.new_summary(data, where))
    raise InputError("is not a table of published results", where=where, cure=_cure())


def _from_csv(path: Path) -> list[PublishedResult]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = reader.fieldnames or []
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is not CSV in UTF-8: {error}", where=str(path)) from None
    if set(qutibench.PORTAL) <= set(names):
        return list(qutibench.portal_rows(rows))
    if set(qutibench.SHIPPED) <= set(names):
        return list(qutibench.shipped_rows(rows))
    if {"source", "figure", "unit"} <= set(names):
        return read_csv(path)
    raise InputError("is not a table of published results", where=str(path), cure=_cure())


def _cure() -> str:
    return f"formats: {'; '.join(FORMATS)}"
