"""The overhead of the harness on this host: a device that takes no time, on the measured path."""

from collections.abc import Sequence

from qutiperf import host
from qutiperf.errors import RunError
from qutiperf.results.record import HarnessTax, RunRecord
from qutiperf.results.store import Store
from qutiperf.run.child import Nursery
from qutiperf.run.plan import Material, PlannedRun, make_plan
from qutiperf.run.runner import Runner
from qutiperf.spec.dataset import DatasetSpec
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName, load_scenario
from qutiperf.spec.sut import Platform, Power, SystemUnderTest
from qutiperf.spec.sweep import Sweep
from qutiperf.spec.workload import InputSpec, ModelSpec, OutputSpec, Workload

_BATCH = 64
_SECONDS = 0.3
_SUT = SystemUnderTest(
    name="no-time",
    title="a simulated device that takes no time",
    adapter="simulated",
    platform=Platform(family="simulated", source="exact by construction"),
    power=Power(meter="none"),
)
_WORKLOAD = Workload(
    name="no-work",
    task="image-classification",
    dataset=DatasetSpec(name="synthetic", count=1024),
    model=ModelSpec(
        inputs=[InputSpec(name="input", dtype="float32", shape=["batch", 64])],
        outputs=[OutputSpec(name="scores", kind="scores")],
    ),
)


def measure_tax(machine: host.Facts, store: Store, nursery: Nursery) -> HarnessTax:
    """Less than a second of SingleStream and of Offline, repeated once if that fails.

    Raises RunError after two failures: the machine is stalled, or the harness itself is broken.
    """
    try:
        return _measured(machine, store, nursery)
    except RunError:
        return _measured(machine, store, nursery)


def _measured(machine: host.Facts, store: Store, nursery: Nursery) -> HarnessTax:
    scenarios = {name: load_scenario(name)[0] for name in (ScenarioName.SINGLE_STREAM, ScenarioName.OFFLINE)}
    sweep = Sweep(
        name="harness tax",
        suts=[_SUT.name],
        workloads=[_WORKLOAD.name],
        scenarios=list(scenarios),
        modes=[Mode.PERFORMANCE],
        settings=RunSettings(min_duration_s=_SECONDS, min_query_count=1),
        deployment={"batch_size": _BATCH},
    )
    material = Material({_SUT.name: _SUT}, {_WORKLOAD.name: _WORKLOAD}, scenarios)
    groups = make_plan(sweep, material, machine).groups
    scratch = store.stage()  # removed by the next run, should this one be killed
    try:
        runner = Runner(Store.create(scratch / "tax"), _Silent(), machine, nursery)
        return _tax([record for group in groups for record in runner.run(group)])
    finally:
        store.discard(scratch)


def _tax(records: Sequence[RunRecord]) -> HarnessTax:
    figures = {record.point.scenario: record.figures for record in records if not record.failure}
    single, offline = figures.get(ScenarioName.SINGLE_STREAM), figures.get(ScenarioName.OFFLINE)
    if (
        single is None
        or offline is None
        or not single.system_latency_p50_ms
        or not offline.system_throughput_ips
    ):
        reasons = [record.failure.reason for record in records if record.failure]
        raise RunError(f"the harness cannot measure itself: {'; '.join(reasons) or 'no result'}")
    return HarnessTax(
        single_stream_ns=single.system_latency_p50_ms * 1e6,
        offline_samples_per_s=offline.system_throughput_ips,
    )


class _Silent:
    """A listener that ignores everything."""

    def started(self, run: PlannedRun) -> None:
        return

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        return

    def tick(self) -> None:
        return

    def waiting(self, run: PlannedRun, text: str) -> None:
        return
