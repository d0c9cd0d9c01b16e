"""One figure for a paper: rows as points with their Pareto front, drawn by matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qutiperf.errors import InputError, SetupError
from qutiperf.report.columns import BY_NAME, CLEAN, Row, columns_of
from qutiperf.spec.config import nearest, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".pdf", ".png")
_LOG_ABOVE = 20.0
_MARKERS = "os^Dv<>Pp*hXd"
_MOST_SYSTEMS = 12


def draw_figure(rows: Sequence[Row], x: str, y: str) -> "Figure":
    """Points by system and the front as steps; raises InputError for figures that the rows do not have."""
    points = points_of(rows, x, y)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        cure = "pip install 'qutiperf[plot]'"
        raise SetupError("matplotlib is not installed", cure=cure) from None
    figure = Figure(figsize=(5.0, 3.4), layout="constrained")
    axes = figure.add_subplot()
    systems = list(dict.fromkeys(str(row["sut"]) for row, _, _ in points))
    for number, sut in enumerate(systems[:_MOST_SYSTEMS]):
        mine = [(a, b) for row, a, b in points if row["sut"] == sut]
        _scatter(axes, mine, sut, _MARKERS[number % len(_MARKERS)])
    rest = [(a, b) for row, a, b in points if str(row["sut"]) in systems[_MOST_SYSTEMS:]]
    if rest:
        _scatter(axes, rest, f"{len(systems) - _MOST_SYSTEMS} more systems", ".")
    front = front_of_points([(a, b) for _, a, b in points], _sign(x), _sign(y))
    style: Literal["steps-post", "steps-pre"] = "steps-post" if _sign(x) < 0 else "steps-pre"
    xs, ys = zip(*front, strict=True)
    axes.plot(xs, ys, drawstyle=style, color="black", linewidth=1, zorder=1)
    for name, values, scale, label in (
        (x, [a for _, a, _ in points], axes.set_xscale, axes.set_xlabel),
        (y, [b for _, _, b in points], axes.set_yscale, axes.set_ylabel),
    ):
        if min(values) > 0 and max(values) / min(values) > _LOG_ABOVE:
            scale("log")
        label(_title(name))
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)
    axes.legend(fontsize="small", frameon=False)
    return figure


def _scatter(axes: "Axes", points: Sequence[tuple[float, float]], label: str, marker: str) -> None:
    # a dollar sign would begin a formula, an underscore hides the entry
    text = shortened(label, 40).replace("$", r"\$").lstrip("_")
    xs, ys = zip(*points, strict=True)
    axes.scatter(xs, ys, s=14, alpha=0.75, marker=marker, label=text, zorder=2)


def points_of(rows: Sequence[Row], x: str, y: str) -> list[tuple[Row, float, float]]:
    """Unmarked performance rows that have both figures, or marked ones if there are no others."""
    known = {column.name for column in columns_of(list(rows)) if column.kind != "string"}
    for name, where in ((x, "--x"), (y, "--y")):
        if name not in known:
            what = f"no row has the figure '{shortened(name, 80)}'"
            raise InputError(what, where=where, cure=nearest(name, known))
    points = [
        (row, float(a), float(b))
        for row in rows
        if row.get("mode") in (None, "PerformanceOnly")
        and row["status"] not in ("INVALID", "failed")
        and isinstance(a := row.get(x), int | float)
        and isinstance(b := row.get(y), int | float)
    ]
    if not points:
        raise InputError(f"no valid row has both {x} and {y}", cure="choose figures of one scenario")
    clean = [point for point in points if point[0]["status"] in CLEAN]
    return clean or points


def front_of_points(
    points: Sequence[tuple[float, float]], sign_x: int, sign_y: int
) -> list[tuple[float, float]]:
    """Points that no other beats, in the order of x; a sign is 1 where more is better, -1 where less is."""
    front: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda each: (-sign_x * each[0], -sign_y * each[1])):
        if not front or sign_y * point[1] > sign_y * front[-1][1]:
            front.append(point)
    return sorted(front)


def _sign(name: str) -> int:
    column = BY_NAME.get(name)
    return -1 if column is not None and column.better == "lower" else 1


def _title(name: str) -> str:
    column = BY_NAME.get(name)
    if column is None:
        return name.replace("_", " ").replace("$", r"\$")
    return f"{column.title} ({column.unit})" if column.unit else column.title


def check_file(out: Path) -> None:
    """Raises InputError for a format that is not one of SUFFIXES."""
    if out.suffix.lower() not in SUFFIXES:
        cure = f"end the name with {', '.join(SUFFIXES)}"
        raise InputError("is not a picture's name", where=str(out), cure=cure)


def save_figure(figure: "Figure", out: Path) -> None:
    """Raises SetupError if the file cannot be written."""
    try:
        figure.savefig(out, dpi=200)
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=str(out)) from None
