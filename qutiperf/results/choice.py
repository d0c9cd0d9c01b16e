"""The best setting under requirements, what each requirement costs, and what noise leaves open."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qutiperf.errors import InputError
from qutiperf.results.requirement import BestValues, Requirement, absolute
from qutiperf.results.spread import Spread, exactly, spread_of
from qutiperf.results.table import COLUMNS, Row
from qutiperf.spec.scenario import Mode

_SETTING = ("sut", "workload", "scenario", "profile", "end_to_end")
_SUSTAINED = "sustained_s"
_RESULT_OF_DATA = ("top1_percent", "top5_percent")  # the same in every repeat
_LOWER_IS_BETTER = ("_ms", "_w", "_mj")


@dataclass(frozen=True, slots=True)
class Goal:
    """The figure to maximise or to minimise."""

    column: str
    highest: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """One setting: the columns of its first run and its measured figures by column."""

    row: Row
    run_ids: list[str]
    figures: dict[str, Spread]


@dataclass(frozen=True, slots=True)
class Cost:
    """The goal's figure without one requirement, and what the requirement costs in percent of it."""

    requirement: str
    bound: float | str
    satisfied: int
    without: Candidate | None
    cost_percent: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """`undecided` lists what noise leaves open, `left_out` counts settings by why they do not take part."""

    goal: Goal
    winner: Candidate | None
    runner_up: Candidate | None
    undecided: list[str]
    costs: list[Cost]
    settings: int
    left_out: dict[str, int]


def choose(rows: Sequence[Row], requirements: Sequence[Requirement], goal: Goal) -> Choice:
    """Of all settings with valid performance runs; raises InputError if none has the goal's figure."""
    columns = [goal.column, *(one.column for one in requirements if one.numeric)]
    performance = [row for row in rows if row["mode"] == Mode.PERFORMANCE.value]
    candidates, left_out = _candidates(performance, columns, goal)
    best = _best_by_datatype(rows, candidates)
    bounds = [(one, absolute(one, best)) for one in requirements]
    passing = _ranked([one for one in candidates if _passes(one, bounds)], goal)
    winner = passing[0] if passing else None
    return Choice(
        goal=goal,
        winner=winner,
        runner_up=passing[1] if len(passing) > 1 else None,
        undecided=_undecided(candidates, passing, bounds, goal),
        costs=[_cost(number, bounds, candidates, winner, goal) for number in range(len(bounds))],
        settings=len(candidates),
        left_out=left_out,
    )


def lower_is_better(column: str) -> bool:
    """Whether smaller values of a figure are better, by its unit."""
    return column.endswith(_LOWER_IS_BETTER)


def _candidates(
    rows: Iterable[Row], columns: Sequence[str], goal: Goal
) -> tuple[list[Candidate], dict[str, int]]:
    settings: defaultdict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        settings[_setting(row)].append(row)
    left_out: defaultdict[str, int] = defaultdict(int)
    candidates = []
    for group in settings.values():
        valid = [row for row in group if row["valid"]]
        if not valid:
            left_out["failed" if all(row["failure"] for row in group) else "INVALID"] += 1
        elif all(row.get(goal.column) is None for row in valid):
            left_out[f"{goal.column} not measured"] += 1
        else:
            candidates.append(_candidate(valid, columns))
    if not candidates:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "there are no runs"
        raise InputError(f"no valid run has {goal.column}: {reasons}", cure="see `qutiperf show`")
    return candidates, dict(left_out)


def _setting(row: Row) -> tuple[object, ...]:
    """All columns that say how a run was made, those of adapters' options included."""
    columns = list(row)
    first, last = columns.index("batch_size"), columns.index("valid")
    held = row.get(_SUSTAINED) is not None
    return (held, *(row[name] for name in (*_SETTING, *columns[first:last])))


def _candidate(rows: Sequence[Row], columns: Iterable[str]) -> Candidate:
    figures = {}
    for column in dict.fromkeys(columns):
        values = [float(value) for row in rows if isinstance(value := row.get(column), int | float)]
        if values:
            figures[column] = exactly(values) if _is_exact(column) else spread_of(values)
    return Candidate(rows[0], [str(row["run_id"]) for row in rows], figures)


