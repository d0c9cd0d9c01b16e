"""Where a batch's time goes: stamps in a preallocated buffer, folded into histograms when it is full."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qutiperf.results.histogram import Histogram
from qutiperf.units import NANOSECONDS_PER_SECOND

Integers = npt.NDArray[np.int64]

PHASES = ("queue", "prepare", "gather", "transfer", "compute", "respond")
TOTAL = "total"
_CAPACITY = 4096  # batches between two foldings
_PARTS = 5
_WINDOWS = 64  # of the run, to see whether it was steady
_ROW = struct.Struct("8q")
NO_DEVICE_CLOCK = -1


class PhaseRecorder:
    """The stamps of one thread's batches; `record` is called once a batch.

    Stamps are perf_counter_ns at issue, dequeue, prepared, gathered, answered and completed. With no
    device clock the whole of answered - gathered counts as compute, else the rest of it is transfer.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(_ROW.size * _CAPACITY)
        self._offset = 0
        self._full = len(self._buffer)
        self._pack = _ROW.pack_into
        self.histograms = {name: Histogram() for name in (*PHASES, TOTAL)}
        self.windows: list[tuple[int, int, int]] = []
        self.inputs = 0
        self.busy_ns = 0
        self.device_clocked = 0

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
        """Keeps one batch's stamps, all in nanoseconds."""
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

    def fold(self) -> None:
        """Moves what is buffered into the histograms."""
        rows = np.frombuffer(self._buffer, np.int64)[: self._offset // 8].reshape(-1, 8)
        self._offset = 0
        if len(rows) == 0:
            return
        issued, dequeued, prepared, gathered, answered, completed, device, inputs = rows.T
        wall = answered - gathered
        compute = np.where(device >= 0, np.minimum(device, wall), wall)
        values = (
            dequeued - issued,
            prepared - dequeued,
            gathered - prepared,
            wall - compute,
            compute,
            completed - answered,
            completed - issued,
        )
        for name, phase in zip((*PHASES, TOTAL), values, strict=True):
            self.histograms[name].add(phase)
        self.inputs += int(inputs.sum())
        self.busy_ns += int(compute.sum())
        self.device_clocked += int((device >= 0).sum())
        self._keep_windows(completed, compute, inputs)

    def _keep_windows(self, ends: Integers, compute: Integers, inputs: Integers) -> None:
        for part in np.array_split(np.arange(len(ends)), max(1, min(8, len(ends) // 32))):
            window = (int(ends[part[-1]]), int(compute[part].sum()), int(inputs[part].sum()))
            self.windows.append(window)
            if len(self.windows) == 2 * _WINDOWS:
                self.windows = [
                    _joined(*pair) for pair in zip(self.windows[::2], self.windows[1::2], strict=True)
                ]


Window = tuple[int, int, int]  # end of the window, compute time in it, both in ns, and inputs answered


def _joined(first: Window, second: Window) -> Window:
    return second[0], first[1] + second[1], first[2] + second[2]


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases of all streams of one run together."""

    histograms: dict[str, Histogram]
    windows: list[Window]
    inputs: int
    compute_throughput_ips: float | None
    device_clock: bool

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
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy's stub reads ** as flags


def combine(recorders: list[PhaseRecorder]) -> Phases:
    """Folds what is left and adds the streams up; compute throughput is the sum over the streams."""
    histograms = {name: Histogram() for name in (*PHASES, TOTAL)}
    for recorder in recorders:
        recorder.fold()
        for name, histogram in recorder.histograms.items():
            histograms[name].merge(histogram)
    used = [recorder for recorder in recorders if recorder.inputs]
    rates = [recorder.inputs / recorder.busy_ns for recorder in used if recorder.busy_ns]
    return Phases(
        histograms=histograms,
        windows=sorted(window for recorder in used for window in recorder.windows),
        inputs=sum(recorder.inputs for recorder in used),
        compute_throughput_ips=NANOSECONDS_PER_SECOND * sum(rates) if rates else None,
        device_clock=any(recorder.device_clocked for recorder in used),
    )
