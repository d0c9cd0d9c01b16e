"""Which board measures which load next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from qutiperf.executors.hosts_file import RackHost
from qutiperf.run.plan import Group
from qutiperf.spec.config import canonical_json


@dataclass(slots=True)
class BoardQueue:
    """Groups that wait for a board. A load stays on the board that measured it first, while that is there.

    Boards of the same kind differ a little, and repeats of a point should not differ for that reason.
    """

    waiting: list[Group] = field(default_factory=list)
    _board_of: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, groups: Sequence[Group]) -> None:
        with self._lock:
            self.waiting += groups

    def has_work(self, spec: RackHost) -> bool:
        with self._lock:
            return self._next(spec) is not None

    def take(self, spec: RackHost) -> Group | None:
        """The next group for a board; None if there is none for it."""
        with self._lock:
            number = self._next(spec)
            if number is None:
                return None
            group = self.waiting.pop(number)
            self._board_of[_load(group)] = spec.name
            return group

    def lose(self, spec: RackHost, rest: Group | None) -> None:
        """A board is gone: others get its loads, and what is left of the group that it had."""
        with self._lock:
            self._board_of = {load: name for load, name in self._board_of.items() if name != spec.name}
            self.waiting[:0] = [] if rest is None else [rest]

    def _next(self, spec: RackHost) -> int | None:
        """Its own loads come first."""
        free = None
        for number, group in enumerate(self.waiting):
            owner = self._board_of.get(_load(group))
            if owner == spec.name:
                return number
            if owner is None and free is None and spec.runs(group.sut.name):
                free = number
        return free


def _load(group: Group) -> str:
    return canonical_json(
        [group.sut.name, group.workload.name, group.options, group.streams, group.operating_mode]
    )
