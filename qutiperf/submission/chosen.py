"""Which stored runs stand for which scenario of a submission, and what is missing or may not be taken."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qutiperf import host
from qutiperf.audit.compliance import ComplianceTest, benchmark_of, compliance_tests, minutes_of, verdict_of
from qutiperf.audit.stored_run import (
    StoredRun,
    accuracy_run_of,
    is_submission,
    model_digests,
    seeds_problem,
)
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.results.record import RunRecord
from qutiperf.spec.round_rules import RoundRules, Suite
from qutiperf.spec.rounds import Round
from qutiperf.spec.scenario import Mode, ScenarioName
from qutiperf.submission.descriptions import suites_of
from qutiperf.submission.obstacle import Obstacle
from qutiperf.submission.options import SubmissionOptions, safe_folder

PERFORMANCE_MINUTES = 10.0
_LEAST_ACCURACY_MINUTES = 0.1


@dataclass(frozen=True, slots=True)
class ChosenScenario:
    """The runs of one scenario folder; `inferred_from` is another scenario whose runs stand here too."""

    scenario: str
    performance: StoredRun
    accuracy: StoredRun
    tests: tuple[tuple[ComplianceTest, AuditVerdict], ...] = ()
    inferred_from: str | None = None
    power: Path | None = None


@dataclass(slots=True)
class ChosenBenchmark:
    """One workload on one system, of which `record` is a run; `folder` is the benchmark's in the tree."""

    system: str
    benchmark: str
    folder: str
    suites: tuple[Suite, ...]
    record: RunRecord
    scenarios: list[ChosenScenario] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{self.system}, {self.folder}"


