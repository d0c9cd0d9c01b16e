"""The process that reads one meter: `python -m qutiperf.power.sampler`, started by `sampling`.

Its first line of input is its task, its first line of output what the meter is. It then appends a line for
each reading to its file, at a fixed rate, until its input closes, as it does when the parent dies. A line
`until NANOSECONDS` is answered once every rail has a reading at or after that moment, `restart` after the
file was emptied.
"""

import os
import select
import sys
from functools import cache
from pathlib import Path
from time import monotonic, monotonic_ns, time_ns
from typing import BinaryIO

from qutiperf.errors import InputError, QutiperfError
from qutiperf.power.meter import PowerMeter, Rail
from qutiperf.power.meter_facts import OpeningProblem, SamplerReply, SamplerTask, facts_of
from qutiperf.power.power_trace import line_of
from qutiperf.power.registry import make_meter

CLOCK_STEP = "#step"
_MOST_FAILURES = 3  # in a row: a management controller may miss one request
_LATE_S = 3.0  # how long a source with its own clock may lag behind
_POLL_S = 0.02
_STEP_NS = 20_000_000


class Sampler:
    """One open meter, its file, and the requests on standard input."""

    def __init__(self, meter: PowerMeter, rails: list[Rail], period_s: float, stream: BinaryIO) -> None:
        self._meter, self._period_s, self._stream = meter, period_s, stream
        self._last = dict.fromkeys((rail.name for rail in rails), 0)
        self._failures, self._failure = 0, None if rails else "it has no rail"
        self._until: int | None = None
        self._until_limit = 0.0
        self._offset_ns = time_ns() - monotonic_ns()
        self._input = b""

    def run(self) -> None:
        """Samples until standard input closes."""
        due = monotonic()
        while True:
            now = monotonic()
            if now >= due:
                self._sample()
                step = min(self._period_s, _POLL_S) if self._until is not None else self._period_s
                due = max(due + step, monotonic())
            self._answer()
            if select.select([0], [], [], max(due - monotonic(), 0.0))[0] and not self._requests():
                return
            if self._until is not None:
                due = min(due, monotonic() + _POLL_S)

    def _sample(self) -> None:
        if self._failure is not None:
            return
        self._note_clock_step()
        try:
            readings = self._meter.read()
        except (OSError, ValueError) as error:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                self._failure = " ".join(str(error.args[-1] if error.args else error).split())[:300]
            return
        self._failures = 0
        self._stream.write("".join(map(line_of, readings)).encode())
        self._stream.flush()
        for reading in readings:
            self._last[reading.rail] = max(self._last.get(reading.rail, 0), reading.time_ns)

    def _note_clock_step(self) -> None:
        """The system's clock was set between two samples: LoadGen's times and these no longer agree."""
        offset_ns = time_ns() - monotonic_ns()
        if abs(offset_ns - self._offset_ns) > _STEP_NS:
            self._stream.write(
                f"{CLOCK_STEP},{time_ns()},{(offset_ns - self._offset_ns) / 1e9:.3f}\n".encode()
            )
        self._offset_ns = offset_ns

    def _requests(self) -> bool:
        """Takes what has arrived; False at the end of input."""
        data = os.read(0, 4096)
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            if line == b"restart":
                self._stream.truncate(0)
                self._reply()
            else:
                self._until = int(line.split()[1])
                self._until_limit = monotonic() + _LATE_S
                self._sample()
        return bool(data)

    def _answer(self) -> None:
        """Answers `until` if every rail is that far, the meter is gone, or it is too late."""
        if self._until is None:
            return
        if (
            self._failure is not None
            or monotonic() > self._until_limit
            or all(last >= self._until for last in self._last.values())
        ):
            self._until = None
            self._reply()

    def _reply(self) -> None:
        send(SamplerReply(failure=self._failure))


def send(reply: SamplerReply) -> None:
    os.write(_replies(), reply.model_dump_json().encode() + b"\n")


@cache
def _replies() -> int:
    """A copy of standard output, which from then on is standard error: a vendor's library may print."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor


def main() -> int:
    """Exit code 0, also if the meter cannot be opened: the reply has the reason."""
    task = SamplerTask.model_validate_json(sys.stdin.buffer.readline())
    _replies()
    meter: PowerMeter | None = None
    try:
        meter = make_meter(task.meter)
        rails = meter.open()
        period_s = max(task.period_s, meter.least_period_s)
        send(SamplerReply(facts=facts_of(meter, task.meter, rails, period_s)))
        with Path(task.file).open("ab") as stream:
            Sampler(meter, rails, period_s, stream).run()
    except QutiperfError as error:
        kind = "input" if isinstance(error, InputError) else "setup"
        problem = {"kind": kind, "what": error.what, "where": error.where, "cure": error.cure}
        send(SamplerReply(problem=OpeningProblem.model_validate(problem)))
    finally:
        if meter is not None:
            meter.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
