"""The best setting of a results folder under requirements."""

from collections.abc import Sequence
from pathlib import Path

from qutiperf.api.frame import warn_of_damaged
from qutiperf.errors import InputError
from qutiperf.results.choice import Choice, Goal, choose
from qutiperf.results.requirement import parse_requirement
from qutiperf.results.selection import Selection, select
from qutiperf.results.table import COLUMNS, Row, rows
from qutiperf.spec.config import nearest


def best(
    results: str | Path,
    require: Sequence[str] = (),
    *,
    maximise: str | None = None,
    minimise: str | None = None,
) -> Choice:
    """The valid setting with the highest `maximise` or the lowest `minimise` that meets every requirement.

    A requirement is text: "system_latency_p99_ms <= 5", "top1_percent >= 99% of fp32", "scenario == Offline".
    Damaged parts of the folder are left out with a UserWarning each. Raises InputError for an unknown column,
    and if no valid run has the figure.
    """
    selection = select(Path(results))
    warn_of_damaged(selection.damaged)
    return best_of(selection, require, maximise, minimise)


def best_of(
    selection: Selection, require: Sequence[str], maximise: str | None, minimise: str | None
) -> Choice:
    table = rows(selection.records)
    known = list(table[0]) if table else list(COLUMNS)
    requirements = [parse_requirement(text, known) for text in require]
    return choose(table, requirements, _goal(maximise, minimise, table, known))


def _goal(maximise: str | None, minimise: str | None, table: Sequence[Row], known: Sequence[str]) -> Goal:
    column = maximise if maximise is not None else minimise
    if column is None or (maximise is not None and minimise is not None):
        raise InputError("name one figure to maximise or to minimise", cure="maximise system_throughput_ips")
    if column not in known:
        raise InputError(f"unknown figure '{column}'", cure=nearest(column, known))
    if COLUMNS.get(column, float) is not float or any(isinstance(row.get(column), str) for row in table):
        raise InputError(f"{column} is not a figure", cure="system_throughput_ips, ips_per_watt")
    return Goal(column, highest=maximise is not None)
