"""The step before the runs of a sweep: samples that take time to prepare, prepared once for all workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from pydantic import ValidationError

from qutiperf.errors import SetupError
from qutiperf.results.store import Store
from qutiperf.run.child import BrokenReplies, Child, Nursery
from qutiperf.run.plan import Group
from qutiperf.run.prepare import SampleEvent, SampleTask
from qutiperf.run.sample_source import SampleSets, SampleSource, sets_of
from qutiperf.run.watch import PREPARE_LIMIT_S

_PREPARE = "qutiperf.run.prepare"
_TICK_S = 1.0


class PreparationObserver(Protocol):
    """Receives the progress of the preparation."""

    def preparing(self, workload: str, done: int, total: int) -> None:
        """How many samples are prepared; called at the start, about once a second, and at the end."""

    def note(self, text: str) -> None:
        """One line that a user should know."""


@dataclass(frozen=True, slots=True)
class SamplePreparation:
    """Files that the runs of a sweep need, of one dataset; the source is that of the first group."""

    source: SampleSource
    sets: SampleSets

    @property
    def sample_count(self) -> int:
        return self.sets.sample_count(self.source.total)

    @property
    def estimated_s(self) -> float:
        return self.source.estimated_s([self.sets])


def preparations_of(groups: Sequence[Group]) -> list[SamplePreparation]:
    """What the runs need, each once."""
    needed: dict[tuple[str, int, int | None, bool], SamplePreparation] = {}
    for group in groups:
        source = group.samples
        for run in group.runs:
            if source is None or not source.covers(run.point):
                continue
            sets = sets_of(run.point, source.total)
            whole = sets.performance_count >= source.total
            key = (source.key, sets.performance_count, sets.given, whole or sets.every)
            needed.setdefault(key, SamplePreparation(source, sets))
    return list(needed.values())


def prepare_samples(
    groups: Sequence[Group], store: Store, nursery: Nursery, observer: PreparationObserver
) -> frozenset[str]:
    """The keys of what is complete and sound now; a note for each of the others, which workers then prepare.

    However it ends, nothing half-written is left.
    """
    kept: set[str] = set()
    failed: set[str] = set()
    in_use: list[str] = []
    for preparation in preparations_of(groups):
        source = preparation.source
        end = _prepared(preparation, in_use, store, nursery, observer)
        name, folder = source.workload.name, source.cache.folder
        if end.event == "kept":
            in_use = end.in_use
            kept.add(source.key)
            observer.note(f"{name}: {preparation.sample_count:,} prepared samples are in {folder}")
            continue
        failed.add(source.key)
        problem = "no room beside what else is in use" if end.event == "no_room" else end.reason
        observer.note(f"samples of {name} are not kept in {folder}: {problem}; each worker prepares its own")
    return frozenset(kept - failed)


def _prepared(
    preparation: SamplePreparation,
    in_use: list[str],
    store: Store,
    nursery: Nursery,
    observer: PreparationObserver,
) -> SampleEvent:
    source = preparation.source
    staging = store.stage()
    try:
        child = nursery.start(_PREPARE, _task(preparation, in_use), staging, staging / "prepare.log")
        try:
            return _followed(child, preparation, observer)
        finally:
            child.kill()
    except (OSError, SetupError) as error:
        return SampleEvent(event="failed", reason=str(error))
    finally:
        store.discard(staging)
        source.cache.clean()


def _followed(child: Child, preparation: SamplePreparation, observer: PreparationObserver) -> SampleEvent:
    name, total = preparation.source.workload.name, preparation.sample_count
    limit = monotonic() + PREPARE_LIMIT_S
    observer.preparing(name, 0, total)
    while monotonic() < limit:
        ended = child.ending is not None or child.hung_up
        try:
            events = [SampleEvent.model_validate_json(line) for line in child.lines(0 if ended else _TICK_S)]
        except (BrokenReplies, ValidationError):
            return SampleEvent(event="failed", reason="something else wrote to the reply pipe")
        for event in events:
            if event.event == "kept":
                observer.preparing(name, total, total)
            if event.event != "progress":
                return event
        if ended:
            return SampleEvent(event="failed", reason=str(child.ending or "the process closed its pipe"))
        if events:
            observer.preparing(name, events[-1].done, total)
    return SampleEvent(event="failed", reason=f"not done within {PREPARE_LIMIT_S:.0f} s")


def _task(preparation: SamplePreparation, in_use: list[str]) -> SampleTask:
    source, sets = preparation.source, preparation.sets
    return SampleTask(
        workload=source.workload,
        key=source.key,
        folder=str(source.cache.folder),
        most_bytes=source.cache.most_bytes,
        sample_bytes=source.sample_bytes,
        performance_count=sets.performance_count,
        given=sets.given,
        every=sets.every,
        submission=sets.submission,
        in_use=in_use,
    )
