"""From a suite to checked groups of runs, in which small models share a worker."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from qutiperf import host
from qutiperf.adapters.registry import adapter_class, option_names
from qutiperf.errors import InputError
from qutiperf.power.power_verdict import LEAST_UPDATES
from qutiperf.power.registry import AUTO, NONE, make_meter
from qutiperf.run.plan import Group, Material, PlannedRun, gather, make_plan
from qutiperf.run.sweep import PlannedSweep, with_meters
from qutiperf.spec.config import canonical_json
from qutiperf.spec.microbench import LEAST_SHARE, MicrobenchSuite, SuitePart, check_memory, workload_of
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.sut import Setting, SystemUnderTest, load_sut
from qutiperf.spec.sweep import Sweep
from qutiperf.spec.workload import Workload

RUNS_PER_WORKER = 40  # a failure ends a worker: the rest of its runs start again in a new one
_BYTES_PER_MB = 1e6
_NETWORK_S = 1.0  # parts add up, so that their noise cancels out; that of a network does not
_MARGIN = 1.1  # of the shortest window whose power is valid


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    """What a suite's points have in common; `threads` None is all cores, `power` are meters."""

    name: str
    batch_sizes: Sequence[int]
    duration_s: float
    threads: int | None = None
    streams: int = 1
    operating_mode: str | None = None
    power: Sequence[str] = ()


def settings_of(suite: MicrobenchSuite) -> SuiteSettings:
    return SuiteSettings(suite.name, suite.batch_sizes, suite.duration_s)


def cache_bytes(sut: SystemUnderTest) -> float | None:
    """The last-level cache of the device: the SUT file's, or this host's where that is to be detected."""
    stated = sut.platform.on_chip_memory_mb
    if isinstance(stated, int | float):
        return stated * _BYTES_PER_MB
    found = host.last_level_cache_mb() if stated == "detect" else None
    return None if found is None else found * _BYTES_PER_MB


def plan_parts(
    parts: Sequence[SuitePart],
    networks: Mapping[str, Workload],
    sut_name: str,
    settings: SuiteSettings,
) -> PlannedSweep:
    """Every part and network at every batch size; raises an error before anything is built.

    Networks are measured longer than parts, and with a meter each is measured long enough for it.
    """
    machine = host.facts()
    memory = machine.get("memory_gb")
    if isinstance(memory, int):
        check_memory(parts, max(settings.batch_sizes), memory, f"suite {settings.name}")
    system, _ = load_sut(sut_name)
    metered_s = _window_s(settings.power, system.power.rate_hz)
    layers = {one.name: workload_of(one) for one in parts}
    plans = []
    for workloads, least_s in ((networks, _NETWORK_S), (layers, LEAST_SHARE * settings.duration_s)):
        if workloads:
            sweep = _sweep(system, list(workloads), settings, max(metered_s, least_s))
            plans.append(make_plan(sweep, _material(sweep, sut_name, workloads, settings.power), machine))
    if not plans:
        raise InputError("has nothing to measure", where=f"suite {settings.name}")
    sweep = _sweep(system, [*networks, *layers], settings, settings.duration_s)
    groups = shared(group for plan in plans for group in plan.groups)
    return PlannedSweep(sweep, groups, machine, [each for plan in plans for each in plan.skipped])


def _material(
    sweep: Sweep, sut_name: str, workloads: Mapping[str, Workload], power: Sequence[str]
) -> Material:
    """What the sweep needs, its system found by a name or a file, with the chosen meters."""
    found = gather(sweep.model_copy(update={"suts": [sut_name]}), workloads)
    return with_meters(found, list(power) or None, None)


def _window_s(meters: Sequence[str], rate_hz: float) -> float:
    """The time that the slowest meter needs; opens each of them, and raises SetupError if one fails."""
    if not set(meters) - {NONE}:
        return 0.0
    opened = [make_meter(name) for name in meters if name not in (AUTO, NONE)]
    updates = [rail.update_s or 0.0 for meter in opened for rail in meter.open_and_close()]
    slowest_s = max([1 / rate_hz, *updates, *(meter.least_period_s for meter in opened)])
    return _MARGIN * LEAST_UPDATES * slowest_s


def _sweep(
    system: SystemUnderTest, workloads: Sequence[str], settings: SuiteSettings, least_s: float
) -> Sweep:
    deployment: dict[str, Setting | list[Setting]] = {
        "batch_size": list(settings.batch_sizes),
        "streams": settings.streams,
    }
    if "threads" in option_names(adapter_class(system.adapter)):
        deployment["threads"] = settings.threads or host.available_cores()
    deployment["operating_mode"] = settings.operating_mode or next(iter(system.operating_modes))
    return Sweep(
        name=settings.name,
        suts=[system.name],
        workloads=list(workloads),
        scenarios=[ScenarioName.OFFLINE],
        modes=[Mode.PERFORMANCE],
        profile=Profile.TEST_RUN,
        settings=RunSettings(min_duration_s=round(least_s, 3), min_query_count=1),
        deployment=deployment,
    )


def shared(groups: Iterable[Group]) -> list[Group]:
    """Groups with the same options, streams and mode as one, of up to RUNS_PER_WORKER runs."""
    alike: dict[str, list[Group]] = {}
    for group in groups:
        key = canonical_json([group.sut.name, group.options, group.streams, group.operating_mode])
        alike.setdefault(key, []).append(group)
    return [joined for members in alike.values() for joined in _joined(members)]


def _joined(members: Sequence[Group]) -> Iterable[Group]:
    held: list[Group] = []
    for member in members:
        if held and sum(len(group.runs) for group in held) + len(member.runs) > RUNS_PER_WORKER:
            yield _one(held)
            held = []
        held.append(member)
    if held:
        yield _one(held)


def _one(members: Sequence[Group]) -> Group:
    """Each worker prepares the samples of its parts itself: they are few and random."""
    return replace(
        members[0], runs=[run for member in members for run in member.runs], samples=None, profile=True
    )


def within_budget(
    planned: PlannedSweep, budget_s: float, order: Sequence[str], always: Collection[str] = ()
) -> PlannedSweep:
    """The runs that fit into the budget, workloads in this order; at least one, and those of `always`."""
    place = {name: number for number, name in enumerate(order)}
    runs = [(group, run) for group in planned.groups for run in group.runs]
    runs.sort(key=lambda pair: place.get(pair[1].point.workload, len(place)))
    kept: list[tuple[Group, PlannedRun]] = []
    spent = 0.0
    for group, run in runs:
        if run.point.workload not in always:
            spent += run.estimated_s
        if kept and spent > budget_s:
            break
        kept.append((group, run))
    by_workload: dict[str, Group] = {}
    for group, run in kept:
        before = by_workload.get(run.point.workload)
        only = group.only([*(before.runs if before else []), run])
        by_workload[run.point.workload] = replace(only, workload=run.inputs.workload)
    return replace(planned, groups=shared(by_workload.values()))
