"""Short trials without LoadGen that find the latency or rate it must be told to expect."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter_ns as now

from qutiperf.harness.samples import Samples
from qutiperf.harness.streams import Complete, FirstError, Serving, Stream, Streams
from qutiperf.loadgen import driver
from qutiperf.units import NANOSECONDS_PER_SECOND

_MINIMUM_CALLS = 5
_MAXIMUM_CALLS = 5000


class _Countdown:
    """Stands in for LoadGen: wakes the waiting thread when every sample is completed."""

    def __init__(self) -> None:
        self._lock, self._left, self._done = threading.Lock(), 0, threading.Event()

    def expect(self, samples: int) -> None:
        self._left = samples
        self._done.clear()

    def complete(self, ids: Sequence[int], address: int, size: int) -> None:
        driver.responses(ids, address, size)  # LoadGen's share is part of the rate
        with self._lock:
            self._left -= len(ids)
            if self._left == 0:
                self._done.set()

    def wait(self) -> None:
        self._done.wait()


def inline_latency_ns(
    inline: Stream,
    count: int,
    indices: Sequence[int],
    failure: FirstError,
    budget_ns: int,
    warm_up_ns: int = 0,
) -> int:
    """The least latency of `count` samples answered inline, after warming up for half of the budget.

    With `warm_up_ns`, that comes before.
    """
    ids = list(range(count))

    def issue(call: int) -> None:
        inline.issue(ids, [indices[(call * count + number) % len(indices)] for number in ids])

    _for(issue, warm_up_ns, failure)
    _repeat(issue, budget_ns // 2, failure)
    return _repeat(issue, budget_ns // 2, failure)


def _for(call: Callable[[int], None], duration_ns: int, failure: FirstError) -> None:
    """Calls for that long."""
    started, number = now(), 0
    while failure.error is None and now() - started < duration_ns:
        call(number)
        number += 1


def _repeat(call: Callable[[int], None], budget_ns: int, failure: FirstError) -> int:
    """The least duration of a call, in nanoseconds."""
    least, started = 1 << 62, now()
    for number in range(_MAXIMUM_CALLS):
        before = now()
        call(number)
        after = now()
        least = min(least, after - before)
        if failure.error is not None or (number >= _MINIMUM_CALLS and after - started > budget_ns):
            break
    return max(least, 1)


class StreamProbe:
    """Issues queries to streams of its own and waits for their answers."""

    def __init__(
        self,
        make: Callable[[Complete], Sequence[Stream]],
        samples: Samples,
        serving: Serving,
        failure: FirstError,
    ) -> None:
        self._failure, self._countdown = failure, _Countdown()
        # a query of the probe has many samples, and is timed as a whole
        whole = replace(serving, one_by_one=False)
        self._streams = Streams(make(self._countdown.complete), samples, whole, failure)

    def close(self) -> None:
        self._streams.close()

    def _query(self, count: int, indices: Sequence[int]) -> int:
        """Duration of one query of `count` samples, in nanoseconds."""
        chosen = [indices[number % len(indices)] for number in range(count)]
        self._countdown.expect(count)
        before = now()
        self._streams.issue(range(count), chosen)
        self._countdown.wait()
        return max(now() - before, 1)

    def warm_up(self, samples_per_query: int, indices: Sequence[int], duration_ns: int) -> None:
        """Has queries answered for that long."""
        _for(lambda _: void(self._query(samples_per_query, indices)), duration_ns, self._failure)

    def latency_ns(self, samples_per_query: int, indices: Sequence[int], budget_ns: int) -> int:
        """The least latency of a query, after warming up for half of the budget."""
        _repeat(lambda _: void(self._query(samples_per_query, indices)), budget_ns // 2, self._failure)
        return _repeat(lambda _: void(self._query(samples_per_query, indices)), budget_ns // 2, self._failure)

    def rate_per_s(self, batch_size: int, streams: int, indices: Sequence[int], budget_ns: int) -> float:
        """The greatest rate of samples, over queries that grow until one takes half of the budget.

        That is not the first, which is slow, unless it takes four times the budget.
        """
        count, best, spent = batch_size * streams, 0.0, 0
        while self._failure.error is None:
            duration = self._query(count, indices)
            best = max(best, count * NANOSECONDS_PER_SECOND / duration)
            first, spent = not spent, spent + duration
            if (duration >= budget_ns // 2 and not first) or spent >= 4 * budget_ns:
                break
            growth = min(max(budget_ns * 0.6 / duration, 1.5), 8)
            count = -(-int(count * growth) // batch_size) * batch_size
        return best


def void(_: int) -> None:
    return
