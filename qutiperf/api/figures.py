"""Figures for papers and notebooks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.report.figure import check_file, draw_figure, save_figure
from qutiperf.report.sources import read_sources
from qutiperf.results.table import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_X, DEFAULT_Y = "system_throughput_ips", "top1_percent"


def plot(
    results: str | Path | Sequence[str | Path],
    *,
    x: str = DEFAULT_X,
    y: str = DEFAULT_Y,
    where: Row | None = None,
    out: str | Path | None = None,
) -> "Figure":
    """A matplotlib figure of two figures of merit with the Pareto front, as `qutiperf plot` writes it.

    `results` are results folders, published tables or files, `where` keeps rows with these values
    ({"task": "imagenet"}), and `out` is the file to write. Raises InputError, and SetupError without
    matplotlib.
    """
    names = [results] if isinstance(results, str | Path) else list(results)
    if out is not None:
        check_file(Path(out))
    rows = read_sources([str(name) for name in names]).rows
    kept = [row for row in rows if all(row.get(name) == value for name, value in (where or {}).items())]
    figure = draw_figure(kept, x, y)
    if out is not None:
        save_figure(figure, Path(out))
    return figure
