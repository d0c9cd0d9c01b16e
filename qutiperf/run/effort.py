"""How a sweep is measured and the time that it may take, and the record of what that left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from qutiperf.errors import InputError
from qutiperf.results.left_out import LeftOut, LeftOutSetting, write_left_out
from qutiperf.results.store import LEFT_OUT, Store
from qutiperf.run.adaptive import check_searchable
from qutiperf.run.budget import Budget, seconds_of_budget
from qutiperf.run.plan import Group
from qutiperf.run.preparation import preparations_of
from qutiperf.spec.config import shortened
from qutiperf.spec.sweep import Sweep

_TAX_S = 2.0  # to measure the overhead of the harness


class Strategy(StrEnum):
    """Everything in the planned order, or what may be on the front of the figures."""

    FULL = "full"
    PARETO = "pareto"


@dataclass(frozen=True, slots=True)
class Effort:
    """By default everything is measured, however long it takes."""

    strategy: Strategy = Strategy.FULL
    budget: Budget = field(default_factory=Budget)

    @property
    def is_whole(self) -> bool:
        return self.strategy is Strategy.FULL and self.budget.seconds is None

    def check(self, sweep: Sweep, groups: Sequence[Group], *, again: bool) -> None:
        """Raises InputError if the strategy does not fit the sweep."""
        if self.strategy is Strategy.PARETO:
            if again:
                raise InputError("--again has no effect with --strategy pareto", cure="name another --out")
            check_searchable(sweep, groups)

    def check_budget(self, left: Sequence[Group]) -> None:
        """Raises InputError if not even the first of the runs that are left fits."""
        if left:
            before_s = _TAX_S + sum(each.estimated_s for each in preparations_of(left[:1]))
            self.budget.check_first(left[0], before_s)

    def keep(self, store: Store, settings: list[LeftOutSetting], probes: int) -> str | None:
        """Stores what was left out, and returns a note about it.

        A command that had to measure everything replaces an earlier file only once it has done so.
        """
        if self.is_whole and (settings or not (store.folder / LEFT_OUT).exists()):
            return None
        left_out = LeftOut(
            strategy=self.strategy.value,
            budget_s=self.budget.seconds,
            elapsed_s=round(self.budget.elapsed_s, 3),
            probes=probes,
            settings=settings,
        )
        write_left_out(store, left_out)
        return left_out.line and f"{left_out.line}: qutiperf show {store.folder} --left-out"


def effort_of(strategy: str | None, budget: str | float | None) -> Effort:
    """From a name and a duration (`30m`, or seconds), None for the default; raises InputError."""
    if strategy is not None and strategy not in list(Strategy):
        problem = f"'{shortened(str(strategy), 80)}' is not a strategy"
        raise InputError(problem, where="--strategy", cure="use full or pareto")
    seconds = None if budget is None else seconds_of_budget(budget)
    return Effort(Strategy(strategy or Strategy.FULL), Budget(seconds))
