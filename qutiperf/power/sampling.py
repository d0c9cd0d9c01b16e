"""The parent's side of a sampler: starts it, collects its readings, ends it."""

import contextlib
import os
import select
import subprocess
import sys
from pathlib import Path
from time import monotonic

from pydantic import ValidationError

from qutiperf.errors import InputError, SetupError
from qutiperf.power.meter_facts import MeterFacts, SamplerReply, SamplerTask
from qutiperf.power.power_trace import PowerTrace, reading_of
from qutiperf.power.sampler import CLOCK_STEP

_OPEN_LIMIT_S = 30.0
_REPLY_LIMIT_S = 15.0
_END_LIMIT_S = 5.0
_KEPT_NS = 5_000_000_000


class MeterProcess:
    """One meter, sampled in a process of its own; it ends when this process does.

    Raises InputError or SetupError if the meter cannot be opened.
    """

    def __init__(self, meter: str, period_s: float, file: Path) -> None:
        self._file, self._read_bytes, self._buffer = file, 0, b""
        self.failure: str | None = None
        self.clock_steps: list[tuple[int, float]] = []
        file.write_bytes(b"")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "qutiperf.power.sampler"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent alone
        )
        try:
            self._send(SamplerTask(meter=meter, period_s=period_s, file=str(file)).model_dump_json())
            self.facts = self._facts(meter)
        except BaseException:
            self.close()
            raise
        self.trace = PowerTrace(self.facts.rail_list(), self.facts.stamped)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _facts(self, meter: str) -> MeterFacts:
        reply = self._reply(_OPEN_LIMIT_S) or SamplerReply()
        if reply.problem is not None:
            kind = InputError if reply.problem.kind == "input" else SetupError
            raise kind(reply.problem.what, where=reply.problem.where, cure=reply.problem.cure)
        if reply.facts is None:
            what = f"its sampler ended, or did not open it within {_OPEN_LIMIT_S:.0f} s"
            raise SetupError(what, where=meter.partition(":")[0], cure="`qutiperf doctor` tries it alone")
        return reply.facts

    def collect(self, until_ns: int) -> None:
        """Adds to `trace` what was read up to a moment, which must be past; sets `failure` if it is gone."""
        if not self._send(f"until {until_ns}") or (reply := self._reply(_REPLY_LIMIT_S)) is None:
            self.failure = self.failure or "its sampler does not answer"
            self._take()
            return
        self.failure = self.failure or reply.failure
        self._take()

    def forget(self, before_ns: int) -> None:
        """Empties the file, and drops readings that are older than some seconds before a moment."""
        self.trace.forget(before_ns - _KEPT_NS)
        if self.failure is None and self._send("restart") and self._reply(_REPLY_LIMIT_S) is not None:
            self._read_bytes = 0

    def _take(self) -> None:
        """New whole lines of the file."""
        with self._file.open("rb") as stream:
            stream.seek(self._read_bytes)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                if line.startswith(CLOCK_STEP):
                    _, time, seconds = line.split(",")
                    self.clock_steps.append((int(time), float(seconds)))
                else:
                    self.trace.add(reading_of(line))

    def _send(self, text: str) -> bool:
        """False if the sampler is gone."""
        stream = self._process.stdin
        try:
            if stream is None:
                return False
            stream.write(text.encode() + b"\n")
            stream.flush()
        except (OSError, ValueError):
            return False
        return True

    def _reply(self, limit_s: float) -> SamplerReply | None:
        """The next line; None if there is none within the limit."""
        stream, limit = self._process.stdout, monotonic() + limit_s
        while stream is not None and b"\n" not in self._buffer:
            if not select.select([stream], [], [], max(limit - monotonic(), 0.0))[0]:
                return None
            if not (data := os.read(stream.fileno(), 1 << 16)):
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            return SamplerReply.model_validate_json(line)
        except ValidationError:
            return None

    def close(self) -> None:
        """Ends the sampler, which closes the meter."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
