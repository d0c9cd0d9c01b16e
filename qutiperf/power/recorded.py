"""Meters whose readings come as text: a growing file, a command's output, a recording that is replayed."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep, time_ns
from typing import IO

from qutiperf.errors import InputError, SetupError
from qutiperf.power.meter import Coverage, PowerMeter, Quantity, Rail, Reading
from qutiperf.power.stamped_lines import StampedLines
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import shortened

_TAIL_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 20
_FIRST_S = 10.0
_MORE_S = 2.0  # for the other rails, after the first reading
_POLL_S = 0.05
_MOST_REPLAYED_BYTES = 256 << 20


def _rails(lines: StampedLines) -> list[Rail]:
    """All rails are added: a source that has a total and its parts needs one file for each."""
    kinds: dict[str, Quantity] = {"energy": "energy", "power": "power"}
    return [Rail(name, kinds[quantity]) for name, quantity in lines.quantities.items()]


def first_readings(new: Callable[[], list[Reading]]) -> list[Reading]:
    """Reads until a rail comes again, so that all are known; empty if there is no reading in some seconds."""
    readings: list[Reading] = []
    limit = monotonic() + _FIRST_S
    while monotonic() < limit and len({each.rail for each in readings}) == len(readings):
        if not (more := new()):
            sleep(_POLL_S)
        if more and not readings:
            limit = monotonic() + _MORE_S
        readings += more
    return readings


class _Tail:
    """New whole lines of a stream of bytes."""

    def __init__(self) -> None:
        self.lines = StampedLines()
        self._rest = b""

    def readings(self, data: bytes, *, live: bool) -> list[Reading]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_BLOCK_BYTES:]
        texts = (line.decode(errors="replace") for line in lines)
        return [reading for text in texts if (reading := self.lines.take(text, live=live)) is not None]


class PowerFile(PowerMeter):
    """`file:PATH`: a program of a USB or bench meter appends to it while runs are measured."""

    name = "file"
    title = "a file that the program of a USB or bench meter writes"
    verified = "real"
    stamped = True

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._stream: IO[bytes] | None = None
        self._tail = _Tail()
        self._early: list[Reading] = []

    def start(self) -> list[Rail]:
        path = Path(self.argument)
        if (problem := unreadable(path)) is not None:
            cure = "start the meter's program first, and write --power file:PATH"
            raise SetupError(problem, where=shortened(f"file:{self.argument}"), cure=cure)
        self._stream = path.open("rb")
        size = self._stream.seek(0, os.SEEK_END)
        self._start(size)
        self._early = first_readings(self._new)
        if not self._early:
            raise SetupError("no reading", where=shortened(str(path)), cure=_FORMAT)
        return _rails(self._tail.lines)

    def _start(self, size: int) -> None:
        """Reads the header; of a large file, then only the end."""
        stream = self._stream
        if stream is None or size <= _TAIL_BYTES:
            if stream is not None:
                stream.seek(0)
            return
        stream.seek(0)
        self._tail.lines.take(stream.readline(_BLOCK_BYTES).decode(errors="replace"))
        self._tail.lines.quantities.clear()
        stream.seek(size - _TAIL_BYTES)
        stream.readline()

    def _new(self) -> list[Reading]:
        readings: list[Reading] = []
        while self._stream is not None and (data := self._stream.read(_BLOCK_BYTES)):
            readings += self._tail.readings(data, live=False)
        return readings

    def read(self) -> list[Reading]:
        """Raises OSError if the file was deleted or replaced."""
        early, self._early = self._early, []
        readings = early + self._new()
        if self._stream is not None and not os.fstat(self._stream.fileno()).st_nlink:
            raise OSError(f"{self.argument} was deleted")
        return readings

    @property
    def coverage(self) -> Coverage:
        return "supply"

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class PowerCommand(PowerMeter):
    """`command:PROGRAM ARGUMENTS`: it prints a line for each reading until it is stopped."""

    name = "command"
    title = "a program that prints timestamped watts, such as one that reads a board through ssh"
    verified = "real"
    stamped = True

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._process: subprocess.Popen[bytes] | None = None
        self._tail = _Tail()
        self._early: list[Reading] = []
        try:
            self._argv = shlex.split(argument)
        except ValueError as error:
            raise InputError(f"command: {error}", where="power", cure="check its quotation marks") from None
        if not self._argv:
            raise InputError("command: no program", where="power", cure="write command:PROGRAM ARGUMENTS")

    def start(self) -> list[Rail]:
        where = shortened(f"command:{self.argument}")
        if shutil.which(self._argv[0]) is None:
            what = f"'{shortened(self._argv[0], 80)}' is not installed"
            raise SetupError(what, where=where, cure="install it")
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        if self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)
        try:
            self._early = first_readings(self._new)
        except OSError as error:
            raise SetupError(str(error), where=where, cure=_FORMAT) from None
        if not self._early:
            raise SetupError(f"printed no reading within {_FIRST_S:.0f} s", where=where, cure=_FORMAT)
        return _rails(self._tail.lines)

    def read(self) -> list[Reading]:
        """Raises OSError if the command ended and everything it printed is read."""
        early, self._early = self._early, []
        return early or self._new()

    def _new(self) -> list[Reading]:
        process, readings = self._process, list[Reading]()
        if process is None or process.stdout is None:
            return readings
        ended = process.poll()
        while data := process.stdout.read(_BLOCK_BYTES):
            readings += self._tail.readings(data, live=True)
        if ended is not None and not readings:
            raise OSError(f"the command ended with exit status {ended}")
        return readings

    @property
    def coverage(self) -> Coverage:
        return "supply"

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(2)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Replay(PowerMeter):
    """`replay:FILE.csv`: a recording in the format of power.csv, from its start, again and again."""

    name = "replay"
    title = "a recorded CSV, to try the evaluation without a meter; its figures get no grade"
    verified = "replayed"
    stamped = True

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._readings: list[Reading] = []
        self._next, self._shift_ns = 0, 0
        self._round_ns = 0  # from one start of the recording to the next, 0 for a single moment
        self._gains: dict[str, float] = {}  # of each counter in a round
        self._added: dict[str, float] = {}

    def start(self) -> list[Rail]:
        path, lines = Path(self.argument), StampedLines()
        if (problem := unreadable(path, _MOST_REPLAYED_BYTES)) is not None:
            cure = "write --power replay:FILE.csv"
            raise SetupError(problem, where=shortened(f"replay:{self.argument}"), cure=cure)
        with path.open(encoding="utf-8", errors="replace") as stream:
            readings = [reading for line in stream if (reading := lines.take(line)) is not None]
        if not readings:
            raise SetupError("no reading", where=shortened(str(path)), cure=_FORMAT)
        self._readings = sorted(readings, key=lambda reading: reading.time_ns)
        self._shift_ns = time_ns() - self._readings[0].time_ns
        self._find_round(lines)
        return _rails(lines)

    def _find_round(self, lines: StampedLines) -> None:
        """A round has one step more than the recording, of its mean length."""
        times = {reading.time_ns for reading in self._readings}
        if len(times) > 1:
            span = max(times) - min(times)
            self._round_ns = span + span // (len(times) - 1)
        for rail, quantity in lines.quantities.items():
            values = [reading.value for reading in self._readings if reading.rail == rail]
            if quantity == "energy" and len(values) > 1:
                gain = values[-1] - values[0]
                self._gains[rail] = gain + gain / (len(values) - 1)

    def read(self) -> list[Reading]:
        """The readings until now; raises OSError at the end of a recording of a single moment."""
        now, readings = time_ns(), list[Reading]()
        while self._next < len(self._readings):
            each = self._readings[self._next]
            if each.time_ns + self._shift_ns > now:
                return readings
            value = each.value + self._added.get(each.rail, 0.0)
            readings.append(Reading(each.time_ns + self._shift_ns, each.rail, value))
            self._next += 1
            if self._next == len(self._readings) and self._round_ns:
                self._again()
        if not readings:
            raise OSError("the recording is over")
        return readings

    def _again(self) -> None:
        self._next = 0
        self._shift_ns += self._round_ns
        for rail, gain in self._gains.items():
            self._added[rail] = self._added.get(rail, 0.0) + gain

    @property
    def coverage(self) -> Coverage:
        return "supply"


_FORMAT = "its lines are TIME,WATTS or TIME,RAIL,WATTS with seconds since 1970; docs/power.md has the format"
