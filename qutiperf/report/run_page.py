"""What the page of one run shows beyond its row: phases, histograms, the machine during the run."""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qutiperf.printable import bounded
from qutiperf.report.columns import Cell
from qutiperf.report.power_lines import MOST_SAMPLES, power_lines, rows_of
from qutiperf.results.histogram import Integers, value_of
from qutiperf.results.record import RunRecord
from qutiperf.results.sustained import SUSTAINED_CSV, read_intervals
from qutiperf.units import NANOSECONDS_PER_SECOND, milliseconds_from_ns

_BINS = 80
_MOST_LINEAR = 20.0
_MOST_BYTES = 64 << 20
_MOST_SIGNS = 50
_PERCENTILES = ("p50", "p90", "p99", "p99_9", "max")


@dataclass(frozen=True, slots=True)
class RunDetails:
    """`histograms` are [lower ms, upper ms, count] by phase, `environment` columns over the run's time."""

    phases: list[dict[str, Cell]]
    percentiles: list[dict[str, Cell]]
    histograms: dict[str, list[list[float]]]
    environment: dict[str, list[float | None]]
    sustained: dict[str, list[float | None]]
    held: dict[str, object]
    power: dict[str, list[list[float]]]


def details(record: RunRecord, folder: Path) -> RunDetails:
    """Parts that the folder does not have, or that cannot be read, are empty."""
    stored = stored_phases(folder / "phases.npz")
    return RunDetails(
        _phases(record),
        _percentiles(record),
        histograms(stored),
        environment(folder),
        sustained(stored),
        held(record, folder / SUSTAINED_CSV),
        power_lines(folder / "power.csv"),
    )


def _phases(record: RunRecord) -> list[dict[str, Cell]]:
    phases = record.observed.phases if record.observed else {}
    return [
        {"phase": name, "mean_ms": milliseconds_from_ns(time.mean_ns)}
        for name, time in phases.items()
        if name != "total"
    ]


def _percentiles(record: RunRecord) -> list[dict[str, Cell]]:
    """Percentiles of LoadGen's latency, of compute and of the whole batch."""
    rows: list[dict[str, Cell]] = []
    if record.loadgen is not None and record.point.scenario.value != "Offline":
        rows += [
            {"what": "system (LoadGen)", "percentile": name, "ms": milliseconds_from_ns(value)}
            for name, value in record.loadgen.latency_ns.items()
            if name in (*_PERCENTILES, "p95", "p97")
        ]
    phases = record.observed.phases if record.observed else {}
    if "compute" in phases:
        time = phases["compute"]
        rows += [
            {"what": "compute", "percentile": name, "ms": milliseconds_from_ns(getattr(time, f"{name}_ns"))}
            for name in _PERCENTILES
        ]
    return rows


def stored_phases(path: Path) -> dict[str, Integers]:
    """The whole numbers of phases.npz; none if the file is missing, damaged or very large."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: _whole(stored[name]) for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return {}


def _whole(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Integers:
    return values.astype(np.int64) if np.issubdtype(values.dtype, np.integer) else np.zeros(0, np.int64)


def histograms(stored: Mapping[str, Integers]) -> dict[str, list[list[float]]]:
    """By phase: 80 bins up to the 99.9th percentile, and one for everything above."""
    built: dict[str, list[list[float]]] = {}
    for name, buckets in stored.items():
        phase, _, kind = name.rpartition("_")
        counts = stored.get(f"{phase}_counts")
        usable = kind == "buckets" and counts is not None and counts.shape == buckets.shape
        if usable and counts is not None and (buckets >= 0).all() and counts.sum() > 0:
            built[phase] = binned(buckets, counts)
    return built


def sustained(stored: Mapping[str, Integers]) -> dict[str, list[float | None]]:
    """Compute throughput over the run: the end of each window in s, and inputs/s of its compute time."""
    windows = stored.get("windows")
    if windows is None or windows.ndim != 2 or windows.shape[1] != 3 or len(windows) < 2:
        return {}
    step = max(1, -(-len(windows) // MOST_SAMPLES))
    chosen = windows[::step].astype(np.float64)
    ends = (chosen[:, 0] - chosen[0, 0]) / NANOSECONDS_PER_SECOND
    rates = [
        NANOSECONDS_PER_SECOND * inputs / compute if compute > 0 else None
        for _, compute, inputs in chosen.tolist()
    ]
    return {"elapsed_s": ends.tolist(), "compute_throughput_ips": rates}


def held(record: RunRecord, path: Path) -> dict[str, object]:
    """A sustained run's throughput by interval, and what slowed it: [begin s, end s, inputs/s], [s, text]."""
    intervals = read_intervals(path)
    if len(intervals) < 2:
        return {}
    step = max(1, -(-len(intervals) // MOST_SAMPLES))
    stored = record.sustained
    return {
        "intervals": [[each.begin_s, each.end_s, each.throughput_ips] for each in intervals[::step]],
        "window_s": stored.window_s if stored else None,
        "percent": stored.last_over_first_percent if stored else None,
        "signs": [
            [sign.at_s, bounded(f"{sign.kind}: {sign.text}", 200)] for sign in stored.signs[:_MOST_SIGNS]
        ]
        if stored
        else [],
    }


def binned(buckets: Integers, numbers: Integers) -> list[list[float]]:
    """[lower ms, upper ms, count] of each bin; the last holds everything above the 99.9th percentile.

    Bins have equal widths, or equal ratios where the times span more than 1:20.
    """
    values = value_of(buckets)
    rank = np.searchsorted(np.cumsum(numbers), np.ceil(0.999 * numbers.sum()))
    low, high, most = float(values[0]), float(values[rank]), float(values[-1])
    spaced = np.geomspace if low > 0 and high > _MOST_LINEAR * low else np.linspace
    edges = spaced(low, high if high > low else low * 1.001 + 1, _BINS + 1)
    edges[0], edges[-1] = low, max(high, edges[-1])  # geomspace is rounded
    heights, _ = np.histogram(values, edges, weights=numbers)
    bins = [
        [milliseconds_from_ns(edges[place]), milliseconds_from_ns(edges[place + 1]), float(height)]
        for place, height in enumerate(heights)
    ]
    above = float(numbers[values > edges[-1]].sum())
    return [*bins, [milliseconds_from_ns(edges[-1]), milliseconds_from_ns(most), above]] if above else bins


def environment(folder: Path) -> dict[str, list[float | None]]:
    """Columns of numbers in environment.csv, thinned evenly to 2,000 samples."""
    rows = rows_of(folder / "environment.csv")
    step = max(1, -(-len(rows) // MOST_SAMPLES))
    names = [name for name in (rows[0] if rows else {}) if name]
    return {name: column for name in names if (column := _numbers(row.get(name) for row in rows[::step]))}


def _numbers(texts: Iterable[str | None]) -> list[float | None]:
    """Unknown cells are None; an empty list if the column has text, or no value at all."""
    column: list[float | None] = []
    for text in texts:
        try:
            value = float(text) if text else None
        except ValueError:
            return []
        column.append(value if value is None or np.isfinite(value) else None)
    return column if any(value is not None for value in column) else []
