"""A sweep's settings for the search: full runs, their probes, and what the stored records say about both."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from qutiperf.errors import InputError
from qutiperf.results.record import RunRecord
from qutiperf.results.store import MAX_ATTEMPTS
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.run.repeats import RepeatRule
from qutiperf.run.search import Findings, Setting
from qutiperf.run.surrogate import Place
from qutiperf.spec.config import canonical_json, sha256_of
from qutiperf.spec.order import load_key
from qutiperf.spec.point import Point, point_id
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.spec.sweep import Order, Sweep

THROUGHPUT, POWER = "system_throughput_ips", "full_power_w"
_LATENCIES = {
    ScenarioName.SINGLE_STREAM: "system_latency_p90_ms",
    ScenarioName.MULTI_STREAM: "system_latency_p99_ms",
    ScenarioName.SERVER: "system_latency_p99_ms",
}
_HIGHER = {THROUGHPUT: True}
_PROBE_SHARE = 0.1  # of a full run's duration and queries
_SHORTEST_S, _LONGEST_S = 0.05, 2.0
_USUAL_S = 10.0  # of a run whose duration is LoadGen's own

Attempts = Mapping[str, Sequence[RunRecord]]


@dataclass(frozen=True, slots=True)
class Load:
    """The runs of one load of a model: its accuracy run, and the repeats of each setting."""

    group: Group
    accuracy: PlannedRun | None
    full: dict[str, list[PlannedRun]]
    probes: dict[str, PlannedRun]

    def probing(self, keys: Iterable[str], *, accuracy: bool) -> Group:
        """The probes of some settings, after the accuracy run if it is needed."""
        return self._with_accuracy([self.probes[key] for key in keys], accuracy=accuracy)

    def measuring(self, keys: Iterable[str], *, accuracy: bool) -> Group:
        """All repeats of some settings in the planned order, after the accuracy run if it is needed."""
        chosen = {run.run_id for key in keys for run in self.full[key]}
        runs = [run for run in self.group.runs if run.run_id in chosen]
        return self._with_accuracy(runs, accuracy=accuracy)

    def _with_accuracy(self, runs: list[PlannedRun], *, accuracy: bool) -> Group:
        first = [self.accuracy] if accuracy and self.accuracy is not None else []
        return self.group.only([*first, *runs])


def check_searchable(sweep: Sweep, groups: Sequence[Group]) -> None:
    """Raises InputError for a sweep that a search cannot measure."""
    if sweep.order is Order.BALANCED:
        problem = "order: balanced measures every load in turn, which a search does not"
        raise InputError(problem, where=f"sweep {sweep.name}", cure="use order: random, or --strategy full")
    if not any(run.point.mode is Mode.PERFORMANCE for group in groups for run in group.runs):
        problem = "has only accuracy runs, and --strategy pareto compares performance"
        raise InputError(problem, where=f"sweep {sweep.name}", cure="add PerformanceOnly to modes")


def loads_of(groups: Sequence[Group], fingerprint: str) -> dict[str, Load]:
    """The loads of a plan by their key, with a probe for each setting."""
    merged: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        merged[load_key(group.runs[0].point)].append(group)
    return {key: _load(parts, fingerprint) for key, parts in merged.items()}


def _load(parts: Sequence[Group], fingerprint: str) -> Load:
    runs = [run for part in parts for run in part.runs]
    full: defaultdict[str, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        if run.point.mode is Mode.PERFORMANCE:
            full[setting_key(run.point)].append(run)
    accuracy = next((run for run in runs if run.point.mode is Mode.ACCURACY), None)
    probes = {key: probe_of(repeats[0], fingerprint) for key, repeats in full.items()}
    return Load(parts[0].only(runs), accuracy, dict(full), probes)


def setting_key(point: Point) -> str:
    """The same for all repeats of a setting."""
    return canonical_json(point.model_dump(mode="json", exclude={"repeat"}))


def probe_of(run: PlannedRun, fingerprint: str) -> PlannedRun:
    """A tenth of a run, of 0.05 to 2 s, under LoadGen's rules of no profile but its own settings."""
    settings = run.point.settings
    full_s = settings.min_duration_s or _USUAL_S
    duration_s = min(max(_PROBE_SHARE * full_s, _SHORTEST_S), _LONGEST_S, full_s / 2)
    queries = None if settings.min_query_count is None else round(_PROBE_SHARE * settings.min_query_count)
    shorter: dict[str, float | int | None] = {"min_duration_s": duration_s}
    if queries is not None or run.point.profile is Profile.SUBMISSION:
        shorter["min_query_count"] = max(queries or 0, 1)
    given = settings.model_dump(exclude_unset=True)
    point = run.point.model_copy(
        update={
            "settings": RunSettings.model_validate(given | shorter),
            "profile": Profile.STANDARD if run.point.profile is Profile.SUBMISSION else run.point.profile,
            "repeat": 1,
        }
    )
    inputs = run.inputs.model_copy(
        update={"resolved_sha256": sha256_of([run.inputs.resolved_sha256, point.model_dump(mode="json")])}
    )
    run_id = point_id(point, inputs.files_sha256, fingerprint)
    return replace(run, run_id=run_id, point=point, inputs=inputs, accuracy_run_id=None, probe_of=run.run_id)


