"""Checks over many calls and loads: growth of memory, and resources left after close()."""

import gc
import threading
from pathlib import Path

import numpy as np
import psutil

from qutiperf.adapters.base import Array
from qutiperf.conformance.finding import CheckFinding, failed, passed, skipped
from qutiperf.conformance.subject import LoadedAdapter

_CALLS = 10_000
_LOOKS = 50
_LEAK_BYTES = 256.0  # per call; without a leak, the slope over 10,000 calls is far below
_NOISE_BYTES = 1_500_000.0  # memory that an allocator may reserve once
_FEWEST_CALLS = 500
_CYCLES = 4
_CYCLE_BYTES = 4_000_000.0


def memory(subject: LoadedAdapter) -> CheckFinding:
    """Resident memory does not grow with the number of calls."""
    loaded, images, process = subject.load(1), subject.inputs(16), psutil.Process()
    singles = [images[row : row + 1] for row in range(len(images))]
    warm = 0
    while warm < _CALLS // 10 and subject.in_time(0.2):
        loaded.timed(singles[warm % 16])
        warm += 1
    gc.collect()
    calls, looks, share = 0, [(0, process.memory_info().rss)], max(warm // 5, 10)
    while calls < _CALLS and subject.in_time():
        for _ in range(min(share, _CALLS // _LOOKS)):
            loaded.timed(singles[calls % 16])
            calls += 1
        looks.append((calls, process.memory_info().rss))
    loaded.close()
    if calls < _FEWEST_CALLS:
        raise skipped(f"only {calls} calls in the available time; a leak shows with {_FEWEST_CALLS} or more")
    slope = robust_slope(looks)
    seen = f"{slope:.0f} bytes per call over {calls} calls"
    if slope > _LEAK_BYTES and slope * calls > _NOISE_BYTES and _still_grows(looks, slope):
        raise failed(f"memory grows by {seen}", bytes_per_call=slope)
    least = max(_LEAK_BYTES, _NOISE_BYTES / calls)
    return passed(f"memory: {seen}; a leak of {least:.0f} or more would show", bytes_per_call=slope)


def robust_slope(looks: list[tuple[int, int]]) -> float:
    """Median of the slopes between all pairs (Theil-Sen), which a single step does not change."""
    points = np.asarray(looks, np.float64)
    first, second = np.triu_indices(len(points), 1)
    run = points[second, 0] - points[first, 0]
    return float(np.median((points[second, 1] - points[first, 1]) / run))


def _still_grows(looks: list[tuple[int, int]], slope: float) -> bool:
    """True if the second half grows too; a cache that fills up stops growing earlier."""
    return robust_slope(looks[len(looks) // 2 :]) > slope / 2


def reload(subject: LoadedAdapter) -> CheckFinding:
    """After close(), load() works again with the same answers; no threads, files or memory remain."""
    images = subject.inputs(subject.batch)
    expected, _ = _cycle(subject, images, 0)
    before = _held()
    cycles = 0
    while cycles < _CYCLES and (subject.in_time() or cycles < 2):
        cycles += 1
        outputs, twice = _cycle(subject, images, cycles)
        if problem := subject.difference(expected, outputs):
            raise failed(f"after close() and load(): {problem}")
    _check_freed(before, _held(), cycles)
    return passed(f"closed and loaded {cycles} times, same answers, no resources left; {twice}")


def _cycle(subject: LoadedAdapter, images: Array, number: int) -> tuple[Array, str]:
    """Loads, calls and closes an instance; a second close() may raise, as the harness never calls it."""
    try:
        loaded = subject.load()
    except Exception as error:
        if number == 0:
            raise
        raise failed(f"load() after close(): {type(error).__name__}: {error}") from error
    outputs = loaded.answer(images)
    try:
        loaded.close()
    except Exception as error:
        raise failed(f"close(): {type(error).__name__}: {error}") from error
    try:
        loaded.close()
    except Exception as error:  # noqa: BLE001 - only reported
        return outputs, f"a second close() raises {type(error).__name__}"
    return outputs, "a second close() does nothing"


def _held() -> dict[str, float]:
    gc.collect()
    process = psutil.Process()
    tasks = Path("/proc/self/task")
    threads = len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
    return {
        "threads": threads,
        "open files": process.num_fds() if hasattr(process, "num_fds") else 0,
        "bytes of memory": process.memory_info().rss,
    }


def _check_freed(before: dict[str, float], after: dict[str, float], cycles: int) -> None:
    for what, allowed in (("threads", 1.0), ("open files", 1.0), ("bytes of memory", _CYCLE_BYTES)):
        grown = (after[what] - before[what]) / cycles
        if grown >= allowed:
            raise failed(f"each load() and close() leaves {grown:.0f} {what} behind")
