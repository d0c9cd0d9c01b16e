"""Analyses of measured rows: correlation, orthogonality of optimisations, Pareto fronts, quartiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qutiperf.errors import InputError
from qutiperf.level0.scores import correlation, front
from qutiperf.spec.config import nearest

# figures for which more is better; for all others, less is better
HIGHER_IS_BETTER = frozenset(
    {
        *("system_throughput_ips", "compute_throughput_ips", "system_gops", "compute_gops", "top1_percent"),
        *("top5_percent", "ips_per_watt", "utilisation_percent", "compute_efficiency_percent"),
    }
)


@dataclass(frozen=True, slots=True)
class AnalysedRow:
    """One measured row: the names to group and label by, and the known figures.

    `impossible` names figures that are left out because they would exceed 100 %.
    """

    sut: str
    operating_mode: str
    task: str
    network: str
    topology: str
    channel_scale_percent: float | None
    datatype: str | None
    setting: str
    figures: Mapping[str, float]
    impossible: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        mode = "" if self.operating_mode == "default" else f" {self.operating_mode}"
        return f"{self.sut}{mode} {self.network} {self.datatype or ''} {self.setting}".strip()


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of two figures over the rows of one platform and task; None if undefined."""

    sut: str
    task: str
    n: int
    pearson: float | None
    pearson_log: float | None
    spearman: float | None


def correlations(rows: Sequence[AnalysedRow], left: str, right: str) -> list[Correlation]:
    """One line per platform and task that has both figures, and `all`."""
    usable = _with(rows, left, right)
    groups = [("all", "all", usable)]
    for sut, task in sorted({(row.sut, row.task) for row in usable}):
        groups.append((sut, task, [row for row in usable if (row.sut, row.task) == (sut, task)]))
    lines = []
    for sut, task, group in groups:
        one = np.array([row.figures[left] for row in group])
        two = np.array([row.figures[right] for row in group])
        lines.append(
            Correlation(
                sut=sut,
                task=task,
                n=len(group),
                pearson=correlation(one, two, "pearson"),
                pearson_log=correlation(np.log(one), np.log(two), "pearson"),
                spearman=correlation(one, two, "spearman"),
            )
        )
    return lines


@dataclass(frozen=True, slots=True)
class Orthogonality:
    """Quantisation and pruning of one network: the gain of each alone and of both, from unrounded values.

    A base, B quantised, C pruned, D both: pruning_gain = C/A, quantisation_gain = B/A, both_gain = D/A and
    ratio = AD/(BC): at 1 the two gains multiply; above 1 they reinforce each other. For figures for which
    less is better, the gains are inverted, so that values above 1 are always improvements.
    """

    sut: str
    operating_mode: str
    topology: str
    setting: str
    base_datatype: str
    quantised_datatype: str
    pruned_percent: float
    pruning_gain: float
    quantisation_gain: float
    both_gain: float
    ratio: float


def orthogonality(rows: Sequence[AnalysedRow], figure: str) -> list[Orthogonality]:
    """Every pair of datatypes (wide, narrow) with every narrower scale of the same network and setting."""
    table: dict[tuple[str, ...], dict[tuple[str, float], float]] = {}
    for row in _with(rows, figure):
        if row.datatype is not None and row.channel_scale_percent is not None:
            key = (row.sut, row.operating_mode, row.topology, row.setting)
            value = row.figures[figure]
            improvement = value if figure in HIGHER_IS_BETTER else 1 / value
            table.setdefault(key, {})[row.datatype, row.channel_scale_percent] = improvement
    return [one for key, values in table.items() for one in _orthogonal(key, values)]


def _orthogonal(key: tuple[str, ...], values: Mapping[tuple[str, float], float]) -> list[Orthogonality]:
    """All combinations within one platform, network and setting that have the four values."""
    combinations = []
    full = max((scale for _, scale in values), default=0.0)
    datatypes = sorted({datatype for datatype, _ in values}, key=_width, reverse=True)
    for wide, narrow in ((a, b) for a in datatypes for b in datatypes if _width(a) > _width(b)):
        for scale in sorted({scale for _, scale in values if scale < full}, reverse=True):
            four = [
                values.get(corner)
                for corner in ((wide, full), (narrow, full), (wide, scale), (narrow, scale))
            ]
            known = [value for value in four if value is not None]
            if len(known) == 4:
                base, quantised, pruned, both = known
                combinations.append(
                    Orthogonality(
                        *(key[0], key[1], key[2], key[3], wide, narrow, scale),
                        pruning_gain=pruned / base,
                        quantisation_gain=quantised / base,
                        both_gain=both / base,
                        ratio=base * both / (quantised * pruned),
                    )
                )
    return combinations


def _width(datatype: str) -> int:
    """The bits in the name of a datatype, 0 if there are none."""
    digits = "".join(sign for sign in datatype if sign.isdigit())
    return int(digits) if digits else 0


def pareto(rows: Sequence[AnalysedRow], figures: Sequence[str]) -> list[AnalysedRow]:
    """Rows that no other row beats in all figures, sorted by the first figure, best first."""
    usable = _with(rows, *figures)
    signs = np.array([-1.0 if figure in HIGHER_IS_BETTER else 1.0 for figure in figures])
    costs = np.array([[row.figures[figure] for figure in figures] for row in usable]) * signs
    return [usable[number] for number in sorted(front(costs), key=lambda number: float(costs[number][0]))]


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Spread of a figure over the `n` rows of a platform and task that have it.

    `above_100` more rows are left out because their figure, an efficiency, would exceed 100 %.
    """

    sut: str
    task: str
    n: int
    above_100: int
    minimum: float
    first: float
    median: float
    third: float
    maximum: float


def quartiles(rows: Sequence[AnalysedRow], figure: str) -> list[Quartiles]:
    """One line per platform and task that has the figure."""
    usable = _with(rows, figure)
    spreads = []
    for sut, task in sorted({(row.sut, row.task) for row in usable}):
        values = [row.figures[figure] for row in usable if (row.sut, row.task) == (sut, task)]
        group = [row for row in rows if (row.sut, row.task) == (sut, task)]
        above = sum(figure in row.impossible for row in group)
        five = [float(value) for value in np.percentile(values, [0, 25, 50, 75, 100])]
        spreads.append(Quartiles(sut, task, len(values), above, *five))
    return spreads


def _with(rows: Sequence[AnalysedRow], *figures: str) -> list[AnalysedRow]:
    """Rows that have all of the figures; raises InputError if there are none."""
    usable = [row for row in rows if all(figure in row.figures for figure in figures)]
    if usable:
        return usable
    known = {figure for row in rows for figure in row.figures}
    for figure in figures:
        if figure not in known:
            raise InputError(f"no row has the figure '{figure}'", cure=nearest(figure, known))
    raise InputError(f"no row has all of {', '.join(figures)}", cure=f"known: {', '.join(sorted(known))}")
