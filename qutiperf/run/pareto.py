"""`--strategy pareto`: measures step by step what the search chooses, and says why the rest was left out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from qutiperf import host
from qutiperf.results.left_out import Kind, LeftOutSetting
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from qutiperf.run.adaptive import Load, Records, accuracy_key, loads_of
from qutiperf.run.budget import Budget
from qutiperf.run.executor import Measuring
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.run.repeats import RepeatRule, in_rounds
from qutiperf.run.search import Dropped, Findings, Search, Step
from qutiperf.run.unfinished import accuracy_without_answers
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sweep import Sweep


class ParetoSweep:
    """The loads of a plan, what is stored of them, and the search; goes on where another one ended."""

    def __init__(
        self, sweep: Sweep, groups: Sequence[Group], machine: host.Facts, store: Store, budget: Budget
    ) -> None:
        self._sweep, self._budget = sweep, budget
        self._loads = loads_of(groups, host.fingerprint(machine))
        stored = store.attempts()
        lacking = accuracy_without_answers(store, stored) if sweep.keep_answers else frozenset()
        self._repeats = RepeatRule(sweep, groups, stored)
        probes = Store.create(store.probes.folder).attempts()
        self._records = Records(self._loads, stored, probes, self._repeats, lacking)
        self._varied = _varied(groups)

    def run(self, measuring: Measuring) -> None:
        """Until nothing is left that could be on the front, or nothing fits into the budget."""
        while (step := self._next_step()) is not None:
            if not self._measure(measuring, self._groups(step)):
                return
        self._measure(measuring, list(self._without_answers()))

    def probe_count(self) -> int:
        return len(self._records.findings().probes)

    def left_out(self) -> list[LeftOutSetting]:
        """Every setting, and every accuracy run, that was not measured."""
        findings = self._records.findings()
        dropped = self._search().dropped(findings)
        load_of = {key: load for load in self._loads.values() for key in load.full}
        settings = [self._setting(load_of[each.key], each, findings) for each in dropped]
        kinds = {
            name: {each.kind for each in dropped if each.key in load.full}
            for name, load in self._loads.items()
        }
        for name, load in self._loads.items():
            if load.accuracy is not None and not self._records.is_done(load.accuracy):
                kind: Kind = "budget" if "budget" in kinds[name] else "unpromising"
                reason = "no setting of its load was measured in full"
                settings.append(_left_out([load.accuracy], kind, reason))
        return settings

    def _search(self) -> Search:
        return Search(self._records.settings(self._budget.pace))

    def _next_step(self) -> Step | None:
        limited = self._budget.seconds is not None and self._budget.has_begun
        left_s = self._budget.left_s if limited else None
        return self._search().next_step(self._records.findings(), left_s)

    def go_on(self, record: RunRecord, following: PlannedRun) -> bool:
        """After a failure the search decides anew: larger batches would fail as well."""
        return record.failure is None and self._budget.go_on(following)

    def _without_answers(self) -> Iterator[Group]:
        """Accuracy runs of loads that are measured in full, without the answers that they should have."""
        full = self._records.findings().full
        for load in self._loads.values():
            if not self._records.is_done(load.accuracy) and not full.keys().isdisjoint(load.full):
                yield load.measuring([], accuracy=True)

    def _measure(self, measuring: Measuring, groups: Iterable[Group]) -> bool:
        """Whether anything was measured."""
        measured = False
        for group in groups:
            needed = self._repeats.needed(group)
            if not needed.runs:
                continue
            if not self._budget.opens(needed):
                return False
            records = measuring.run([needed])
            self._budget.closes()
            self._records.take(records)
            self._repeats.take(records)
            measured = True
            if len(records) < len(needed.runs):
                break  # out of time, or a failure
        return measured

    def _groups(self, step: Step) -> Iterator[Group]:
        """What is not stored yet of a step, each further repeat that depends on those before it by itself."""
        load, known = self._loads[step.load], self._records.findings().accuracy
        if step.kind == "probe":
            accuracy = accuracy_key(load) not in known and not self._records.is_done(load.accuracy)
            yield load.probing(step.settings, accuracy=accuracy)
            return
        whole = load.measuring(step.settings, accuracy=not self._records.is_done(load.accuracy))
        for group in in_rounds([whole], self._sweep):
            yield group.only([run for run in group.runs if not self._records.is_done(run)])

    def _setting(self, load: Load, dropped: Dropped, findings: Findings) -> LeftOutSetting:
        runs = [run for run in load.full[dropped.key] if not self._records.is_done(run)]
        other = self._label(dropped.other) if dropped.other else ""
        behind = round(100 * dropped.behind) if dropped.behind is not None else 0
        if dropped.kind == "failed":
            reason = f"{other} failed: {findings.failed[str(dropped.other)]}"
        elif dropped.kind == "negligible":
            reason = "expected to add next to nothing to the front"
        elif dropped.kind == "budget":
            reason = "the budget ended before it was measured"
        else:
            start = "its probe was" if dropped.kind == "dominated" else "expected to be"
            reason = f"{start} {f'{behind} % slower' if behind > 0 else 'no better'} than {other}"
        return _left_out(runs, dropped.kind, reason)

    def _label(self, key: str) -> str:
        [run, *_] = next(load.full[key] for load in self._loads.values() if key in load.full)
        point = run.point
        facts = {"sut": point.sut, "scenario": point.scenario.value, **point.deployment}
        values = ", ".join(f"{name} {value}" for name, value in facts.items() if name in self._varied)
        return f"{point.workload} ({values})" if values else point.workload


def _varied(groups: Sequence[Group]) -> frozenset[str]:
    """The parameters in which the runs of a plan differ."""
    values: defaultdict[str, set[object]] = defaultdict(set)
    for run in (run for group in groups for run in group.runs if run.point.mode is Mode.PERFORMANCE):
        facts = {"sut": run.point.sut, "scenario": run.point.scenario.value, **run.point.deployment}
        for name, value in facts.items():
            values[name].add(value)
    return frozenset(name for name, each in values.items() if len(each) > 1)


def _left_out(
    runs: Sequence[PlannedRun],
    kind: Kind,
    reason: str,
) -> LeftOutSetting:
    point = runs[0].point
    return LeftOutSetting(
        run_ids=[run.run_id for run in runs],
        sut=point.sut,
        workload=point.workload,
        scenario=point.scenario,
        mode=point.mode,
        deployment=point.deployment,
        kind=kind,
        reason=reason,
    )


class Whole:
    """A full sweep in its planned order, as far as the budget goes."""

    def __init__(self, groups: Sequence[Group], budget: Budget) -> None:
        self._groups, self._budget, self._settled = groups, budget, set[str]()

    def go_on(self, _record: RunRecord, following: PlannedRun) -> bool:
        return self._budget.go_on(following)

    def settle(self, wave: Iterable[Group], needed: Iterable[Group]) -> None:
        """Repeats of a wave that are not needed are not left out."""
        self._settled |= {run.run_id for group in wave for run in group.runs}
        self._settled -= {run.run_id for group in needed for run in group.runs}

    def opens(self, groups: Sequence[Group]) -> bool:
        return self._budget.opens(groups[0])

    def take(self, records: Sequence[RunRecord], needed: Iterable[Group]) -> bool:
        """Whether all of the needed runs were measured."""
        self._budget.closes()
        self._settled |= {record.run_id for record in records}
        return len(records) >= sum(len(group.runs) for group in needed)

    def left_out(self) -> list[LeftOutSetting]:
        """The settings with runs that did not fit."""
        settings: dict[str, list[PlannedRun]] = {}
        for run in (run for group in self._groups for run in group.runs):
            if run.run_id not in self._settled:
                key = run.point.model_copy(update={"repeat": 1}).model_dump_json()
                settings.setdefault(key, []).append(run)
        reason = "the budget ended before it was measured"
        return [_left_out(runs, "budget", reason) for runs in settings.values()]
