"""From a sweep to checked groups of runs, before anything is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from qutiperf import host
from qutiperf.adapters.registry import adapter_class, make_options, option_names
from qutiperf.datasets.inputs import bytes_of_sample
from qutiperf.errors import InputError
from qutiperf.harness.sample_cache import SampleCache
from qutiperf.harness.samples import PERFORMANCE_SAMPLES
from qutiperf.results.record import Inputs
from qutiperf.run.estimate import LOAD_S, TAX_S, pause_s, run_s
from qutiperf.run.networks import network_workloads
from qutiperf.run.pairing import Pairing, has_truth, runnable
from qutiperf.run.possible import NO_DEVICES, Devices, Skipped, possible_points
from qutiperf.run.sample_source import SampleSource, cache_of
from qutiperf.spec.catalog import CatalogFile, matching
from qutiperf.spec.config import sha256_of, sha256_of_file
from qutiperf.spec.limits import check_load, check_scenario
from qutiperf.spec.order import in_order, load_key
from qutiperf.spec.point import Point, System, expand, point_id
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import Mode, Profile, Scenario, ScenarioName, load_scenario
from qutiperf.spec.sut import Settings, SystemUnderTest, load_sut
from qutiperf.spec.sweep import Sweep
from qutiperf.spec.workload import Workload, read_workload

_INDEX_BYTES = 8  # LoadGen shuffles the numbers of all samples


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run with its stable id and the inputs for its record."""

    run_id: str
    point: Point
    inputs: Inputs
    accuracy_run_id: str | None
    preparation_s: float = 0.0  # of its samples, 0 if an earlier run of the group prepares them
    probe_of: str | None = None  # the id of the full run, if this is a probe

    @property
    def estimated_s(self) -> float:
        return run_s(self.point, self.inputs.before, self.preparation_s)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that share one load of a model on a system.

    `seeds` and `fresh_after` are those of `Job`, which audits set.
    """

    sut: SystemUnderTest
    workload: Workload
    options: Settings
    streams: int
    operating_mode: str
    runs: list[PlannedRun]
    samples: SampleSource | None = None  # None if every worker prepares its own
    seeds: Seeds | None = None
    fresh_after: int | None = None
    profile: bool = False

    def only(self, runs: list[PlannedRun]) -> "Group":
        return replace(self, runs=runs)

    @property
    def estimated_s(self) -> float:
        """With the start of its workers and the pause of each for the idle power."""
        submissions = sum(run.point.profile is Profile.SUBMISSION for run in self.runs)
        workers = submissions or 1
        return workers * (LOAD_S + pause_s(self.sut)) + sum(run.estimated_s for run in self.runs)


def estimated_s(groups: Sequence[Group]) -> float:
    """Seconds of a command that measures these groups, with the pauses for the base power of each system."""
    if not groups:
        return 0.0
    systems = {(group.sut.name, group.operating_mode): group.sut for group in groups}
    return TAX_S + sum(map(pause_s, systems.values())) + sum(group.estimated_s for group in groups)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep measures, in order, and what it cannot measure."""

    groups: list[Group]
    skipped: list[Skipped]


@dataclass(frozen=True, slots=True)
class Material:
    """The files a sweep names, read and checked."""

    suts: dict[str, SystemUnderTest]
    workloads: dict[str, Workload]
    scenarios: dict[ScenarioName, Scenario]
    digests: dict[str, str] = field(default_factory=dict)


def gather(
    sweep: Sweep, extra_workloads: Mapping[str, Workload] | None = None, beside: Path | None = None
) -> Material:
    """Reads every file that the sweep names, relative to `beside` too.

    Raises InputError for the first that is wrong, and for two that have the same name.
    """
    suts: dict[str, SystemUnderTest] = {}
    workloads: dict[str, Workload] = dict(extra_workloads or {})
    scenarios: dict[ScenarioName, Scenario] = {}
    read: dict[str, CatalogFile] = {}
    for name in _all_matching("sut", sweep.suts, beside):
        sut, file = load_sut(name, beside)
        _note(read, f"sut:{sut.name}", file)
        suts[sut.name] = sut
    for name in [] if extra_workloads else _all_matching("workload", sweep.workloads, beside):
        workload, file = read_workload(name, beside)
        _note(read, f"workload:{workload.name}", file)
        workloads[workload.name] = workload
    digests: dict[str, str] = {}
    if sweep.networks is not None and not extra_workloads:
        for name, built in network_workloads(sweep.networks, sweep.name).items():
            workloads[name] = built
            digests[f"workload:{name}"] = sha256_of(built.model_dump(mode="json"))
    for scenario_name in sweep.scenarios:
        scenario, file = load_scenario(scenario_name)
        check_scenario(scenario, str(file.path))
        _note(read, f"scenario:{scenario.name}", file)
        scenarios[scenario.name] = scenario
    digests |= {key: file.sha256 for key, file in read.items()}
    return Material(suts, workloads, scenarios, digests)


