"""The record of a held run, from its intervals and the machine meanwhile."""

from pathlib import Path

from qutiperf.results.record import Sustained
from qutiperf.results.sustained import SUSTAINED_CSV, read_intervals, sustained_of
from qutiperf.run.watch import Watch
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Mode
from qutiperf.units import seconds_from_ns


def hold_of(point: Point, folder: Path, watch: Watch, window_ns: tuple[int, int] | None) -> Sustained | None:
    """None if the run was not held, or its intervals are gone; `window_ns` is LoadGen's test."""
    requested_s = point.settings.sustained_s
    if requested_s is None or point.mode is not Mode.PERFORMANCE:
        return None
    # LoadGen's time is to the millisecond, and the parent hears of a start a little later
    begin_s = 0.0 if window_ns is None else max(seconds_from_ns(window_ns[0] - watch.started_ns), 0.0)
    return sustained_of(read_intervals(folder / SUSTAINED_CSV), requested_s, watch.rows, begin_s)