@dataclass(slots=True)
class TreeChoice:
    """What goes into the tree; `incomplete` are runs that exist, of scenarios that lack something."""

    benchmarks: list[ChosenBenchmark] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: list["Missing"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Missing:
    """A run that is missing: like the run `example`, in `scenario`, or one of its compliance tests."""

    example: StoredRun
    scenario: str
    kind: str  # performance, accuracy or compliance
    minutes: float
    test: ComplianceTest | None = None
    server_bound_ms: float | None = None


class Chooser:
    """Chooses for one round, division and set of runs."""

    def __init__(
        self, runs: Sequence[StoredRun], mlperf_round: Round, rules: RoundRules, options: SubmissionOptions
    ) -> None:
        self._runs, self._round, self._rules, self._options = runs, mlperf_round, rules, options
        self.choice = TreeChoice()

    def choose(self) -> TreeChoice:
        groups = self._groups()
        if not groups:
            what = "holds no performance run of the submission profile"
            command = "qutiperf run SWEEP --profile submission --round " + self._round.name
            self._refuse("RESULTS", what, "", command, PERFORMANCE_MINUTES)
            self._explored()
        for unknown in set(self._options.run_ids) - {run.record.run_id for run in self._runs}:
            self._refuse(f"--run {unknown}", "is not a run of these results", "`qutiperf show` lists them")
        for (system, workload), runs in groups.items():
            self._benchmark(system, workload, runs)
        self.choice.obstacles += _mixtures(self.choice.benchmarks)
        return self.choice

    def _explored(self) -> None:
        """Runs of shorter profiles show what could be measured for a submission."""
        explored = [run for run in self._runs if run.record.point.mode is Mode.PERFORMANCE]
        for system, workload in dict.fromkeys(
            (r.record.point.sut, r.record.point.workload) for r in explored
        ):
            runs = [
                r for r in explored if (r.record.point.sut, r.record.point.workload) == (system, workload)
            ]
            benchmark = benchmark_of(runs[0].record, self._rules)
            if benchmark is None:
                continue
            chosen = self._chosen(runs[0].record, benchmark)
            measured = list(dict.fromkeys(run.record.point.scenario.value for run in runs))
            for name in self._required(chosen) or measured:
                self._miss(chosen, self._example(runs[0], name), name, "performance", PERFORMANCE_MINUTES)

    def _example(self, like: StoredRun, scenario: str) -> StoredRun:
        """The best valid run of the same system and workload in a scenario, of any profile; else `like`."""
        point = like.record.point
        fitting = [
            run
            for run in self._runs
            if (run.record.point.sut, run.record.point.workload) == (point.sut, point.workload)
            and run.record.point.scenario.value == scenario
            and run.record.point.mode is Mode.PERFORMANCE
            and run.record.valid
        ]
        return min(fitting, key=_rank, default=like)

    def _groups(self) -> Mapping[tuple[str, str], list[StoredRun]]:
        groups: defaultdict[tuple[str, str], list[StoredRun]] = defaultdict(list)
        named = self._options.run_ids
        for run in self._runs:
            if is_submission(run, Mode.PERFORMANCE) and (not named or run.record.run_id in named):
                groups[run.record.point.sut, run.record.point.workload].append(run)
        return groups

    def _refuse(
        self, where: str, what: str, cure: str = "", command: str = "", minutes: float | None = None
    ) -> None:
        self.choice.obstacles.append(Obstacle(where, what, cure, command, minutes))

    def _benchmark(self, system: str, workload: str, runs: Sequence[StoredRun]) -> None:
        record = runs[0].record
        benchmark = benchmark_of(record, self._rules)
        if benchmark is None:
            cure = f"set mlperf_benchmark in the workload: {', '.join(sorted(self._rules.benchmarks))}"
            self._refuse(f"{system}, {workload}", f"is not mapped to a benchmark of {self._round.name}", cure)
            return
        chosen = self._chosen(record, benchmark)
        scenarios = self._scenarios(chosen, runs)
        if not scenarios:
            offered = ", ".join(sorted(self._allowed(chosen)))
            self._refuse(chosen.where, "no run is of a scenario for the tree", f"scenarios: {offered}")
        for scenario in scenarios:
            self._scenario(chosen, scenario, runs)
        if self._options.infer:
            self._infer(chosen)
        else:
            self._lacking(chosen, runs)
        self.choice.benchmarks.append(chosen)

    def _chosen(self, record: RunRecord, benchmark: str) -> ChosenBenchmark:
        mapped = record.inputs.workload.mlperf_benchmark or benchmark
        folder = mapped if self._options.closed else safe_folder(record.point.workload)
        suites = tuple(suites_of({"system_type": self._text(record, "system_type")}))
        return ChosenBenchmark(safe_folder(record.point.sut), benchmark, folder, suites, record)

    def _text(self, record: RunRecord, name: str) -> str:
        return self._options.fields.get(name) or record.inputs.sut.description.get(name, "")

    def _scenarios(self, chosen: ChosenBenchmark, runs: Sequence[StoredRun]) -> list[str]:
        """Those measured that may stand in the tree."""
        measured = dict.fromkeys(run.record.point.scenario.value for run in runs)
        allowed = self._allowed(chosen) if self._options.closed else set(measured)
        if self._options.scenarios:
            allowed &= set(self._options.scenarios)
        for name in measured:
            if name not in allowed:
                self.choice.notes.append(f"{chosen.where}: {name} is left out")
        return [name for name in self._rules.scenarios if name in measured and name in allowed]

    def _allowed(self, chosen: ChosenBenchmark) -> set[str]:
        """Of all suites where nobody says which the system belongs to: that is an obstacle of its own."""
        sets = self._rules.benchmarks[chosen.benchmark].scenarios
        return {
            name
            for suite in chosen.suites or tuple(sets)
            if suite in sets
            for name in (*sets[suite].required, *sets[suite].optional)
        }

    def _required(self, chosen: ChosenBenchmark) -> list[str]:
        """Of all suites of a closed system; in the open division none, unless the user names some."""
        if self._options.scenarios:
            return list(self._options.scenarios)
        if not self._options.closed:
            return []
        sets = self._rules.benchmarks[chosen.benchmark].scenarios
        names = [name for suite in chosen.suites if suite in sets for name in sets[suite].required]
        return list(dict.fromkeys(names))

    def _scenario(self, chosen: ChosenBenchmark, scenario: str, runs: Sequence[StoredRun]) -> None:
        candidates = [run for run in runs if run.record.point.scenario.value == scenario]
        good = [run for run in candidates if self._problem(run) is None]
        where = f"{chosen.where}, {scenario}"
        if not good:
            problems = dict.fromkeys(f"run {r.record.run_id} {self._problem(r)}" for r in candidates)
            for number, problem in enumerate(problems):
                self._refuse(where, problem, "", self._command(), None if number else PERFORMANCE_MINUTES)
            self._miss(chosen, candidates[-1], scenario, "performance", PERFORMANCE_MINUTES)
            return
        best = min(good, key=_rank)
        accuracy = accuracy_run_of(best, self._runs)
        if accuracy is None:
            minutes = _accuracy_minutes(best.record)
            what = f"run {best.record.run_id} has no valid accuracy run of the same system, model and LoadGen"
            self._refuse(where, what, "", self._command(), minutes)
            self._miss(chosen, best, scenario, "accuracy", minutes)
        tests = self._tests(chosen, best, where)
        if accuracy is not None:
            power = self._options.power.get(scenario)
            chosen.scenarios.append(ChosenScenario(scenario, best, accuracy, tests, None, power))

    def _problem(self, run: StoredRun) -> str | None:
        record = run.record
        if record.failure is not None:
            return f"failed: {record.failure.reason[:200]}"
        if problem := seeds_problem(record, self._round):
            return f"{problem}; {self._round.name} needs {self._round.loadgen_requirement}"
        if not record.valid:
            reasons = "; ".join(record.loadgen.invalid_reasons if record.loadgen else record.reasons)
            return f"is INVALID: {reasons or 'LoadGen gives no reason'}"
        return None

    def _tests(
        self, chosen: ChosenBenchmark, run: StoredRun, where: str
    ) -> tuple[tuple[ComplianceTest, AuditVerdict], ...]:
        """In the open division they are voluntary, and taken if they pass."""
        judged = []
        for test in compliance_tests([run], self._round, self._rules):
            verdict = verdict_of(test, self._runs)
            if self._options.closed and verdict.outcome != "pass":
                made = test.made is not None
                what = f"{test.rule.name} {verdict.outcome}: {'; '.join(verdict.evidence)}"
                minutes = minutes_of([test])
                self._refuse(
                    where, what, verdict.cure if made else "", "" if made else self._command(), minutes
                )
                if not made:
                    self._miss(chosen, run, test.run.record.point.scenario, "compliance", minutes, test)
            elif verdict.outcome == "pass":
                judged.append((test, verdict))
        return tuple(judged)

    def _miss(
        self,
        chosen: ChosenBenchmark,
        example: StoredRun,
        scenario: str,
        kind: str,
        minutes: float,
        test: ComplianceTest | None = None,
    ) -> None:
        bound = self._rules.benchmarks[chosen.benchmark].latency_limit_ms.get(scenario)
        self.choice.incomplete.append(Missing(example, scenario, kind, minutes, test, bound))

    def _command(self) -> str:
        division = self._options.division
        return f"qutiperf submit RESULTS --complete --round {self._round.name} --division {division}"

    def _lacking(self, chosen: ChosenBenchmark, runs: Sequence[StoredRun]) -> None:
        """Scenarios that the suites require and nobody measured."""
        measured = {run.record.point.scenario.value for run in runs}
        for name in self._required(chosen):
            if name not in measured:
                suites = " and ".join(chosen.suites) or "the submission"
                what = f"{suites} requires {name}, which was not measured"
                self._refuse(chosen.where, what, "", self._command(), self._minutes_of_all(runs[0].record))
                self._miss(chosen, self._example(runs[0], name), name, "performance", PERFORMANCE_MINUTES)

    def _minutes_of_all(self, record: RunRecord) -> float:
        """Performance, accuracy and tests of one more scenario."""
        benchmark = benchmark_of(record, self._rules)
        tests = self._rules.benchmarks[benchmark].tests if benchmark and self._options.closed else []
        return PERFORMANCE_MINUTES * (1 + len(tests)) + _accuracy_minutes(record)

    def _infer(self, chosen: ChosenBenchmark) -> None:
        """Scenarios that may take the runs of another one, where they were not measured."""
        for name in self._required(chosen) or [each.to for each in self._rules.inferred]:
            if any(each.scenario == name for each in chosen.scenarios):
                continue
            source = self._source(chosen, name)
            if source is not None:
                chosen.scenarios.append(
                    ChosenScenario(
                        name, source.performance, source.accuracy, source.tests, source.scenario, source.power
                    )
                )
                self.choice.notes.append(f"{chosen.where}: {name} is inferred from {source.scenario}")
            elif self._options.closed:
                what = f"{name} was not measured, and no other scenario may stand for it"
                self._refuse(chosen.where, what, "", self._command(), PERFORMANCE_MINUTES)

    def _source(self, chosen: ChosenBenchmark, to: str) -> ChosenScenario | None:
        ran = [
            each.ran
            for each in self._rules.inferred
            if each.to == to and set(each.suites) & set(chosen.suites)
        ]
        own = [each for each in chosen.scenarios if each.inferred_from is None and each.scenario in ran]
        return own[0] if own else None


def _rank(run: StoredRun) -> tuple[float, str]:
    """The best figure first: the latency that counts, or the rate."""
    result = run.record.loadgen
    figures = run.record.figures
    if run.record.point.scenario in (ScenarioName.SINGLE_STREAM, ScenarioName.MULTI_STREAM):
        estimate = result.early_stopping_estimate_ns if result else None
        return (float(estimate) if estimate else float("inf")), run.record.started_utc
    return -(figures.system_throughput_ips or 0.0), run.record.started_utc


def _accuracy_minutes(record: RunRecord) -> float:
    """Every sample once, at the rate of the performance run."""
    count, rate = record.inputs.dataset.get("count"), record.figures.system_throughput_ips
    if not isinstance(count, int) or not rate:
        return PERFORMANCE_MINUTES
    return max(count / rate / 60, _LEAST_ACCURACY_MINUTES)


def _mixtures(benchmarks: Iterable[ChosenBenchmark]) -> Iterator[Obstacle]:
    """Runs of one system must come from one host, with one model and the same software."""
    by_system: defaultdict[str, list[ChosenBenchmark]] = defaultdict(list)
    for chosen in benchmarks:
        by_system[chosen.system].append(chosen)
    for system, entries in by_system.items():
        runs = [run for entry in entries for run in _runs_of(entry)]
        hosts = {host.fingerprint(run.record.host): str(run.record.host.get("hostname")) for run in runs}
        if len(hosts) > 1:
            what = f"its runs come from {len(hosts)} different hosts ({', '.join(sorted(hosts.values()))})"
            yield Obstacle(f"system {system}", what, "give the results of one host, or measure again")
        names = sorted({name for run in runs for name in run.record.versions} - {"qutiperf"})
        for name in names:
            versions = sorted({run.record.versions.get(name, "none") for run in runs})
            if len(versions) > 1:
                what = f"its runs have {name} {' and '.join(versions)}"
                yield Obstacle(f"system {system}", what, "measure all of them with one version")
        for entry in entries:
            if len({tuple(sorted(model_digests(run.record).items())) for run in _runs_of(entry)}) > 1:
                yield Obstacle(entry.where, "its runs have different models", "measure them with one model")


def _runs_of(entry: ChosenBenchmark) -> Iterator[StoredRun]:
    for each in entry.scenarios:
        yield each.performance
        yield each.accuracy
        yield from (test.made for test, _ in each.tests if test.made is not None)
