"""Checks of time: the device's clock, and cached answers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qutiperf.adapters.base import Array
from qutiperf.conformance.finding import CheckFinding, failed, passed, skipped
from qutiperf.conformance.subject import Loaded, LoadedAdapter

_ROUNDS = 100
_GROWN = 3.0  # compute_ns has to follow the wall time only if that grows by this factor
_FLAT = 1.05
_PAIRS = 400
_FEWEST_PAIRS = 20
_CACHED = 0.7


def timers(subject: LoadedAdapter) -> CheckFinding:
    """compute_ns is an integer, at most the duration of the call, and grows with the batch."""
    sizes = sorted({1, subject.batch})
    compute: dict[int, list[int]] = {size: [] for size in sizes}
    wall: dict[int, list[int]] = {size: [] for size in sizes}
    loaded = subject.load()
    for size in sizes:
        loaded.tune(size)
        images = subject.inputs(size)
        loaded.timed(images)
        while len(wall[size]) < _ROUNDS and (len(wall[size]) < 3 or subject.in_time(0.5 if size == 1 else 1)):
            _, compute_ns, wall_ns = loaded.timed(images)
            _check_time(compute_ns, wall_ns, compute[size])
            wall[size].append(wall_ns)
    loaded.close()
    if not compute[sizes[0]]:
        raise skipped("compute_ns is None, so the duration of the call is used")
    _check_follows(compute, wall, sizes)
    return passed(
        f"{sum(map(len, compute.values()))} times, each at most the duration of its call", **_medians(compute)
    )


def _check_time(compute_ns: object, wall_ns: int, known: list[int]) -> None:
    if compute_ns is None and not known:
        return
    if isinstance(compute_ns, bool) or not isinstance(compute_ns, int):
        raise failed(f"compute_ns is {compute_ns!r}, not always an integer")
    if compute_ns <= 0:
        raise failed(f"compute_ns is {compute_ns}, but every batch takes time")
    if compute_ns > wall_ns:
        raise failed(f"compute_ns is {compute_ns}, but the call took {wall_ns}")
    known.append(compute_ns)


def _check_follows(compute: dict[int, list[int]], wall: dict[int, list[int]], sizes: Sequence[int]) -> None:
    values = {value for times in compute.values() for value in times}
    if len(values) == 1 and len(sizes) > 1:
        raise failed(f"compute_ns is {values.pop()} every time, for every batch")
    small, large = sizes[0], sizes[-1]
    if not compute[large]:
        raise failed("compute_ns is returned for single samples only")
    grown = float(np.median(wall[large]) / np.median(wall[small]))
    followed = float(np.median(compute[large]) / np.median(compute[small]))
    if grown > _GROWN and followed < _FLAT:
        raise failed(f"a batch of {large} takes {grown:.1f} times as long, compute_ns {followed:.2f} times")


def _medians(compute: dict[int, list[int]]) -> dict[str, float]:
    return {f"compute_ns_batch_{size}": float(np.median(times)) for size, times in compute.items() if times}


def caching(subject: LoadedAdapter) -> CheckFinding:
    """A repeated input takes as long as a new one; another instance gives new inputs the same answers."""
    if subject.many:
        raise skipped("inputs of several tensors are not made anew")
    random, images = np.random.default_rng(1), subject.inputs(16)
    loaded, other = subject.load(1), subject.load(1)
    repeated = images[:1]
    for _ in range(3):
        loaded.timed(repeated)
    again, fresh = list[int](), list[int]()
    while len(fresh) < _PAIRS and (subject.in_time() or len(fresh) < _FEWEST_PAIRS):
        unseen = _shuffled(images[len(fresh) % len(images)], random)
        order = (repeated, unseen) if len(fresh) % 2 else (unseen, repeated)
        times = {id(each): loaded.timed(each) for each in order}
        again.append(times[id(repeated)][2])
        fresh.append(times[id(unseen)][2])
        if len(fresh) <= _FEWEST_PAIRS:
            _check_fresh(subject, loaded, other, unseen)
    loaded.close()
    other.close()
    low, middle, high = ratio_interval(again, fresh)
    seen = f"a repeated input takes {middle:.2f} of a new one's time (95 %: {low:.2f} to {high:.2f})"
    if high < _CACHED:
        raise failed(f"{seen}: answers are cached", ratio=middle)
    return passed(seen, ratio=middle, ratio_low=low, ratio_high=high, pairs=len(fresh))


def _shuffled(image: Array, random: np.random.Generator) -> Array:
    """The same pixels in a new order, so that type and range are valid for any model."""
    return random.permutation(image.reshape(-1)).reshape(1, *image.shape)


def _check_fresh(subject: LoadedAdapter, loaded: Loaded, other: Loaded, unseen: Array) -> None:
    if problem := subject.difference(other.answer(unseen), loaded.answer(unseen)):
        raise failed(f"another instance answers a new input differently: {problem}")


def ratio_interval(again: Sequence[int], fresh: Sequence[int]) -> tuple[float, float, float]:
    """Ratio of the medians with its 95 % bootstrap interval: low, ratio, high."""
    first, second = np.asarray(again, np.float64), np.asarray(fresh, np.float64)
    drawn = np.random.default_rng(1).integers(0, len(first), (500, len(first)))
    ratios: npt.NDArray[np.float64] = np.median(first[drawn], axis=1) / np.median(second[drawn], axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(low), float(np.median(first) / np.median(second)), float(high)
