"""What a setting must hold to be chosen: a column, a comparison and a bound, written as text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from qutiperf.errors import InputError
from qutiperf.results.table import COLUMNS, Cell
from qutiperf.spec.config import nearest, shortened

_FORM = re.compile(r"\s*(\w+)\s*(>=|<=|==|!=|=|>|<)\s*(.*?)\s*", re.DOTALL)
_RELATIVE = re.compile(r"(\S+?)\s*%\s+of\s+(\S+)")
BestValues = dict[tuple[str, str], float]  # by column and datatype
_CURE = 'write "system_latency_p99_ms <= 5", "top1_percent >= 99% of fp32" or "scenario == Offline"'


@dataclass(frozen=True, slots=True)
class Requirement:
    """`column operator bound`; with `datatype` the bound is percent of the best value of that datatype."""

    text: str
    column: str
    operator: str
    bound: float | str
    datatype: str | None = None

    @property
    def numeric(self) -> bool:
        return isinstance(self.bound, float)

    def holds(self, cell: Cell, bound: float | str) -> bool:
        """False for an unknown value; text is compared as a glob, without case."""
        if cell is None:
            return False
        if isinstance(bound, str):
            same = fnmatchcase(str(cell).lower(), bound.lower())
            return same if self.operator == "==" else not same
        value = float(str(cell))
        return {
            ">=": value >= bound,
            "<=": value <= bound,
            ">": value > bound,
            "<": value < bound,
            "==": value == bound,
            "!=": value != bound,
        }[self.operator]


def parse_requirement(text: str, columns: Iterable[str]) -> Requirement:
    """Raises InputError for an unknown column, and for a comparison or bound that does not fit its type."""
    form = _FORM.fullmatch(text)
    if form is None or not form[3]:
        raise InputError(f"'{shortened(text, 80)}' is not a requirement", where="--require", cure=_CURE)
    column, operator, bound = form[1], "==" if form[2] == "=" else form[2], form[3]
    known = list(columns)
    if column not in known:
        raise InputError(f"unknown column '{column}'", where="--require", cure=nearest(column, known))
    if COLUMNS.get(column, float) not in (int, float):
        return _of_text(text, column, operator, bound)
    relative = _RELATIVE.fullmatch(bound)
    number = _number(relative[1] if relative else bound)
    if number is None:
        problem = f"'{shortened(bound, 80)}' is not a number, as {column} is"
        raise InputError(problem, where="--require", cure=_CURE)
    return Requirement(text.strip(), column, operator, number, relative[2].lower() if relative else None)


def _of_text(text: str, column: str, operator: str, bound: str) -> Requirement:
    if operator not in ("==", "!="):
        problem = f"{column} is text and cannot be compared with {operator}"
        raise InputError(problem, where="--require", cure="use == or !=, with * and ? for any letters")
    return Requirement(text.strip(), column, operator, bound.strip("'\""))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def absolute(requirement: Requirement, best: BestValues) -> float | str:
    """The bound as a value; raises InputError if it is relative to a datatype without a value."""
    if requirement.datatype is None or isinstance(requirement.bound, str):
        return requirement.bound
    value = best.get((requirement.column, requirement.datatype))
    if value is None:
        have = sorted({datatype for column, datatype in best if column == requirement.column})
        cure = f"the results have it for: {', '.join(have)}" if have else "no run has it; give a number"
        problem = f"no valid run of datatype {requirement.datatype} has {requirement.column}"
        raise InputError(problem, where=f"--require '{requirement.text}'", cure=cure)
    return requirement.bound / 100.0 * value
