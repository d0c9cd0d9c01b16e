"""What a job does on its node: the local executor's work on one group, with its events in a file."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from qutiperf import host
from qutiperf.errors import QutiperfError, SetupError
from qutiperf.executors.lent_store import LentStore
from qutiperf.executors.node_events import EventWriter, NodeEvent
from qutiperf.printable import error_text
from qutiperf.results.record import RunRecord
from qutiperf.run.child import end_now
from qutiperf.run.executor import HERE, SweepWork
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.spec.config import StrictModel

EVENTS = "events.jsonl"
ANSWER = "node.json"
_SAME = ("machine", "cpu_model", "cores", "system")
_MEMORY_SHARE = 0.05  # nodes of one kind report slightly different sizes


@dataclass(frozen=True, slots=True)
class NodeTask:
    """The task of one job: the folder that it was lent, and a group for the store of its command."""

    folder: str
    results: str
    work: SweepWork

    @property
    def group(self) -> Group:
        return self.work.groups[0]


class NodeAnswer(StrictModel):
    """The facts of the node that the first job of a command ran on."""

    machine: host.Facts


def look(folder: str) -> None:
    """The first job of a command: leaves the facts of its node in the folder, completely or not at all."""
    temporary = Path(folder) / f"{ANSWER}.new"
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(NodeAnswer(machine=host.facts()).model_dump_json())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(Path(folder) / ANSWER)
    end_now()  # before the command cancels what is left of its jobs


def measure(task: NodeTask) -> None:
    """Measures the task's group on this node; never returns. Its failures are events."""
    with _interrupted_by_slurm(), EventWriter(Path(task.folder) / EVENTS) as events:
        try:
            _measure(task, events)
            end = NodeEvent(event="ended")
        except KeyboardInterrupt:
            end = NodeEvent(event="ended", text="the job was stopped", interrupted=True)
        except QutiperfError as error:
            end = NodeEvent(event="ended", text=str(error), setup_missing=isinstance(error, SetupError))
        except Exception as error:  # noqa: BLE001 - the command has to hear of it, whatever it is
            end = NodeEvent(event="ended", text=error_text(error, with_type=True))
        events.send(end)
    end_now()


def _measure(task: NodeTask, events: EventWriter) -> None:
    machine = {**host.facts(), "slurm_job": _job_id()}
    events.send(NodeEvent(event="began", machine=machine))
    check_alike(machine, task.work.machine)
    work = task.work.on(machine)
    store = LentStore(Path(task.results), Path(task.folder))
    with HERE.open(work, store, _Sender(events)) as measuring:
        measuring.run(work.groups)


def check_alike(node: host.Facts, planned: host.Facts) -> None:
    """Raises SetupError if a node is not of the kind that the runs were planned for."""
    differing = [name for name in _SAME if node.get(name) != planned.get(name)]
    sizes = node.get("memory_gb"), planned.get("memory_gb")
    if all(isinstance(size, int) for size in sizes):
        smaller, larger = sorted(int(size or 0) for size in sizes)
        differing += ["memory_gb"] if larger - smaller > max(_MEMORY_SHARE * larger, 1) else []
    if differing:
        name = differing[0]
        raise SetupError(
            f"is not like {planned.get('hostname')}, which the runs were planned for: "
            f"{name} is {node.get(name)}, not {planned.get(name)}",
            where=f"node {node.get('hostname')}",
            cure="choose nodes of one kind with constraint, nodelist or partition",
        )


def _job_id() -> str:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


@contextmanager
def _interrupted_by_slurm() -> Iterator[None]:
    """Slurm announces the end of a job with SIGTERM: the first one ends it like Ctrl-C.

    The library that submitted the job would ignore it, and would put the job into the queue again on SIGUSR2.
    """
    numbers = (signal.SIGTERM, signal.SIGUSR2, signal.SIGCONT)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGTERM, _interrupt)
    for number in numbers[1:]:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, lambda *_: None)  # cleaning up is not cut short
    raise KeyboardInterrupt


class _Sender:
    """Sends the progress of the local executor as events."""

    def __init__(self, events: EventWriter) -> None:
        self._events = events

    def waiting(self, run: PlannedRun, text: str) -> None:
        self._events.send(NodeEvent(event="waiting", run_id=run.run_id, text=text))

    def started(self, run: PlannedRun) -> None:
        self._events.send(NodeEvent(event="started", run_id=run.run_id))

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        self._events.send(NodeEvent(event="finished", run_id=run.run_id, record=record))

    def tick(self) -> None:
        return

    def preparing(self, workload: str, done: int, total: int) -> None:
        self._events.send(NodeEvent(event="preparing", text=workload, done=done, total=total))

    def note(self, text: str) -> None:
        self._events.send(NodeEvent(event="note", text=text))
