"""From stored runs to a submission tree: everything that stands in its way, or the whole tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qutiperf.audit.stored_run import StoredRun, stored_runs
from qutiperf.errors import InputError
from qutiperf.spec.config import nearest
from qutiperf.spec.round_rules import RoundRules
from qutiperf.spec.rounds import Round
from qutiperf.submission.benchmark_text import OPTIONAL, measurement_obstacles
from qutiperf.submission.check import CheckReport, check_tree, rules_of
from qutiperf.submission.chosen import Chooser, ChosenBenchmark, TreeChoice
from qutiperf.submission.obstacle import Obstacle
from qutiperf.submission.official_power import power_files, same_run
from qutiperf.submission.options import SubmissionOptions, option_obstacles
from qutiperf.submission.staged_folder import write_folder
from qutiperf.submission.system_text import known_names, system_obstacles
from qutiperf.submission.tree_plan import TreePlan


@dataclass(slots=True)
class Prepared:
    """What a tree would hold, and what stands in its way; `damaged` parts of RESULTS were left out."""

    options: SubmissionOptions
    mlperf_round: Round
    rules: RoundRules
    runs: list[StoredRun]
    choice: TreeChoice
    damaged: list[InputError]

    @property
    def obstacles(self) -> list[Obstacle]:
        return self.choice.obstacles

    @property
    def rehearsal(self) -> bool:
        return any(each.record.inputs.workload.rehearsal for each in self.choice.benchmarks)


def prepare(
    results: Sequence[Path],
    options: SubmissionOptions,
    out: Path | None,
    descriptions: Mapping[str, Mapping[str, str]] | None = None,
) -> Prepared:
    """Raises InputError if the round or a results folder cannot be read; everything else is an obstacle.

    `descriptions` replace those of the systems with these names, as their SUT files have them now.
    """
    mlperf_round, rules = rules_of(options.round_name)
    runs, damaged = stored_runs(results)
    runs = [_described(run, descriptions or {}) for run in runs]
    choice = Chooser(runs, mlperf_round, rules, options).choose()
    prepared = Prepared(options, mlperf_round, rules, runs, choice, damaged)
    choice.obstacles[:0] = [*option_obstacles(options, out), *_unknown_fields(options, rules)]
    known = {run.record.point.sut for run in runs}
    choice.notes += [
        f"--sut {name}: no run is of this system" for name in descriptions or {} if name not in known
    ]
    plan = TreePlan(mlperf_round, rules, options)
    systems: set[str] = set()
    for chosen in choice.benchmarks:
        if chosen.system not in systems:
            fields = plan.system_fields(chosen)
            choice.obstacles += system_obstacles(fields, chosen.system, rules)
            systems.add(chosen.system)
        choice.obstacles += measurement_obstacles(plan.measurement_fields(chosen), chosen.where, rules)
        choice.obstacles += _suite_obstacles(chosen, rules, options)
        choice.obstacles += [*plan.missing_files(chosen), *_power(chosen, rules)]
    choice.obstacles += _unused_power(prepared)
    return prepared


def _described(run: StoredRun, descriptions: Mapping[str, Mapping[str, str]]) -> StoredRun:
    name = run.record.point.sut
    if name not in descriptions:
        return run
    sut = run.record.inputs.sut.model_copy(update={"description": dict(descriptions[name])})
    inputs = run.record.inputs.model_copy(update={"sut": sut})
    return replace(run, record=run.record.model_copy(update={"inputs": inputs}))


def _unknown_fields(options: SubmissionOptions, rules: RoundRules) -> list[Obstacle]:
    known = [*known_names(rules), *rules.measurements.present, *OPTIONAL]
    return [
        Obstacle(f"--field {name}", "is not a field of the round", nearest(name, known))
        for name in options.fields
        if name not in known
    ]


def _suite_obstacles(
    chosen: ChosenBenchmark, rules: RoundRules, options: SubmissionOptions
) -> list[Obstacle]:
    offered = rules.benchmarks[chosen.benchmark].scenarios
    if not options.closed or not chosen.suites or set(chosen.suites) & set(offered):
        return []
    what = f"{chosen.benchmark} is not a benchmark of the {' or '.join(chosen.suites)} suite"
    return [Obstacle(chosen.where, what, f"it belongs to: {', '.join(offered)}; or submit to open")]


def _power(chosen: ChosenBenchmark, rules: RoundRules) -> list[Obstacle]:
    """Folders that are not those of the official client around the run."""
    obstacles = []
    for each in chosen.scenarios:
        if each.power is None:
            continue
        where = f"--power {each.scenario}={each.power}"
        try:
            list(power_files(each.power, rules))
            if not same_run(each.power, each.performance.folder):
                what = f"run_1 is not run {each.performance.record.run_id}"
                obstacles.append(Obstacle(where, what, "name the run with --run, or the folder of this run"))
        except InputError as error:
            obstacles.append(Obstacle(where, f"{error.where}: {error.what}", error.cure))
    return obstacles


def _unused_power(prepared: Prepared) -> list[Obstacle]:
    used = {each.scenario for chosen in prepared.choice.benchmarks for each in chosen.scenarios}
    return [
        Obstacle(f"--power {scenario}", "there is no run of this scenario in the tree", "leave it out")
        for scenario in prepared.options.power
        if scenario not in used
    ]


def write_tree(prepared: Prepared, out: Path) -> tuple[bool, CheckReport]:
    """Whether the tree stands at `out`, and what `check` says of it: with an error nothing is written.

    Raises InputError for a log that cannot be read, SetupError if the folder cannot be written.
    """
    plan = TreePlan(prepared.mlperf_round, prepared.rules, prepared.options)
    files = plan.files(prepared.choice.benchmarks, prepared.runs)
    reports: list[CheckReport] = []

    def accept(folder: Path) -> bool:
        name = prepared.options.round_name
        reports.append(check_tree(folder, name, rehearsal=prepared.rehearsal, workers=1))
        return reports[0].passed

    return write_folder(files, out, accept), reports[0]
