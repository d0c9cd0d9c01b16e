"""Lines of text with a time and watts or joules: the format of the meters file, command and replay.

    time_s,rail,watts,joules
    1764374400.1,supply,12.5,

A header names the columns; `time_s` or `time` (seconds since 1970, or ISO 8601 with its zone), `watts` or
`joules`, and `rail`, which is `supply` if there is none. Lines without a header are TIME,WATTS or
TIME,RAIL,WATTS; a line that is one number is watts, at the moment when it arrives.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from time import time_ns

from qutiperf.power.meter import Reading
from qutiperf.units import NANOSECONDS_PER_MICROSECOND, NANOSECONDS_PER_SECOND

DEFAULT_RAIL = "supply"
HEADER = ("time_s", "rail", "watts", "joules")
_TIMES = ("time_s", "time", "timestamp")
_NAMES = (*_TIMES, "rail", "watts", "power_w", "joules", "energy_j")
_LATEST_S = 1 << 33  # the year 2242: milliseconds or nanoseconds since 1970 are above it
_LONGEST_NAME = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StampedLines:
    """Reads lines one by one and remembers the header; `unreadable` counts lines that are not understood."""

    def __init__(self) -> None:
        self._columns: Sequence[str] | None = None
        self.quantities: dict[str, str] = {}
        self.unreadable = 0

    def take(self, line: str, *, live: bool = False) -> Reading | None:
        """The reading of a line; None for a header, a comment or damage. `live` lines may have no time."""
        cells = [cell.strip() for cell in line.strip().split(",")]
        if not cells[0] or cells[0].startswith("#"):
            return None
        names = [cell.lower() for cell in cells]
        if any(name in _NAMES for name in names):
            self._columns = names
            return None
        try:
            return self._reading(cells, live=live)
        except (ValueError, OverflowError):
            self.unreadable += 1
            return None

    def _reading(self, cells: Sequence[str], *, live: bool) -> Reading:
        """Raises ValueError for anything but a finite number at a time."""
        row = self._named(cells, live=live)
        time_text = next((row[name] for name in _TIMES if row.get(name)), None)
        if time_text is None and not live:
            raise ValueError("no time")
        joules = row.get("joules") or row.get("energy_j")
        value = float(joules or row.get("watts") or row.get("power_w") or "")
        rail = (row.get("rail") or DEFAULT_RAIL)[:_LONGEST_NAME]
        quantity = "energy" if joules else "power"
        if not math.isfinite(value) or self.quantities.setdefault(rail, quantity) != quantity:
            raise ValueError("no number, or a rail with both watts and joules")
        return Reading(time_ns() if time_text is None else moment_ns(time_text), rail, value)

    def _named(self, cells: Sequence[str], *, live: bool) -> dict[str, str]:
        columns = self._columns
        if columns is None:
            shapes = {2: ("time", "watts"), 3: ("time", "rail", "watts"), **({1: ("watts",)} if live else {})}
            columns = shapes.get(len(cells), ())
        return dict(zip(columns, cells, strict=False))


def moment_ns(text: str) -> int:
    """UTC in ns since 1970; raises ValueError unless it is seconds, or ISO 8601 with its zone."""
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a time without its zone") from None
        return (moment - _EPOCH) // timedelta(microseconds=1) * NANOSECONDS_PER_MICROSECOND
    if not seconds.is_finite() or not 0 <= seconds < _LATEST_S:
        raise ValueError("not seconds since 1970")
    return int(seconds * NANOSECONDS_PER_SECOND)
