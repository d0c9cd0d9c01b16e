"""Where a batch's time goes: stamps in a preallocated buffer, folded into histograms when it is full."""

import struct
import zipfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qutiperf.harness.interval_series import IntervalSeries
from qutiperf.results.histogram import Histogram
from qutiperf.units import NANOSECONDS_PER_SECOND

Integers = npt.NDArray[np.int64]

LATE = "late"
PHASES = (LATE, "queue", "prepare", "gather", "transfer", "compute", "respond")
TOTAL = "total"
WALL = "wall"  # of the adapter's call: transfer and compute together
_CAPACITY = 4096  # batches between two foldings
_PARTS = 5
_WINDOWS = 64  # of the run, to see whether it was steady
_ROW = struct.Struct("8q")
NO_DEVICE_CLOCK = -1
# A device's clock may run a little faster than the host's, and has its own resolution (CUDA events: 0.5 us).
_CLOCK_RATE, _CLOCK_RESOLUTION_NS = 1.01, 2_000


class PhaseRecorder:
    """The stamps of one thread's batches; `record` is called once a batch.

    Stamps are perf_counter_ns at issue, dequeue, prepared, gathered, answered and completed. With no
    device clock the whole of answered - gathered counts as compute, else the rest of it is `transfer`.
    A device clock that shows no time, less, or more than the call took is impossible, and counted.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(_ROW.size * _CAPACITY)
        self._offset = 0
        self._full = len(self._buffer)
        self._pack = _ROW.pack_into
        self._numbers, self._issues = array("q"), array("q")
        self.answered: list[Integers] = []
        self.histograms = {name: Histogram() for name in (*PHASES, TOTAL, WALL)}
        self.windows: list[Window] = []
        self.inputs = 0
        self.busy_ns = 0
        self.wall_ns = 0
        self.batches = 0
        self.device_clocked = 0
        self.impossible_clocks = 0
        self.series: IntervalSeries | None = None  # of a held run

    def record(
        self,
        issued: int,
        dequeued: int,
        prepared: int,
        gathered: int,
        answered: int,
        completed: int,
        compute_ns: int | None,
        inputs: int,
    ) -> None:
        """Keeps one batch's stamps, all in nanoseconds; struct.error unless `compute_ns` is an int64."""
        device_ns = NO_DEVICE_CLOCK if compute_ns is None else compute_ns
        self._pack(
            self._buffer,
            self._offset,
            issued,
            dequeued,
            prepared,
            gathered,
            answered,
            completed,
            device_ns,
            inputs,
        )
        self._offset += 64
        if self._offset == self._full:
            self.fold()

    def queries(self, numbers: Sequence[int], issues: Sequence[int]) -> None:
        """Keeps which queries, by LoadGen's order, the next batch answers, and when each was issued.

        A recorder is given these for all of its batches or for none.
        """
        self._numbers.extend(numbers)
        self._issues.extend(issues)

    def fold(self) -> None:
        """Moves what is buffered into the histograms."""
        rows = np.frombuffer(self._buffer, np.int64)[: self._offset // 8].reshape(-1, 8)
        self._offset = 0
        if len(rows) == 0:
            return
        issued, _, _, gathered, answered, completed, device, inputs = rows.T
        wall = answered - gathered
        clocked = (device > 0) & (device <= _CLOCK_RATE * wall + _CLOCK_RESOLUTION_NS)
        compute = np.where(clocked, np.minimum(device, wall), wall)
        self.inputs += int(inputs.sum())
        self.busy_ns += int(compute.sum())
        self.wall_ns += int(wall.sum())
        self.batches += len(rows)
        self.device_clocked += int(clocked.sum())
        self.impossible_clocks += int(((device != NO_DEVICE_CLOCK) & ~clocked).sum())
        self._keep_windows(completed, compute, wall, inputs)
        if self.series is not None:
            self.series.add(issued, completed, inputs)
        if self._numbers:
            each = np.repeat(np.arange(len(rows)), inputs)
            rows, compute, wall = rows[each], compute[each], wall[each]
            rows[:, 0] = self._issues
            self.answered.append(np.stack([np.array(self._numbers), rows[:, 0], rows[:, 5]], axis=1))
            self._numbers, self._issues = array("q"), array("q")
        self._add(rows, compute, wall)

    def _add(self, rows: Integers, compute: Integers, wall: Integers) -> None:
        """One value per row and phase: rows are batches, or queries where these are known."""
        issued, dequeued, prepared, gathered, answered, completed, _, _ = rows.T
        values = {
            "queue": dequeued - issued,
            "prepare": prepared - dequeued,
            "gather": gathered - prepared,
            "transfer": wall - compute,
            "compute": compute,
            "respond": completed - answered,
            WALL: wall,
        }
        if not self.answered:
            values[TOTAL] = completed - issued
        for name, phase in values.items():
            self.histograms[name].add(phase)

    def _keep_windows(self, ends: Integers, compute: Integers, wall: Integers, inputs: Integers) -> None:
        for part in np.array_split(np.arange(len(ends)), max(1, min(8, len(ends) // 32))):
            sums = (int(times[part].sum()) for times in (compute, wall, inputs))
            self.windows.append(Window(int(ends[part[-1]]), *sums))
            if len(self.windows) == 2 * _WINDOWS:
                pairs = zip(self.windows[::2], self.windows[1::2], strict=True)
                self.windows = [_joined(*pair) for pair in pairs]


class Window(NamedTuple):
    """A stretch of a run: its end, time on the device and of the calls, all in ns, and inputs answered."""

    end: int
    compute: int
    wall: int
    inputs: int


def _joined(first: Window, second: Window) -> Window:
    sums = (first[part] + second[part] for part in (1, 2, 3))
    return Window(second.end, *sums)


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases of all streams of one run together; windows are (end, compute, inputs)."""

    histograms: dict[str, Histogram]
    windows: list[tuple[int, int, int]]
    inputs: int
    compute_throughput_ips: float | None
    device_clock: bool
    impossible_clocks: int

    def unsteadiness_percent(self) -> float | None:
        """Spread of the compute time per input over five parts of the run, in percent of their median.

        None where the run had fewer than five windows of batches.
        """
        if len(self.windows) < _PARTS:
            return None
        parts = np.array_split(np.array(self.windows, np.float64), _PARTS)
        times = [float(part[:, 1].sum() / part[:, 2].sum()) for part in parts]
        middle = float(np.median(times))
        return 100 * (max(times) - min(times)) / middle if middle else 0.0

    def save(self, path: Path) -> None:
        """Writes bucket numbers and counts of each histogram, and the windows, as .npz."""
        arrays: dict[str, npt.NDArray[np.int64]] = {
            "windows": np.array(self.windows, np.int64).reshape(-1, 3)
        }
        for name, histogram in self.histograms.items():
            buckets = np.flatnonzero(histogram.counts)
            arrays[f"{name}_buckets"] = buckets
            arrays[f"{name}_counts"] = histogram.counts[buckets]
        # numpy's own function compresses more slowly than a small layer runs, and hardly better
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, values in arrays.items():
                with archive.open(f"{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, values, allow_pickle=False)


def combine(recorders: list[PhaseRecorder], schedule: Integers | None = None) -> Phases:
    """Folds what is left and adds the streams up; compute throughput is the sum over the streams.

    `schedule` says when LoadGen meant to issue each query, in nanoseconds from its start: with it the
    phase `late` is known, and a query's total starts then. Unless every batch has a possible time by the
    device's clock, the time of the calls counts as compute for all of them.
    """
    for recorder in recorders:
        recorder.fold()
    used = [recorder for recorder in recorders if recorder.inputs]
    on_device = bool(used) and all(recorder.device_clocked == recorder.batches for recorder in used)
    histograms = {name: Histogram() for name in (*PHASES, TOTAL)}
    for recorder in used:
        for name, histogram in histograms.items():
            if on_device or name not in ("compute", "transfer"):
                histogram.merge(recorder.histograms[name])
        if not on_device:
            histograms["compute"].merge(recorder.histograms[WALL])
    _add_queries(histograms, [part for recorder in used for part in recorder.answered], schedule)
    busy = [(recorder.inputs, recorder.busy_ns if on_device else recorder.wall_ns) for recorder in used]
    rates = [inputs / time for inputs, time in busy if time]
    windows = sorted(window for recorder in used for window in recorder.windows)
    return Phases(
        histograms=histograms,
        windows=[(each.end, each.compute if on_device else each.wall, each.inputs) for each in windows],
        inputs=sum(recorder.inputs for recorder in used),
        compute_throughput_ips=NANOSECONDS_PER_SECOND * sum(rates) if rates else None,
        device_clock=on_device,
        impossible_clocks=sum(recorder.impossible_clocks for recorder in used),
    )


def _add_queries(
    histograms: dict[str, Histogram], answered: list[Integers], schedule: Integers | None
) -> None:
    """`late` and `total` of queries, given as [n, (number, issued, completed)] for each folding.

    LoadGen never issues before the scheduled time, so its start is where the earliest query was just in time.
    """
    if not answered:
        return
    numbers, issued, completed = np.concatenate(answered).T
    if schedule is None or len(schedule) <= numbers.max():
        histograms[TOTAL].add(completed - issued)
        return
    planned = schedule[numbers]
    start = int((issued - planned).min())
    histograms[LATE].add(issued - planned - start)
    histograms[TOTAL].add(completed - planned - start)
