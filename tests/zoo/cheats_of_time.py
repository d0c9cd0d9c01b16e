"""Cheats with clocks, sizes and moments."""

from pathlib import Path
from time import perf_counter_ns as now

from qutiperf.adapters.base import Array, Completion, Model
from tests.zoo.device import Device, running_test, timed


class ShrinksComputeTime(Device):
    """Reports a tenth of the time that the device computed."""

    def cheat(self, batch: Array) -> Completion:
        outputs, compute_ns = self.work(batch)
        assert compute_ns is not None
        return Completion(outputs, compute_ns // 10)


class ConstantClock(Device):
    """Reports the same compute time for every batch."""

    def cheat(self, batch: Array) -> Completion:
        return Completion(self.work(batch)[0], 1_000_000)


class ThoroughInAccuracy(Device):
    """Takes four times as long when accuracy is measured as when time is."""

    def cheat(self, batch: Array) -> Completion:
        request = running_test()
        if request is None or timed():
            return self.work(batch)
        started = now()
        outputs = self.answers(batch)
        self.wait(started, len(batch), share=4.0)
        return Completion(outputs, now() - started)


class SprintsOnce(Device):
    """Ten times as fast in its first timed run, as a device that is not throttled yet."""

    def prepare(self, model: Model) -> None:
        self._mark = Path(self._options.state) / "has-run"
        self._tired = self._mark.exists()

    def cheat(self, batch: Array) -> Completion:
        if self._tired:
            return self.work(batch)
        if running_test() is not None and timed():
            self._mark.touch()
        started = now()
        outputs = self.answers(batch)
        self.wait(started, len(batch), share=0.1)
        return Completion(outputs, now() - started)


class OtherBatchSize(Device):
    """Has the harness make batches four times as large as the record says."""

    def prepare(self, model: Model) -> None:
        if not self._options.cheat:
            return
        from qutiperf.harness import run, streams

        def larger(batch_size: int, collect: bool, feed_threads: int, one_by_one: bool) -> streams.Serving:
            return streams.Serving(4 * batch_size, collect, feed_threads, one_by_one)

        vars(run)["Serving"] = larger


class SlowsTheClock(Device):
    """Lets the harness's clock run at half speed, so that its phases are half as long as LoadGen's."""

    def prepare(self, model: Model) -> None:
        if not self._options.cheat:
            return
        from qutiperf.harness import streams

        vars(streams)["now"] = lambda: now() // 2

    def work(self, batch: Array) -> Completion:
        return Completion(super().work(batch)[0], None)