def _note(read: dict[str, CatalogFile], key: str, file: CatalogFile) -> None:
    """Raises InputError if another file has the same kind and name: only one of the two would be measured."""
    before = read.setdefault(key, file)
    if before.path != file.path:
        kind, _, name = key.partition(":")
        problem = f"name: '{name}' is also that of the {kind} {before.path}"
        raise InputError(problem, where=str(file.path), cure="give each its own name")


def _all_matching(
    kind: Literal["sut", "workload"], patterns: Sequence[str], beside: Path | None
) -> list[str]:
    names: list[str] = []
    for pattern in patterns:
        names += matching(kind, pattern, beside)
    return list(dict.fromkeys(names))


def make_plan(sweep: Sweep, material: Material, machine: host.Facts, devices: Devices = NO_DEVICES) -> Plan:
    """Checked groups of runs; raises InputError or SetupError before anything is written.

    LoadGen runs on `machine`; `devices` are those of `machine`'s network that run the models of some systems.

    Points that cannot be measured are skipped; the reason is raised if no other is left.
    """
    _check_settings(sweep)
    cores = core_count(machine)
    systems = {name: _system(sut, devices.get(name), cores) for name, sut in material.suts.items()}
    labelled = frozenset(name for name, workload in material.workloads.items() if has_truth(workload))
    points = expand(sweep, systems, material.workloads, material.scenarios, labelled)
    if not points:
        raise InputError(
            "has no point left to measure", where=f"sweep {sweep.name}", cure="check modes and exclude"
        )
    possible = possible_points(points, material.suts, material.workloads, machine, devices)
    for point in possible.points:
        check_load(point.settings, f"sweep {sweep.name}: {point.scenario}")
    cache = cache_of(sweep.sample_cache)
    fingerprints = {name: host.fingerprint(devices.get(name, machine)) for name in material.suts}
    planner = _Planner(sweep, material, possible.pairings, fingerprints, cores, cache)
    return Plan(planner.groups(in_order(possible.points, sweep)), possible.skipped)


def core_count(machine: host.Facts) -> int:
    """Cores that a process on a machine may use; those of this one for facts that do not say."""
    cores = machine.get("cores")
    return cores if isinstance(cores, int) else host.available_cores()


def _system(sut: SystemUnderTest, device: host.Facts | None, cores: int) -> System:
    names = frozenset(option_names(runnable(sut, here=device is None)))
    return System(sut, names, cores if device is None else core_count(device))


def _check_settings(sweep: Sweep) -> None:
    if sweep.settings.feed_threads and not sweep.settings.end_to_end:
        cure = "set settings.end_to_end to true, or feed_threads to 0"
        raise InputError(
            "settings.feed_threads: prepares samples in an end-to-end run", where=sweep.name, cure=cure
        )
    if sweep.settings.feed_threads and ScenarioName.SINGLE_STREAM in sweep.scenarios:
        cure = "leave SingleStream out, or set feed_threads to 0"
        raise InputError(
            "settings.feed_threads: SingleStream has one sample in flight", where=sweep.name, cure=cure
        )


def _preparation_s(pairing: Pairing, points: Sequence[Point], number: int) -> float:
    """Seconds that a run of a group prepares samples; a worker keeps those of the previous run."""
    point, before = points[number], points[number - 1] if number else None
    end_to_end = point.settings.end_to_end and point.mode is Mode.PERFORMANCE
    same = before is not None and before.mode is point.mode
    if end_to_end or (same and point.profile is not Profile.SUBMISSION):
        return 0.0
    held = point.settings.performance_sample_count or PERFORMANCE_SAMPLES
    count = pairing.samples if point.mode is Mode.ACCURACY else min(held, pairing.samples)
    return count * pairing.preparation_s


