"""Power over a run, from its power.csv: watts of each meter's rails."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

_MOST_BYTES = 64 << 20
MOST_SAMPLES = 2_000  # of a line
Point = tuple[float, float]


def power_lines(path: Path) -> dict[str, list[list[float]]]:
    """[seconds since the first reading, W] of each rail; energy counters as the mean between two readings.

    Empty if the file is missing or damaged; rails are thinned evenly to 2,000 samples.
    """
    rows = rows_of(path)
    lines = _rails(rows, "watts")
    lines |= {f"{name} (from energy)": _means(points) for name, points in _rails(rows, "joules").items()}
    start = min((points[0][0] for points in lines.values() if points), default=0.0)
    return {name: _thinned(points, start) for name, points in lines.items() if len(points) > 1}


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file beside a record; empty if it is missing, damaged or too large."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return []
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _rails(rows: Iterable[Mapping[str, str]], column: str) -> dict[str, list[Point]]:
    """The values of a column by rail, in the order of time; cells that are not numbers are skipped."""
    rails = defaultdict[str, list[Point]](list)
    for row in rows:
        point = _point(row.get("time_s"), row.get(column))
        if point is not None:
            rails[f"{row.get('meter') or ''} {row.get('rail') or ''}".strip()].append(point)
    return {name: sorted(points) for name, points in rails.items()}


def _point(time: str | None, value: str | None) -> Point | None:
    try:
        point = (float(time), float(value)) if time and value else None
    except ValueError:
        return None
    return point if point is not None and all(map(math.isfinite, point)) else None


def _means(points: list[Point]) -> list[Point]:
    """Mean power between two readings of a counter; a counter that wrapped gives no power."""
    return [
        (after[0], (after[1] - before[1]) / (after[0] - before[0]))
        for before, after in pairwise(points)
        if after[0] > before[0] and after[1] >= before[1]
    ]


def _thinned(points: list[Point], start: float) -> list[list[float]]:
    step = max(1, -(-len(points) // MOST_SAMPLES))
    return [[round(time - start, 6), watts] for time, watts in points[::step]]
