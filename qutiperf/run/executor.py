"""Where the runs of a sweep are measured: the interface, and this machine as the default.

An executor gets groups, each with runs that share a load, stores a record of every run and reports progress.
The sweep holds the lock of the results folder from before `open` until after the last record, and it alone
decides which groups are measured, and when. An executor for another machine has its measuring done by
`HERE` on that machine, so that a record has the facts, the quiet, the power and the overhead of the machine
that measured it. However the command ends, an executor leaves nothing running and no operating mode on.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from qutiperf import host
from qutiperf.errors import RunError
from qutiperf.results.record import HarnessTax, RunRecord
from qutiperf.results.store import Store
from qutiperf.run import operating_mode
from qutiperf.run.child import Nursery
from qutiperf.run.metering import Metering
from qutiperf.run.overhead import measure_tax
from qutiperf.run.plan import Group
from qutiperf.run.possible import NO_DEVICES, Devices
from qutiperf.run.preconditions import check_before
from qutiperf.run.preparation import PreparationObserver, prepare_samples
from qutiperf.run.runner import GoOn, Listener, Runner, always
from qutiperf.run.sample_source import cache_of
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.sweep import CacheSettings


@dataclass(frozen=True, slots=True)
class SweepWork:
    """What is still to be measured; `machine` is the one that the groups are planned for.

    `sample_cache` is the key of the sweep, `audit_config` an absolute path.
    """

    groups: Sequence[Group]
    machine: host.Facts
    audit_config: str | None
    keep_answers: bool
    sample_cache: CacheSettings
    go_on: GoOn = always  # whether a group's next run is started; only this machine asks

    def only(self, group: Group) -> "SweepWork":
        return replace(self, groups=[group])

    def on(self, machine: host.Facts) -> "SweepWork":
        return replace(self, machine=machine)


class WorkObserver(Listener, PreparationObserver, Protocol):
    """Receives the progress of an executor: runs, the preparation of samples, and notes.

    It is called in the thread that called the executor.
    """


class Measuring(Protocol):
    """An executor that is ready to measure."""

    def run(self, groups: Sequence[Group]) -> list[RunRecord]:
        """Stored records of all runs of some groups of the work, in any order.

        A run that fails is a failed record, and the others go on. Raises SetupError if the results folder
        cannot be written to. May be called again: which groups come next may depend on these records.
        """


class Executor(Protocol):
    """Measures on some machines; `parallel` says whether groups of one call can run at the same time."""

    parallel: bool

    def machine(self, folder: Path) -> host.Facts:
        """Facts of the machine that will measure, for the plan; `folder` is the results folder.

        Writes nothing that stays. Raises InputError or SetupError if nothing can be measured there.
        """

    def devices(self, suts: Sequence[SystemUnderTest]) -> Devices:
        """Facts of the machines that run the models of some systems where `machine` only drives LoadGen.

        Raises InputError or SetupError if one of them is needed and cannot be reached.
        """

    def open(
        self, work: SweepWork, store: Store, observer: WorkObserver
    ) -> AbstractContextManager[Measuring]:
        """Raises InputError or SetupError before anything is measured."""


class LocalExecutor:
    """Measures on this machine, one group after the other."""

    parallel = False

    def machine(self, _folder: Path) -> host.Facts:
        return host.facts()

    def devices(self, _suts: Sequence[SystemUnderTest]) -> Devices:
        return NO_DEVICES

    @contextmanager
    def open(self, work: SweepWork, store: Store, observer: WorkObserver) -> Iterator[Measuring]:
        groups = work.groups
        for before in {run.inputs.before for group in groups for run in group.runs}:
            check_before(before)
        operating_mode.check_commands((group.sut, group.operating_mode) for group in groups)
        for line in operating_mode.undo_left_on():
            observer.note(line)
        if (cache := cache_of(work.sample_cache)) is not None:
            cache.clean()
        scratch = store.stage()  # removed by the next run, should this one be killed
        metering = Metering(scratch, observer.note)
        with Nursery() as nursery:
            runner = Runner(
                store,
                observer,
                work.machine,
                nursery,
                work.audit_config,
                metering,
                keep_answers=work.keep_answers,
            )
            runner.go_on = work.go_on
            try:
                metering.check({group.sut.name: group.sut for group in groups}.values())
                if groups:
                    runner.kept_samples = prepare_samples(groups, store, nursery, observer)
                    runner.tax = tax_here(work.machine, store, nursery, observer)
                yield _OneByOne(runner)
            finally:
                metering.close()
                store.discard(scratch)


HERE: Executor = LocalExecutor()


@dataclass(frozen=True, slots=True)
class _OneByOne:
    runner: Runner

    def run(self, groups: Iterable[Group]) -> list[RunRecord]:
        return [record for group in groups for record in self.runner.run(group)]


def tax_here(
    machine: host.Facts, store: Store, nursery: Nursery, observer: PreparationObserver
) -> HarnessTax | None:
    """The overhead of the harness; None, with a note, where that cannot be measured."""
    try:
        return measure_tax(machine, store, nursery)
    except RunError as error:
        observer.note(f"{error}; runs are not checked for being limited by the load generator")
        return None