class _Planner:
    """Gives points their ids and inputs."""

    def __init__(
        self,
        sweep: Sweep,
        material: Material,
        pairings: Mapping[tuple[str, str], Pairing],
        fingerprints: Mapping[str, str],
        cores: int,
        cache: SampleCache | None,
    ) -> None:
        self._sweep, self._material, self._fingerprints, self._cores = sweep, material, fingerprints, cores
        self._pairings, self._cache = pairings, cache

    def groups(self, blocks: Sequence[Sequence[Point]]) -> list[Group]:
        """One for each block; the accuracy run of a load belongs to all of its blocks."""
        accuracy = {
            load_key(point): self._id(point)
            for block in blocks
            for point in block
            if point.mode is Mode.ACCURACY
        }
        return [self._group(block, accuracy.get(load_key(block[0]))) for block in blocks]

    def _id(self, point: Point) -> str:
        return point_id(point, self._files(point), self._fingerprints[point.sut])

    def _group(self, points: Sequence[Point], accuracy: str | None) -> Group:
        first = points[0]
        pairing = self._pairings[first.sut, first.workload]
        sut, workload = pairing.sut, pairing.workload
        source = self._source(pairing)
        return Group(
            sut=sut,
            workload=workload,
            options=self._options(sut, first),
            streams=int(first.deployment["streams"]),
            operating_mode=str(first.deployment["operating_mode"]),
            runs=[
                PlannedRun(
                    self._id(point),
                    point,
                    self._inputs(point),
                    accuracy if point.mode is not Mode.ACCURACY else None,
                    0.0 if source and source.covers(point) else _preparation_s(pairing, points, number),
                )
                for number, point in enumerate(points)
            ],
            samples=source,
        )

    def _source(self, pairing: Pairing) -> SampleSource | None:
        """The cache of prepared samples for a workload, where it has such samples."""
        if self._cache is None or pairing.sample_key is None:
            return None
        size = bytes_of_sample(pairing.workload.model)
        each_s = pairing.preparation_s / self._cores
        return SampleSource(self._cache, pairing.sample_key, pairing.workload, pairing.samples, size, each_s)

    def _options(self, sut: SystemUnderTest, point: Point) -> Settings:
        """The SUT file's options under the point's parameters, checked against the adapter."""
        adapter = adapter_class(sut.adapter)
        names = set(option_names(adapter))
        swept = {name: value for name, value in point.deployment.items() if name in names}
        options = {**sut.options, **swept}
        make_options(adapter, dict(options), sut.name)
        return options

    def _files(self, point: Point) -> dict[str, str]:
        digests = self._material.digests
        files = (f"sut:{point.sut}", f"workload:{point.workload}", f"scenario:{point.scenario}")
        sha256 = {key: digests[key] for key in files if key in digests}
        adapter = self._material.suts[point.sut].adapter
        task = self._pairings[point.sut, point.workload].workload.task
        for kind, name in (("adapter", adapter), ("task", task)):
            if ".py:" in name:
                path = Path(name.rsplit(":", 1)[0])
                sha256[f"{kind}:{path.name}"] = sha256_of_file(path)
        return {**sha256, **self._pairings[point.sut, point.workload].files_sha256}

    def _inputs(self, point: Point) -> Inputs:
        pairing = self._pairings[point.sut, point.workload]
        sut, workload = pairing.sut, pairing.workload
        scenario = self._material.scenarios.get(point.scenario) or load_scenario(point.scenario)[0]
        resolved = {
            "point": point.model_dump(mode="json"),
            "sut": sut.model_dump(mode="json"),
            "workload": workload.model_dump(mode="json"),
            "scenario": scenario.model_dump(mode="json"),
            "dataset": pairing.dataset,
        }
        return Inputs(
            sweep=self._sweep.name,
            sut=sut,
            workload=workload,
            scenario=scenario,
            dataset=pairing.dataset,
            files_sha256=self._files(point),
            resolved_sha256=sha256_of(resolved),
            stable_within_percent=self._sweep.stable_within_percent,
            before=self._sweep.before if point.mode is Mode.PERFORMANCE else None,
        )
