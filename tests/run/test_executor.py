"""What a sweep expects from an executor, with real ones around this machine's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qutiperf import host
from qutiperf.api.progress import Tracker
from qutiperf.cli import main
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from qutiperf.run.executor import HERE, Measuring, SweepWork, WorkObserver
from qutiperf.run.plan import Group
from qutiperf.run.possible import NO_DEVICES, Devices
from qutiperf.run.repeats import in_rounds, waves
from qutiperf.run.sweep import measure_sweep, plan_sweep
from qutiperf.spec.sut import SystemUnderTest
from tests.conftest import SutFile
from tests.run.test_repeats import planned

SweepFile = Callable[..., Path]


@dataclass
class Noting:
    """Measures here, for a machine with one core, and keeps the sizes of what it gets at once."""

    parallel: bool
    calls: list[int] = field(default_factory=list)

    def machine(self, _folder: Path) -> host.Facts:
        return {**host.facts(), "cores": 1}

    def devices(self, _suts: Sequence[SystemUnderTest]) -> Devices:
        return NO_DEVICES

    @contextmanager
    def open(self, work: SweepWork, store: Store, observer: WorkObserver) -> Iterator[Measuring]:
        with HERE.open(work, store, observer) as inner:
            yield _Noted(self.calls, inner)


@dataclass
class _Noted:
    calls: list[int]
    inner: Measuring

    def run(self, groups: Sequence[Group]) -> list[RunRecord]:
        self.calls.append(len(groups))
        return self.inner.run(groups)


def silent() -> Tracker:
    return Tracker(lambda _: None, lambda _: None, lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize(("parallel", "calls"), [(False, [1, 1]), (True, [2])])
def test_a_parallel_executor_gets_all_groups_at_once(
    parallel: bool, calls: list[int], tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    sut = sut_file("simulated", extra="options: {latency_us: 100}\n")
    sweep = plan_sweep(str(sweep_file(sut)), ["deployment.streams=1,2", "modes=PerformanceOnly"])
    executor = Noting(parallel)
    records = measure_sweep(sweep, tmp_path / "out", silent(), executor=executor)
    assert (executor.calls, [record.failure for record in records]) == (calls, [None, None])


def test_a_sweep_is_planned_for_the_machine_of_its_executor(sweep_file: SweepFile) -> None:
    name = str(sweep_file("cpu-onnxruntime"))
    executor = Noting(parallel=False)
    there = plan_sweep(name, ["deployment.threads=all"], (), lambda _: executor.machine(Path()))
    assert {run.point.deployment["threads"] for group in there.groups for run in group.runs} == {1}
    assert there.machine["cores"] == 1


def test_further_repeats_wait_for_the_ones_before_them() -> None:
    sweep, groups = planned("repeats=auto", "deployment.streams=1,2")
    rounds = in_rounds(groups, sweep)
    together = waves(rounds, sweep, parallel=True)
    assert [len(wave) for wave in together] == [2] * 8
    assert [wave[0].runs[-1].point.repeat for wave in together] == list(range(3, 11))
    assert [group for wave in waves(rounds, sweep, parallel=False) for group in wave] == rounds


@pytest.mark.slow
def test_the_local_executor_is_the_default(tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile) -> None:
    """The second command finds what the first one measured."""
    sut = sut_file("simulated", extra="options: {latency_us: 100}\n")
    command = ["run", str(sweep_file(sut)), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert main([*command, "--executor", "local"]) == 0
    assert {record.attempt for record in Store(tmp_path / "out").read().records} == {1}