def _is_exact(column: str) -> bool:
    """Whether repeats agree: accuracies, and parameters, which are whole numbers."""
    return column in _RESULT_OF_DATA or COLUMNS.get(column) is int


def _best_by_datatype(rows: Iterable[Row], candidates: Iterable[Candidate]) -> BestValues:
    """The best median of each figure; accuracy also of models whose performance runs are not valid."""
    values = [
        (row, column, float(value))
        for row in rows
        for column in _RESULT_OF_DATA
        if row["valid"] and isinstance(value := row[column], int | float)
    ]
    values += [(one.row, column, one.figures[column].value) for one in candidates for column in one.figures]
    best: BestValues = {}
    for row, column, value in values:
        key, pick = (column, str(row["weight_datatype"]).lower()), min if lower_is_better(column) else max
        best[key] = pick(best.get(key, value), value)
    return best


Bounds = Sequence[tuple[Requirement, float | str]]


def _passes(candidate: Candidate, bounds: Bounds) -> bool:
    return all(one.holds(_value(candidate, one), bound) for one, bound in bounds)


def _value(candidate: Candidate, requirement: Requirement) -> str | float | None:
    figure = candidate.figures.get(requirement.column)
    if requirement.numeric:
        return figure.value if figure else None
    cell = candidate.row.get(requirement.column)
    return None if cell is None else str(cell)


def _ranked(candidates: Iterable[Candidate], goal: Goal) -> list[Candidate]:
    return sorted(candidates, key=lambda one: one.figures[goal.column].value, reverse=goal.highest)


def _cost(
    number: int, bounds: Bounds, candidates: Sequence[Candidate], winner: Candidate | None, goal: Goal
) -> Cost:
    requirement, bound = bounds[number]
    others = [one for position, one in enumerate(bounds) if position != number]
    free = _ranked([one for one in candidates if _passes(one, others)], goal)
    without = free[0] if free else None
    satisfied = sum(_passes(one, [bounds[number]]) for one in candidates)
    return Cost(requirement.text, bound, satisfied, without, _loss_percent(winner, without, goal))


def _loss_percent(winner: Candidate | None, without: Candidate | None, goal: Goal) -> float | None:
    if winner is None or without is None:
        return None
    kept, free = winner.figures[goal.column].value, without.figures[goal.column].value
    if free == 0:
        return None
    return (free - kept if goal.highest else kept - free) / abs(free) * 100.0


def _undecided(
    candidates: Sequence[Candidate], passing: Sequence[Candidate], bounds: Bounds, goal: Goal
) -> list[str]:
    """One line for each question that the noise of the repeats leaves open."""
    if not passing:
        return []
    winner, lines = passing[0], []
    mine = winner.figures[goal.column]
    ties = [one for one in passing[1:] if _overlap(one.figures[goal.column], mine)]
    if ties:
        more = "1 more setting is" if len(ties) == 1 else f"{len(ties)} more settings are"
        lines.append(f"{more} within the noise of the winner's {goal.column}")
    for requirement, bound in bounds:
        figure = winner.figures.get(requirement.column)
        if figure and isinstance(bound, float) and figure.low < bound < figure.high:
            lines.append(f"the winner's {requirement.column} is within the noise of the bound {bound:g}")
    near = [one for one in candidates if one not in passing and _nearly(one, bounds, winner, goal)]
    if near:
        verbs = (
            "setting would be better and misses" if len(near) == 1 else "settings would be better and miss"
        )
        lines.append(f"{len(near)} {verbs} a requirement by less than the noise")
    return lines


def _overlap(left: Spread, right: Spread) -> bool:
    return left.low <= right.high and right.low <= left.high


def _nearly(candidate: Candidate, bounds: Bounds, winner: Candidate, goal: Goal) -> bool:
    """Whether a setting that is better than the winner fails no requirement by more than the noise."""
    if _ranked([winner, candidate], goal)[0] is winner:
        return False
    for requirement, bound in bounds:
        figure = candidate.figures.get(requirement.column)
        if requirement.holds(_value(candidate, requirement), bound):
            continue
        if figure is None or isinstance(bound, str) or not figure.low < bound < figure.high:
            return False
    return True