class Records:
    """The stored attempts of a sweep as findings of its search; `take` adds those of this command.

    `lacking` are ids of accuracy runs that are stored without the answers that they should have.
    """

    def __init__(
        self,
        loads: Mapping[str, Load],
        full: Attempts,
        probes: Attempts,
        repeats: RepeatRule | None = None,
        lacking: frozenset[str] = frozenset(),
    ) -> None:
        self._loads, self._repeats, self._lacking = loads, repeats, set(lacking)
        self._attempts: defaultdict[str, list[RunRecord]] = defaultdict(list)
        for stored in (full, probes):
            for run_id, records in stored.items():
                self._attempts[run_id] += records
        self._fresh: set[str] = set()

    def take(self, records: Iterable[RunRecord]) -> None:
        for record in records:
            self._attempts[record.run_id].append(record)
            self._fresh.add(record.run_id)
            self._lacking.discard(record.run_id)

    def is_done(self, run: PlannedRun | None) -> bool:
        """Whether a run is measured, or is not tried any more."""
        return run is None or (run.run_id not in self._lacking and self._last(run) is not None)

    def is_missing(self, run: PlannedRun) -> bool:
        """Whether a run would be measured: further repeats only as far as the sweep needs them."""
        return not self.is_done(run) and (self._repeats is None or self._repeats.is_needed(run))

    def figures(self) -> dict[str, bool]:
        """The figures beyond throughput and latency that were measured at all."""
        every = (record for records in self._attempts.values() for record in records)
        return {POWER: False} if any(record.figures.full_power_w is not None for record in every) else {}

    def findings(self) -> Findings:
        found = Findings()
        for load in self._loads.values():
            self._put_accuracy(found, load)
            for key, probe in load.probes.items():
                self._put_probe(found, key, probe)
                self._put_full(found, key, load.full[key])
        return found

    def settings(self, pace: float) -> list[Setting]:
        """The settings of the search; estimates are stretched by `pace`."""
        further = self.figures()
        accuracy = self.findings().accuracy
        made = []
        for name, load in self._loads.items():
            mine = accuracy_key(load)
            compared = load.accuracy is not None and (mine not in accuracy or accuracy[mine] is not None)
            load_s = load.group.only([]).estimated_s * pace
            for key, repeats in load.full.items():
                point = repeats[0].point
                made.append(
                    Setting(
                        key=key,
                        load=name,
                        family=_family(point, load, alone=not compared),
                        ladder=name,
                        accuracy=mine if compared else None,
                        place=_place(point),
                        figures=_figures(point) | further,
                        probe_s=load.probes[key].estimated_s * pace,
                        full_s=sum(run.estimated_s for run in repeats if self.is_missing(run)) * pace,
                        load_s=load_s,
                    )
                )
        return made

    def _last(self, run: PlannedRun | None) -> RunRecord | None:
        """The attempt that counts: a valid one, else the last if the run is not tried again.

        As in a full sweep, what was not valid in an earlier command is tried once more. A probe's figures
        count without LoadGen's verdict, which is about the length of the run.
        """
        records = self._attempts.get(run.run_id, []) if run else []
        tried = [each for each in records if not (each.failure and each.failure.setup_missing)]
        valid = [each for each in tried if each.valid]
        if run is None or valid:
            return valid[-1] if valid else None
        if run.run_id in self._fresh:
            return records[-1]
        probed = run.probe_of is not None and bool(tried) and tried[-1].failure is None
        return tried[-1] if probed or len(tried) >= MAX_ATTEMPTS else None

    def _put_accuracy(self, found: Findings, load: Load) -> None:
        record = self._last(load.accuracy)
        if record is not None and (found.accuracy.get(accuracy_key(load)) is None):
            found.accuracy[accuracy_key(load)] = record.figures.top1_percent

    def _put_probe(self, found: Findings, key: str, probe: PlannedRun) -> None:
        record = self._last(probe)
        if record is None:
            return
        found.probes[key] = None if record.failure else _measured(record)
        if record.failure:
            found.failed[key] = record.failure.reason

    def _put_full(self, found: Findings, key: str, repeats: Sequence[PlannedRun]) -> None:
        last = [record for run in repeats if (record := self._last(run)) is not None]
        failure = next((record.failure for record in last if record.failure), None)
        if failure is not None:
            found.failed[key] = failure.reason
        found.full[key] = [_measured(record) for record in last if record.valid]
        if not found.full[key]:
            del found.full[key]
        if last and not any(self.is_missing(run) for run in repeats):
            found.done.add(key)


def accuracy_key(load: Load) -> str:
    """The same for loads that have one accuracy: threads, streams and clocks do not change answers."""
    point = load.group.runs[0].point
    neutral = ("threads", "streams", "operating_mode", "batch_size")
    options = {name: value for name, value in point.deployment.items() if name not in neutral}
    return canonical_json([point.sut, point.workload, options])


def _measured(record: RunRecord) -> dict[str, float]:
    figures = record.figures.model_dump()
    return {name: value for name, value in figures.items() if value is not None and value > 0}


def _figures(point: Point) -> dict[str, bool]:
    latency = _LATENCIES.get(point.scenario)
    return {**_HIGHER, **({latency: False} if latency else {})}


def _family(point: Point, load: Load, *, alone: bool) -> str:
    """Models are compared with each other only where the accuracy that a faster one costs is known."""
    workload = load.group.workload
    compared = point.workload if alone else [workload.task, workload.dataset.name]
    return canonical_json([point.scenario.value, compared])


def _place(point: Point) -> Place:
    parameters = {name: value for name, value in point.deployment.items() if name != "batch_size"}
    batch_size = int(point.deployment["batch_size"])
    return Place(point.sut, point.workload, point.scenario.value, batch_size, parameters)
