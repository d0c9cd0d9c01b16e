"""The state of the machine during a stored run, from its environment.csv and LoadGen's test window."""

import csv
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from statistics import median

from qutiperf.audit.stored_run import StoredRun
from qutiperf.errors import InputError
from qutiperf.mlperf_logs import test_window_ns
from qutiperf.surroundings import Disturbances, EnvironmentRow, disturbances
from qutiperf.units import NANOSECONDS_PER_SECOND, seconds_from_ns

ENVIRONMENT = "environment.csv"
_MOST_BYTES = 256 << 20  # a year of rows has 3 GB; a week has 60 MB


@dataclass(frozen=True, slots=True)
class MachineState:
    """What disturbed LoadGen's test, and the median clock of the run in MHz."""

    disturbed: Disturbances
    clock_mhz: float | None

    @property
    def taken_share(self) -> float:
        """The share of the CPU time that went to other processes and other guests, 0 where unknown."""
        percent = (self.disturbed.foreign_cpu_percent or 0.0) + (self.disturbed.steal_percent or 0.0)
        return min(percent / 100, 1.0)


def machine_state(run: StoredRun) -> MachineState | None:
    """None without a readable environment.csv."""
    rows = _rows(run.folder / ENVIRONMENT)
    if not rows:
        return None
    begin, end = _window_s(run) or (0.0, run.record.elapsed_s)
    clocks = [clock for row in rows if (clock := row.get("cpu_frequency_mhz"))]
    return MachineState(disturbances(rows, begin, end), median(clocks) if clocks else None)


def _window_s(run: StoredRun) -> tuple[float, float] | None:
    """LoadGen's test in seconds from the start of the run."""
    try:
        window = test_window_ns(run.folder)
        started_ns = datetime.fromisoformat(run.record.started_utc).timestamp() * NANOSECONDS_PER_SECOND
    except (InputError, OSError, ValueError, OverflowError):
        return None
    if window is None:
        return None
    begin, end = (seconds_from_ns(moment - started_ns) for moment in window)
    return begin, end


def _rows(path: Path) -> list[EnvironmentRow]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return []
        with path.open(encoding="utf-8", newline="") as stream:
            return [_row(each) for each in csv.DictReader(stream)]
    except (OSError, ValueError, csv.Error):
        return []


def _row(texts: dict[str, str]) -> EnvironmentRow:
    """Raises ValueError for text that is no number."""
    row: EnvironmentRow = {}
    for name, text in texts.items():
        if not isinstance(name, str) or not isinstance(text, str | None):
            raise ValueError("has more cells than columns")
        value = float(text) if text else None
        if value is not None and not isfinite(value):
            raise ValueError("is not a number")
        row[name] = value
    return row
