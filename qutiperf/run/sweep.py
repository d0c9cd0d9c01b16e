"""A sweep from its file, or over one model, to stored records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from qutiperf import host
from qutiperf.adapters.registry import adapter_class, option_names
from qutiperf.errors import InputError, RunError
from qutiperf.loadgen.installed import require_loadgen
from qutiperf.power.registry import AUTO, NONE
from qutiperf.regular_file import unreadable
from qutiperf.results.answers import without_answers
from qutiperf.results.left_out import LeftOut, LeftOutSetting, write_left_out
from qutiperf.results.record import HarnessTax, RunRecord
from qutiperf.results.store import LEFT_OUT, Store
from qutiperf.results.table import in_table_order
from qutiperf.run import operating_mode
from qutiperf.run.adaptive import check_searchable
from qutiperf.run.budget import Budget, seconds_of_budget
from qutiperf.run.child import Nursery
from qutiperf.run.metering import Metering, check_power
from qutiperf.run.only import chosen_groups
from qutiperf.run.overhead import measure_tax
from qutiperf.run.pareto import ParetoSweep, not_in_time
from qutiperf.run.plan import Group, Material, gather, make_plan
from qutiperf.run.possible import Skipped
from qutiperf.run.preparation import PreparationObserver, preparations_of, prepare_samples
from qutiperf.run.repeats import RepeatRule, check_figure, in_rounds
from qutiperf.run.runner import Listener, Runner
from qutiperf.run.sample_source import cache_of
from qutiperf.run.unfinished import runs_to_measure
from qutiperf.spec.config import Overrides, Yaml, YamlValue, apply_overrides, shortened
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sweep import Sweep, load_sweep, parse_sweep
from qutiperf.spec.workload import Workload

Part = tuple[Sweep, Material]
_TAX_S = 2.0  # to measure the overhead of the harness


class Strategy(StrEnum):
    """Everything in the planned order, or what may be on the front of the figures."""

    FULL = "full"
    PARETO = "pareto"


@dataclass(frozen=True, slots=True)
class PlannedSweep:
    """Checked groups of runs on this machine; nothing has been written yet."""

    sweep: Sweep
    groups: list[Group]
    machine: host.Facts
    skipped: list[Skipped] = field(default_factory=list)

    def only(self, conditions: Sequence[str]) -> "PlannedSweep":
        """The runs that match every KEY=VALUE; raises InputError if none does."""
        return replace(self, groups=chosen_groups(self.groups, conditions)) if conditions else self


@dataclass(frozen=True, slots=True)
class Effort:
    """How a sweep is measured, and the time that it may take."""

    strategy: Strategy = Strategy.FULL
    budget: Budget = field(default_factory=Budget)

    @property
    def is_whole(self) -> bool:
        """Whether everything is measured, however long it takes."""
        return self.strategy is Strategy.FULL and self.budget.seconds is None


def effort_of(strategy: str | None, budget: str | float | None) -> Effort:
    """From a name and a duration (`30m`, or seconds), None for the default; raises InputError."""
    if strategy is not None and strategy not in list(Strategy):
        problem = f"'{shortened(str(strategy), 80)}' is not a strategy"
        raise InputError(problem, where="--strategy", cure="use full or pareto")
    seconds = None if budget is None else seconds_of_budget(budget)
    return Effort(Strategy(strategy or Strategy.FULL), Budget(seconds))


class Observer(Listener, PreparationObserver, Protocol):
    """Receives the progress of a sweep, from the thread that measures."""

    def damaged(self, parts: Sequence[InputError]) -> None:
        """The parts of the results folder that cannot be read."""

    def planned(self, planned: PlannedSweep, groups: Sequence[Group], folder: Path) -> None:
        """The runs to measure, in their groups; the others of the sweep are done."""


def plan_sweep(name: str, overrides: Overrides, power: Sequence[str] = ()) -> PlannedSweep:
    """A shipped sweep or a sweep file; raises InputError or SetupError for the first that is wrong.

    `power` are meters, which replace those of the sweep.
    """
    sweep, file = load_sweep(name, overrides)
    return _planned(sweep, [(sweep, gather(sweep, beside=file.path.parent))], power)


def plan_model(
    workload: Workload,
    suts: Sequence[str],
    scenarios: YamlValue,
    batch: YamlValue,
    overrides: Overrides,
    power: Sequence[str] = (),
) -> PlannedSweep:
    """A sweep over one model that has no workload file; raises InputError or SetupError."""
    return _planned(*parts_of_model(workload, suts, scenarios, batch, overrides), power)


def parts_of_model(
    workload: Workload, suts: Sequence[str], scenarios: YamlValue, batch: YamlValue, overrides: Overrides
) -> tuple[Sweep, list[Part]]:
    """A sweep over one workload that was made from a model file.

    Each system is a part of its own, with all cores as threads where its adapter has threads.
    """
    start: Yaml = {
        "name": workload.name,
        "workloads": workload.name,
        "suts": list(suts),
        "scenarios": scenarios,
        "deployment": {"batch_size": batch, "streams": 1},
    }
    whole = parse_sweep(apply_overrides(start, overrides), "--model")
    material = gather(whole, {workload.name: workload})
    parts: list[Part] = []
    for name, system in material.suts.items():
        threads = "threads" in option_names(adapter_class(system.adapter))
        deployment = {**({"threads": "all"} if threads else {}), **whole.deployment}
        part = whole.model_copy(update={"deployment": deployment})
        parts.append((part, replace(material, suts={name: system})))
    return whole, parts


def _planned(sweep: Sweep, parts: Iterable[Part], power: Sequence[str]) -> PlannedSweep:
    machine = host.facts()
    chosen = list(power) or ([sweep.power] if isinstance(sweep.power, str) else sweep.power)
    check_figure(sweep)
    plans = [make_plan(part, _metered(material, chosen), machine) for part, material in parts]
    groups = [group for plan in plans for group in plan.groups]
    return PlannedSweep(sweep, groups, machine, [each for plan in plans for each in plan.skipped])


def _metered(material: Material, meters: list[str] | None) -> Material:
    """Systems with the chosen meters, checked; ids of runs are digests of files, which stay the same."""
    suts = dict(material.suts)
    for name, sut in suts.items():
        power = sut.power if meters is None else sut.power.model_copy(update={"meter": meters})
        check_power(power, name)
        suts[name] = sut.model_copy(update={"power": power})
    return replace(material, suts=suts)


def measure_sweep(
    planned: PlannedSweep,
    folder: Path,
    observer: Observer,
    *,
    audit_config: Path | None = None,
    round_name: str | None = None,
    again: bool = False,
    effort: Effort | None = None,
) -> list[RunRecord]:
    """Measures what is not done yet and returns the last record of every planned run.

    With `again`, what is done is measured once more, as another attempt. By default the effort is whole.

    Holds the folder's lock from before the look at what is done until the last run is stored. However it
    ends, no process is left running and no operating mode on. Raises InputError or SetupError before anything
    is measured, and SetupError if the folder can no longer be written to.
    """
    if audit_config is not None and (problem := unreadable(audit_config)) is not None:
        cure = "name another audit.config"
        raise InputError(problem, where=shortened(str(audit_config)), cure=cure)
    require_loadgen(round_name)
    effort = effort or Effort()
    check_effort(planned, folder, effort, again=again)
    store = Store.create(folder)
    with store.lock():
        store.clean()
        _measure_rest(planned, store, observer, audit_config, effort, again=again)
    ids = {run.run_id for group in planned.groups for run in group.runs}
    return in_table_order([record for record in store.latest() if record.run_id in ids])


def check_effort(planned: PlannedSweep, folder: Path, effort: Effort, *, again: bool = False) -> None:
    """Raises InputError if the strategy does not fit the sweep, or the budget not even one run."""
    if effort.strategy is Strategy.PARETO:
        if again:
            raise InputError("--again has no effect with --strategy pareto", cure="name another --out")
        check_searchable(planned.sweep, planned.groups)
    if effort.budget.seconds is None:
        return
    stored = Store.is_one(folder)
    left = groups_to_measure(planned, Store.open(folder), again=again) if stored else planned.groups
    if left:
        before_s = _TAX_S + sum(preparation.estimated_s for preparation in preparations_of(left[:1]))
        effort.budget.check_first(left[0], before_s)


def groups_to_measure(planned: PlannedSweep, store: Store, *, again: bool = False) -> list[Group]:
    """The groups with the runs that are not done; all of them with `again`."""
    rounds = in_rounds(planned.groups, planned.sweep)
    if again:
        return rounds
    attempts = store.attempts()
    lacking = _without_answers(store, attempts) if planned.sweep.keep_answers else frozenset()
    rule = RepeatRule(planned.sweep, planned.groups, attempts)
    left = [group.only(runs_to_measure(rule.needed(group), attempts, lacking)) for group in rounds]
    return [group for group in left if group.runs]


def _measure_rest(
    planned: PlannedSweep,
    store: Store,
    observer: Observer,
    audit_config: Path | None,
    effort: Effort,
    *,
    again: bool,
) -> None:
    observer.damaged(store.read().damaged)
    groups = groups_to_measure(planned, store, again=again)
    observer.planned(planned, groups, store.folder)
    for skipped in planned.skipped:
        observer.note(skipped.line)
    operating_mode.check_commands((group.sut, group.operating_mode) for group in groups)
    for line in operating_mode.undo_left_on():
        observer.note(line)
    if (cache := cache_of(planned.sweep.sample_cache)) is not None:
        cache.clean()
    audit = str(audit_config.resolve()) if audit_config else None
    _note_unmetered(planned, groups, observer)
    scratch = store.stage()  # removed by the next run, should this one be killed
    metering = Metering(scratch, observer.note)
    with Nursery() as nursery:
        keep = planned.sweep.keep_answers
        runner = Runner(store, observer, planned.machine, nursery, audit, metering, keep_answers=keep)
        try:
            metering.check({group.sut.name: group.sut for group in groups}.values())
            if groups:
                runner.kept_samples = prepare_samples(groups, store, nursery, observer)
                runner.tax = _tax(planned.machine, store, nursery, observer)
            _run(runner, planned, groups, store, observer, effort)
        finally:
            metering.close()
            store.discard(scratch)
            store.clean()


def _run(
    runner: Runner,
    planned: PlannedSweep,
    groups: Sequence[Group],
    store: Store,
    observer: Observer,
    effort: Effort,
) -> None:
    """The groups by the strategy; what it left out is stored, also when the command is interrupted."""
    if effort.strategy is Strategy.FULL:
        measured: set[str] = set()
        try:
            _run_all(runner, planned, groups, store, effort.budget, measured)
        finally:
            _note_left_out(store, observer, effort, not_in_time(groups, measured), 0)
        return
    search = ParetoSweep(planned.sweep, planned.groups, planned.machine, store, effort.budget)
    try:
        search.run(runner)
    finally:
        _note_left_out(store, observer, effort, search.left_out(), search.probe_count())


def _run_all(
    runner: Runner,
    planned: PlannedSweep,
    groups: Sequence[Group],
    store: Store,
    budget: Budget,
    measured: set[str],
) -> None:
    """Each group without the repeats that the ones before it have made unnecessary, until the budget ends."""
    stored = store.attempts() if planned.sweep.repeat_until else {}
    rule = RepeatRule(planned.sweep, planned.groups, stored)
    runner.go_on = lambda _, following: budget.go_on(following)
    for group in groups:
        needed = rule.needed(group)
        measured |= {run.run_id for run in group.runs} - {run.run_id for run in needed.runs}
        if not needed.runs:
            continue
        if not budget.opens(needed):
            return
        records = runner.run(needed)
        budget.closes()
        rule.take(records)
        measured |= {record.run_id for record in records}
        if len(records) < len(needed.runs):
            return


def _note_left_out(
    store: Store, observer: Observer, effort: Effort, settings: list[LeftOutSetting], probes: int
) -> None:
    """Replaces what an earlier command left out, unless this one had to measure everything and did not."""
    whole = effort.is_whole
    if whole and (settings or not (store.folder / LEFT_OUT).exists()):
        return
    left_out = LeftOut(
        strategy=effort.strategy.value,
        budget_s=effort.budget.seconds,
        elapsed_s=round(effort.budget.elapsed_s, 3),
        probes=probes,
        settings=settings,
    )
    write_left_out(store, left_out)
    if left_out.line:
        observer.note(f"{left_out.line}; qutiperf show {store.folder} --left-out")


def _note_unmetered(planned: PlannedSweep, groups: Sequence[Group], observer: Observer) -> None:
    """Runs that are stored keep the power that they have, or have not."""
    left = sum(len(group.runs) for group in groups)
    done = sum(len(group.runs) for group in planned.groups) - left
    named = any(group.sut.power.meters not in ([AUTO], [NONE]) for group in planned.groups)
    if done and named:
        observer.note(f"{done} runs are stored already and keep their power; --again measures them again")


def _without_answers(store: Store, attempts: Mapping[str, Sequence[RunRecord]]) -> frozenset[str]:
    """Accuracy runs that are valid, but were measured without keeping their answers."""
    records = [record for each in attempts.values() for record in each]
    accuracy = [record for record in records if record.point.mode is Mode.ACCURACY]
    return without_answers(store.folder, accuracy)


def _tax(machine: host.Facts, store: Store, nursery: Nursery, observer: Observer) -> HarnessTax | None:
    """The overhead of the harness; None, with a note, where that cannot be measured."""
    try:
        return measure_tax(machine, store, nursery)
    except RunError as error:
        observer.note(f"{error}; runs are not checked for being limited by the load generator")
        return None
