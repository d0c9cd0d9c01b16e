"""The table of a report as CSV, as a script for the pages, and thinned where it is large."""

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from qutiperf.printable import spreadsheet_text
from qutiperf.report.columns import Column, Row
from qutiperf.report.roofs import Roof

MOST_ROWS_OF_PAGE = 5_000
_DIGITS = 7  # of a number in a page; the downloads have all
_KEPT = ("system_throughput_ips", "compute_throughput_ips")
_KEPT_LEAST = ("system_latency_ms", "compute_latency_ms", "full_power_w", "energy_per_input_mj")
_GROUP = ("source", "task", "sut", "operating_mode", "workload", "datatype", "scenario", "status")


def to_csv(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Every row; unknown is an empty cell, and no text is a formula for a spreadsheet."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([spreadsheet_text(column.name) for column in columns])
    for row in rows:
        writer.writerow([_csv_cell(row.get(column.name)) for column in columns])
    return stream.getvalue()


def _csv_cell(value: object) -> object:
    if isinstance(value, str):
        return spreadsheet_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value


def script(columns: Sequence[Column], rows: Sequence[Row], roofs: Sequence[Roof], total: int) -> str:
    """The classic script that gives the pages their rows: pages opened from disk cannot fetch."""
    data = {
        "columns": [asdict(column) for column in columns],
        "values": [[_page_cell(row.get(column.name)) for column in columns] for row in rows],
        "roofs": [asdict(roof) for roof in roofs],
        "total": total,
    }
    return f"window.qutiperf = window.qutiperf || {{}};\nqutiperf.data = {script_json(data)};\n"


def script_json(data: object) -> str:
    """JSON that is also safe inside a page's script element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _page_cell(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value


def thinned(rows: Sequence[Row], most: int = MOST_ROWS_OF_PAGE) -> list[Row]:
    """At most `most` rows: the best of each configuration, so that fronts stay, and a share of the rest."""
    if len(rows) <= most:
        return list(rows)
    best = sorted(_best_of_groups(rows))[:most]
    kept = set(best)
    rest = [number for number in range(len(rows)) if number not in kept]
    free = most - len(kept)
    kept |= {rest[place * len(rest) // free] for place in range(free)} if free else set()
    return [rows[number] for number in sorted(kept)]


def _best_of_groups(rows: Sequence[Row]) -> set[int]:
    """Numbers of the rows that have the best of a figure in their configuration."""
    best: dict[tuple[object, ...], tuple[float, int]] = {}
    for number, row in enumerate(rows):
        group = tuple(row.get(name) for name in _GROUP)
        for name, sign in (*((name, 1.0) for name in _KEPT), *((name, -1.0) for name in _KEPT_LEAST)):
            value = row.get(name)
            if isinstance(value, int | float):
                key, signed = (name, *group), sign * value
                if key not in best or signed > best[key][0]:
                    best[key] = (signed, number)
    return {number for _, number in best.values()}


def counts_of(rows: Sequence[Row], name: str) -> dict[str, int]:
    """How many rows have each value of a column, most first; unknown values are left out."""
    counts: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        value = row.get(name)
        if value is not None:
            counts[str(value)] += 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
