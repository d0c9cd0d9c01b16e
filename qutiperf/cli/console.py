"""What the verbs print with: tables, JSON, CSV, progress, one-line errors."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qutiperf.units import NOT_MEASURED, format_number

if TYPE_CHECKING:
    from rich.console import Console

_state = {"quiet": False}


def be_quiet(quiet: bool = True) -> None:
    """Whether only results and errors are printed from now on."""
    _state["quiet"] = quiet


def is_quiet() -> bool:
    return _state["quiet"]


def out(text: str = "") -> None:
    """A result, to standard output."""
    print(text)


def note(text: str) -> None:
    """Something on the way, to standard error, unless quiet."""
    if not _state["quiet"]:
        print(text, file=sys.stderr)


def error(text: str) -> None:
    print(f"qutiperf: {text}", file=sys.stderr)


def out_json(value: object) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))


def out_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows as CSV; unknown is an empty cell, a list is joined with `; `."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _csv_cell(value) for key, value in row.items()} for row in rows)


def _csv_cell(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def console(*, stderr: bool = False) -> "Console":
    """A rich console as wide as the terminal, or 160 columns where there is none."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 160)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table; numbers to four digits and to the right, unknown as a dash."""
    from rich import box
    from rich.table import Table

    drawn = Table(
        title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0)
    )
    for number, name in enumerate(columns):
        numeric = any(_is_number(row[number]) for row in rows)
        drawn.add_column(
            name, justify="right" if numeric else "left", overflow="fold", min_width=_width(rows, number)
        )
    for row in rows:
        drawn.add_row(*[_cell(value) for value in row])
    console().print(drawn)


def _width(rows: Sequence[Sequence[object]], number: int) -> int:
    """Of the column's widest cell, so that titles are wrapped and cells are not."""
    return min(max((len(_cell(row[number])) for row in rows), default=0), 60)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    from rich.markup import escape

    if value is None:
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return format_number(value) if isinstance(value, float) else f"{value:,}"
    return escape(str(value))
