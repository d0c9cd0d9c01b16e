"""The machine that runs the model of a worker: this one, or another behind a network."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from qutiperf.results.record import Failure
from qutiperf.run.plan import Group


class ModelHost(Protocol):
    """Runs the model of one worker at a time; `pids` are its processes here, whose CPU time is the run's."""

    @property
    def pids(self) -> tuple[int, ...]: ...

    def serving(self, group: Group) -> AbstractContextManager[Group]:
        """The group as the worker gets it, while the model is loaded; raises QutiperfError."""

    def explained(self, failure: Failure) -> Failure:
        """A failure of the worker with what this machine knows of its cause."""

    def collect(self, folder: Path) -> None:
        """Writes its log since the last call into a run's folder, if there is one."""


class InWorker:
    """The worker itself loads the model."""

    pids = ()

    @contextmanager
    def serving(self, group: Group) -> Iterator[Group]:
        yield group

    def explained(self, failure: Failure) -> Failure:
        return failure

    def collect(self, _folder: Path) -> None:
        return
