"""Repeats of a point until its figure is known closely enough."""

from collections.abc import Iterable, Mapping, Sequence

from qutiperf.errors import InputError
from qutiperf.results.record import Figures, RunRecord
from qutiperf.results.spread import spread_of
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.spec.config import canonical_json, nearest, shortened
from qutiperf.spec.scenario import Mode
from qutiperf.spec.sweep import Sweep


def check_figure(sweep: Sweep) -> None:
    """Raises InputError if the sweep repeats until something is known that is not a figure."""
    figures = list(Figures.model_fields)
    if sweep.repeat_until and sweep.repeat_until.figure not in figures:
        where = f"sweep {sweep.name}: repeat_until.figure"
        name = sweep.repeat_until.figure
        raise InputError(f"'{shortened(name, 80)}' is not a figure", where=where, cure=nearest(name, figures))


class RepeatRule:
    """Which repeats beyond the least are still needed; `take` keeps what has been measured."""

    def __init__(
        self, sweep: Sweep, groups: Sequence[Group], records: Mapping[str, Sequence[RunRecord]]
    ) -> None:
        self._sweep = sweep
        self._points = {run.run_id: _setting(run) for group in groups for run in group.runs}
        self._values: dict[str, dict[str, float]] = {}
        for attempts in records.values():
            self.take(attempts)

    def take(self, records: Iterable[RunRecord]) -> None:
        """The last valid attempt of a run counts."""
        until = self._sweep.repeat_until
        for record in records:
            setting = self._points.get(record.run_id)
            value = getattr(record.figures, until.figure) if until else None
            if setting is not None and record.valid and value is not None:
                self._values.setdefault(setting, {})[record.run_id] = value

    def needed(self, group: Group) -> Group:
        """Without the repeats of points whose interval is narrow enough."""
        return group.only([run for run in group.runs if self.is_needed(run)])

    def is_needed(self, run: PlannedRun) -> bool:
        until, point = self._sweep.repeat_until, run.point
        if until is None or point.mode is Mode.ACCURACY or point.repeat <= self._sweep.repeats:
            return True
        values = list(self._values.get(_setting(run), {}).values())
        if len(values) < self._sweep.repeats:
            return True
        half = spread_of(values).half_percent
        return half is None or half > until.within_percent


def in_rounds(groups: Iterable[Group], sweep: Sweep) -> list[Group]:
    """Each further repeat of a load as a group of its own, so that it is measured only if it is needed."""
    if sweep.repeat_until is None:
        return list(groups)
    rounds = []
    for group in groups:
        rounds.append(group.only([run for run in group.runs if run.point.repeat <= sweep.repeats]))
        for repeat in range(sweep.repeats + 1, sweep.most_repeats + 1):
            rounds.append(group.only([run for run in group.runs if run.point.repeat == repeat]))
    return [each for each in rounds if each.runs]


def waves(groups: Sequence[Group], sweep: Sweep, *, parallel: bool) -> list[list[Group]]:
    """Groups that do not wait for each other's results, in order; without `parallel`, one at a time.

    A further repeat of a load is measured only when the records of the ones before it are known.
    """
    if not parallel:
        return [[group] for group in groups]
    by_round: dict[int, list[Group]] = {}
    for group in groups:
        by_round.setdefault(max(group.runs[0].point.repeat, sweep.repeats), []).append(group)
    return [by_round[number] for number in sorted(by_round)]


def _setting(run: PlannedRun) -> str:
    return canonical_json(run.point.model_dump(mode="json", exclude={"repeat"}))
