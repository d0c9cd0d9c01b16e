"""What a job tells the command that submitted it: JSON lines in a file that both can read.

A file, because nodes of a cluster need not be able to connect to the machine of the command. It is opened
anew for each look: a network file system shows another machine's writes to those who open a file after them.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from pydantic import ValidationError

from qutiperf import host
from qutiperf.results.record import RunRecord
from qutiperf.spec.config import StrictModel


class NodeEvent(StrictModel):
    """`began` has a machine; `waiting`, `started` and `finished` a run; `ended` why something lacks."""

    event: Literal["began", "note", "preparing", "waiting", "started", "finished", "ended"]
    machine: host.Facts | None = None
    run_id: str = ""
    record: RunRecord | None = None
    text: str = ""
    done: int = 0
    total: int = 0
    interrupted: bool = False
    setup_missing: bool = False


class EventWriter:
    """The job's end; every event is on disk when `send` returns. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def send(self, event: NodeEvent) -> None:
        line = event.model_dump_json().encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


class BrokenEvents(Exception):  # noqa: N818 - not an error of this process
    """The file has a line that is not an event."""


@dataclass(slots=True)
class EventReader:
    """The command's end; remembers how far it has read."""

    path: Path
    position: int = 0

    def read(self) -> list[NodeEvent]:
        """The complete events since the last call; raises BrokenEvents."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.position)
                data = stream.read()
        except OSError:  # not there yet, or the file system is away for a moment
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self.position += len(complete)
        try:
            return [NodeEvent.model_validate_json(line) for line in complete.splitlines()]
        except ValidationError:
            raise BrokenEvents from None
