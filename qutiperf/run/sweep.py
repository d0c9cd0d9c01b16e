"""A sweep from its file, or over one model, to stored records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from qutiperf import host
from qutiperf.adapters.registry import adapter_class, option_names
from qutiperf.errors import InputError, RunError
from qutiperf.loadgen.installed import require_loadgen
from qutiperf.power.registry import AUTO, NONE
from qutiperf.regular_file import unreadable
from qutiperf.results.record import HarnessTax, RunRecord
from qutiperf.results.store import Store
from qutiperf.run import operating_mode
from qutiperf.run.child import Nursery
from qutiperf.run.metering import Metering, check_power
from qutiperf.run.overhead import measure_tax
from qutiperf.run.plan import Group, Material, gather, make_plan
from qutiperf.run.runner import Listener, Runner, runs_to_measure
from qutiperf.spec.config import Overrides, Yaml, YamlValue, apply_overrides, shortened
from qutiperf.spec.sweep import Sweep, load_sweep, parse_sweep
from qutiperf.spec.workload import Workload

Part = tuple[Sweep, Material]


@dataclass(frozen=True, slots=True)
class PlannedSweep:
    """Checked groups of runs on this machine; nothing has been written yet."""

    sweep: Sweep
    groups: list[Group]
    machine: host.Facts


class Observer(Listener, Protocol):
    """Receives the progress of a sweep, from the thread that measures."""

    def damaged(self, parts: Sequence[InputError]) -> None:
        """The parts of the results folder that cannot be read."""

    def planned(self, planned: PlannedSweep, groups: Sequence[Group], folder: Path) -> None:
        """The runs to measure, in their groups; the others of the sweep are done."""

    def note(self, text: str) -> None:
        """One line that a user should know."""


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
    groups = [
        group for part, material in parts for group in make_plan(part, _metered(material, chosen), machine)
    ]
    return PlannedSweep(sweep, groups, machine)


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
) -> list[RunRecord]:
    """Measures what is not done yet and returns the last record of every planned run.

    Holds the folder's lock from before the look at what is done until the last run is stored. However it
    ends, no process is left running and no operating mode on. Raises InputError or SetupError before anything
    is measured, and SetupError if the folder can no longer be written to.
    """
    if audit_config is not None and (problem := unreadable(audit_config)) is not None:
        cure = "name another audit.config"
        raise InputError(problem, where=shortened(str(audit_config)), cure=cure)
    require_loadgen(round_name)
    store = Store.create(folder)
    with store.lock():
        store.clean()
        _measure_rest(planned, store, observer, audit_config)
    ids = {run.run_id for group in planned.groups for run in group.runs}
    return [record for record in store.latest() if record.run_id in ids]


def _measure_rest(planned: PlannedSweep, store: Store, observer: Observer, audit_config: Path | None) -> None:
    observer.damaged(store.read().damaged)
    attempts = store.attempts()
    left = [(group, runs_to_measure(group, attempts)) for group in planned.groups]
    groups = [group.only(runs) for group, runs in left if runs]
    observer.planned(planned, groups, store.folder)
    operating_mode.check_commands((group.sut, group.operating_mode) for group in groups)
    for line in operating_mode.undo_left_on():
        observer.note(line)
    audit = str(audit_config.resolve()) if audit_config else None
    _note_unmetered(planned, groups, observer)
    scratch = store.stage()  # removed by the next run, should this one be killed
    metering = Metering(scratch, observer.note)
    with Nursery() as nursery:
        runner = Runner(store, observer, planned.machine, nursery, audit, metering)
        try:
            metering.check(group.sut for group in groups)
            if groups:
                runner.tax = _tax(planned.machine, store, nursery, observer)
            for group in groups:
                runner.run(group)
        finally:
            metering.close()
            store.discard(scratch)
            store.clean()


def _note_unmetered(planned: PlannedSweep, groups: Sequence[Group], observer: Observer) -> None:
    """Runs that are stored keep the power that they have, or have not."""
    left = sum(len(group.runs) for group in groups)
    done = sum(len(group.runs) for group in planned.groups) - left
    named = any(group.sut.power.meters not in ([AUTO], [NONE]) for group in planned.groups)
    if done and named:
        observer.note(
            f"{done} runs are stored already and keep their power; name another --out to measure them again"
        )


def _tax(machine: host.Facts, store: Store, nursery: Nursery, observer: Observer) -> HarnessTax | None:
    """The overhead of the harness; None, with a note, where that cannot be measured."""
    try:
        return measure_tax(machine, store, nursery)
    except RunError as error:
        observer.note(f"{error}; runs are not checked for being limited by the load generator")
        return None
