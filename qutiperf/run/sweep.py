"""A sweep from its file, or over one model, to stored records."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from qutiperf import host
from qutiperf.adapters.registry import adapter_class, option_names
from qutiperf.errors import InputError
from qutiperf.loadgen.installed import require_loadgen
from qutiperf.power.registry import AUTO, NONE
from qutiperf.regular_file import unreadable
from qutiperf.results.record import RunRecord
from qutiperf.results.stability import with_stability
from qutiperf.results.store import Store
from qutiperf.results.table import in_table_order
from qutiperf.run.effort import Effort, Strategy
from qutiperf.run.executor import HERE, Executor, Measuring, SweepWork, WorkObserver
from qutiperf.run.metering import check_power
from qutiperf.run.only import chosen_groups
from qutiperf.run.pareto import ParetoSweep, Whole
from qutiperf.run.plan import Group, Material, gather, make_plan
from qutiperf.run.possible import NO_DEVICES, Devices, Skipped
from qutiperf.run.repeats import RepeatRule, check_figure, in_rounds, waves
from qutiperf.run.unfinished import accuracy_without_answers, runs_to_measure
from qutiperf.spec.config import Overrides, Yaml, YamlValue, apply_overrides, shortened
from qutiperf.spec.sut import SystemUnderTest, WorkerLimits
from qutiperf.spec.sweep import Sweep, load_sweep, parse_sweep
from qutiperf.spec.workload import Workload

Part = tuple[Sweep, Material]
MachineOf = Callable[[Sweep], host.Facts]
DevicesOf = Callable[[Sequence[SystemUnderTest]], Devices]


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


class Observer(WorkObserver, Protocol):
    """Receives the progress of a sweep, from the thread that measures."""

    def damaged(self, parts: Sequence[InputError]) -> None:
        """The parts of the results folder that cannot be read."""

    def planned(self, planned: PlannedSweep, groups: Sequence[Group], folder: Path) -> None:
        """The runs to measure, in their groups; the others of the sweep are done."""


def machine_here(_sweep: Sweep) -> host.Facts:
    """The facts of this machine, for any sweep."""
    return host.facts()


def no_devices(_suts: Sequence[SystemUnderTest]) -> Devices:
    """The machine that measures runs every model itself."""
    return NO_DEVICES


def plan_sweep(
    name: str,
    overrides: Overrides,
    power: Sequence[str] = (),
    machine_of: MachineOf = machine_here,
    devices_of: DevicesOf = no_devices,
) -> PlannedSweep:
    """A shipped sweep or a sweep file; raises InputError or SetupError for the first that is wrong.

    `power` are meters, which replace those of the sweep. `machine_of` gives the facts of the machine that
    will measure it, once its files are read and checked; `devices_of` those that run its systems' models.
    """
    sweep, file = load_sweep(name, overrides)
    return _planned(sweep, [(sweep, gather(sweep, beside=file.path.parent))], power, machine_of, devices_of)


def plan_model(
    workload: Workload,
    suts: Sequence[str],
    scenarios: YamlValue,
    batch: YamlValue,
    overrides: Overrides,
    power: Sequence[str] = (),
    machine_of: MachineOf = machine_here,
    devices_of: DevicesOf = no_devices,
) -> PlannedSweep:
    """A sweep over one model that has no workload file; raises InputError or SetupError."""
    return _planned(
        *parts_of_model(workload, suts, scenarios, batch, overrides), power, machine_of, devices_of
    )


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


def _planned(
    sweep: Sweep,
    parts: Iterable[Part],
    power: Sequence[str],
    machine_of: MachineOf,
    devices_of: DevicesOf,
) -> PlannedSweep:
    chosen = list(power) or ([sweep.power] if isinstance(sweep.power, str) else sweep.power)
    check_figure(sweep)
    metered = [(part, with_meters(material, chosen, sweep.limits)) for part, material in parts]
    machine = machine_of(sweep)
    devices = devices_of(list({name: sut for _, each in metered for name, sut in each.suts.items()}.values()))
    plans = [make_plan(part, material, machine, devices) for part, material in metered]
    groups = [group for plan in plans for group in plan.groups]
    return PlannedSweep(sweep, groups, machine, [each for plan in plans for each in plan.skipped])


def with_meters(material: Material, meters: list[str] | None, limits: WorkerLimits | None) -> Material:
    """Systems with the chosen meters, checked, and limits; ids are digests of files, which stay the same."""
    suts = dict(material.suts)
    for name, sut in suts.items():
        power = sut.power if meters is None else sut.power.model_copy(update={"meter": meters})
        check_power(power, name)
        suts[name] = sut.model_copy(update={"power": power, "limits": limits or sut.limits})
    return replace(material, suts=suts)


def measure_sweep(
    planned: PlannedSweep,
    folder: Path,
    observer: Observer,
    *,
    audit_config: Path | None = None,
    round_name: str | None = None,
    again: bool = False,
    executor: Executor = HERE,
    effort: Effort | None = None,
) -> list[RunRecord]:
    """Measures what is not done yet and returns the last record of every planned run.

    With `again`, what is done is measured once more, as another attempt. By default everything is measured.

    Holds the folder's lock from before the look at what is done until the last run is stored. However it
    ends, no process is left running and no operating mode on. Raises InputError or SetupError before anything
    is measured, and SetupError if the folder can no longer be written to.
    """
    if audit_config is not None and (problem := unreadable(audit_config)) is not None:
        cure = "name another audit.config"
        raise InputError(problem, where=shortened(str(audit_config)), cure=cure)
    require_loadgen(round_name)
    effort = effort or Effort()
    check_effort(planned, folder, effort, executor, again=again)
    store = Store.create(folder)
    with store.lock():
        store.clean()
        _measure_rest(planned, store, observer, audit_config, executor, effort, again=again)
    ids = {run.run_id for group in planned.groups for run in group.runs}
    return in_table_order(with_stability([record for record in store.latest() if record.run_id in ids]))


def check_effort(
    planned: PlannedSweep, folder: Path, effort: Effort, executor: Executor = HERE, *, again: bool = False
) -> None:
    """Raises InputError if the effort does not fit sweep and executor, or the budget not even one run."""
    if not effort.is_whole and executor is not HERE:
        cure = "leave --executor out, or these options"
        raise InputError("--budget and --strategy are for runs on this machine", cure=cure)
    effort.check(planned.sweep, planned.groups, again=again)
    if effort.budget.seconds is not None:
        stored = Store.is_one(folder)
        left = groups_to_measure(planned, Store.open(folder), again=again) if stored else planned.groups
        effort.check_budget(left)


def groups_to_measure(planned: PlannedSweep, store: Store, *, again: bool = False) -> list[Group]:
    """The groups with the runs that are not done; all of them with `again`."""
    rounds = in_rounds(planned.groups, planned.sweep)
    if again:
        return rounds
    attempts = store.attempts()
    lacking = accuracy_without_answers(store, attempts) if planned.sweep.keep_answers else frozenset()
    rule = RepeatRule(planned.sweep, planned.groups, attempts)
    left = [group.only(runs_to_measure(rule.needed(group), attempts, lacking)) for group in rounds]
    return [group for group in left if group.runs]


def _measure_rest(
    planned: PlannedSweep,
    store: Store,
    observer: Observer,
    audit_config: Path | None,
    executor: Executor,
    effort: Effort,
    *,
    again: bool,
) -> None:
    observer.damaged(store.read().damaged)
    groups = groups_to_measure(planned, store, again=again)
    observer.planned(planned, groups, store.folder)
    for skipped in planned.skipped:
        observer.note(skipped.line)
    _note_unmetered(planned, groups, observer)
    audit = str(audit_config.resolve()) if audit_config else None
    sweep = planned.sweep
    work = SweepWork(
        groups, planned.machine, audit, keep_answers=sweep.keep_answers, sample_cache=sweep.sample_cache
    )
    try:
        if effort.strategy is Strategy.PARETO:
            _search(planned, store, observer, executor, work, effort)
            return
        whole = Whole(groups, effort.budget)
        try:
            with executor.open(replace(work, go_on=whole.go_on), store, observer) as measuring:
                _run(measuring, planned, waves(groups, sweep, parallel=executor.parallel), store, whole)
        finally:
            _note(observer, effort.keep(store, whole.left_out(), 0))
    finally:
        store.clean()


def _search(
    planned: PlannedSweep,
    store: Store,
    observer: Observer,
    executor: Executor,
    work: SweepWork,
    effort: Effort,
) -> None:
    """What the search chooses; what it left out is stored, also when the command is interrupted."""
    search = ParetoSweep(planned.sweep, planned.groups, planned.machine, store, effort.budget)
    try:
        with executor.open(replace(work, go_on=search.go_on), store, observer) as measuring:
            search.run(measuring)
    finally:
        _note(observer, effort.keep(store, search.left_out(), search.probe_count()))


def _note(observer: Observer, line: str | None) -> None:
    if line:
        observer.note(line)


def _run(
    measuring: Measuring,
    planned: PlannedSweep,
    waves_of_groups: Iterable[Sequence[Group]],
    store: Store,
    whole: Whole,
) -> None:
    """Each wave without the repeats that the ones before it have made unnecessary, while there is time."""
    stored = store.attempts() if planned.sweep.repeat_until else {}
    rule = RepeatRule(planned.sweep, planned.groups, stored)
    for wave in waves_of_groups:
        needed = [group for group in map(rule.needed, wave) if group.runs]
        whole.settle(wave, needed)
        if not needed:
            continue
        if not whole.opens(needed):
            return
        records = measuring.run(needed)
        rule.take(records)
        if not whole.take(records, needed):
            return


def _note_unmetered(planned: PlannedSweep, groups: Sequence[Group], observer: Observer) -> None:
    """Runs that are stored keep the power that they have, or have not."""
    left = sum(len(group.runs) for group in groups)
    done = sum(len(group.runs) for group in planned.groups) - left
    named = any(group.sut.power.meters not in ([AUTO], [NONE]) for group in planned.groups)
    if done and named:
        observer.note(f"{done} runs are stored already and keep their power; --again measures them again")
