"""Output of the verbs: tables, JSON, CSV, progress, one-line errors."""

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from qutiperf.printable import bounded, json_text, one_line, printable, spreadsheet_text
from qutiperf.units import NOT_MEASURED, format_number

if TYPE_CHECKING:
    from rich.console import Console

_state = {"quiet": False}
# Maximum characters of a cell, message and line; longer ones come from damaged or hostile files.
_CELL, _MESSAGE, _LINE = 200, 2000, 10_000
_LONGEST_WORD, _FOLDED = 60, 30  # width of a column that has such a word, and to which text may be folded


def be_quiet(quiet: bool = True) -> None:
    """Prints only results and errors from now on."""
    _state["quiet"] = quiet


def is_quiet() -> bool:
    return _state["quiet"]


def out(text: str = "") -> None:
    """Prints a result to standard output; escapes control characters, cuts very long lines."""
    print("\n".join(bounded(line, _LINE) for line in printable(text).split("\n")))


def out_line(text: str) -> None:
    """Prints one line of a result with text from records; escapes newlines."""
    print(one_line(bounded(text, _MESSAGE)))


def note(text: str) -> None:
    """Prints one line about progress to standard error, unless quiet."""
    if not _state["quiet"]:
        print(one_line(bounded(text, _MESSAGE)), file=sys.stderr)


def error(text: str) -> None:
    """Prints one line to standard error."""
    print(f"qutiperf: {one_line(bounded(text, _MESSAGE))}", file=sys.stderr)


def out_json(value: object) -> None:
    """Prints JSON; unknown values, NaN and infinity are null."""
    print(_json(value, indent=1))


def json_line(value: object) -> str:
    """JSON on one line; unknown values, NaN and infinity are null."""
    return _json(value, indent=None)


def _json(value: object, indent: int | None) -> str:
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:  # NaN or infinity
        text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return json_text(text)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def event(value: Mapping[str, object]) -> None:
    """Prints one event as a JSON object with its time on one line of standard error."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json_line({"time_utc": now, **value}), file=sys.stderr, flush=True)


def out_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """Prints rows as CSV with the union of their columns; unknown is an empty cell, lists are joined by `; `.

    Text that a spreadsheet would read as a formula is prefixed with an apostrophe; numbers stay numbers.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([spreadsheet_text(name) for name in columns])
    writer.writerows([_csv_cell(row.get(name)) for name in columns] for row in rows)


def out_json_rows(rows: Iterable[Mapping[str, object]]) -> None:
    """As `out_json` of an array, one row after the other."""
    separator = "[\n "
    for row in rows:
        sys.stdout.write(separator + json_line(row))
        separator = ",\n "
    print("[]" if separator.startswith("[") else "\n]")


def out_csv_rows(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """As `out_csv` with known columns, one row after the other."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row.get(name)) for name in columns] for row in rows)


def _csv_cell(value: object) -> object:
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return spreadsheet_text(value) if isinstance(value, str) else value


def console(*, stderr: bool = False) -> "Console":
    """A rich console as wide as the terminal, or 160 columns without one."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 160)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table; numbers are right-aligned with four digits, unknown is a dash.

    Lines are longer than the terminal where the words do not fit: nothing is cut off.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        title=Text(one_line(bounded(title, _CELL))) if title else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    width = 2 * len(columns) + 1
    for number, name in enumerate(columns):
        cells = [_cell(row[number]) for row in rows]
        least = _least_width(name, cells)
        width += least
        drawn.add_column(
            Text(one_line(bounded(name, _CELL))),
            justify="right" if any(_is_number(row[number]) for row in rows) else "left",
            overflow="fold",
            min_width=least,
        )
    for row in rows:
        drawn.add_row(*[Text(_cell(value)) for value in row])
    shown = console()
    shown.print(drawn, width=max(width, shown.width), crop=False, no_wrap=True)


def _least_width(title: str, cells: Sequence[str]) -> int:
    """Width in which only long text is folded, and that between words, if these are not overlong."""
    text = min(max(map(len, cells), default=0), _FOLDED)
    words = chain(title.split(), *map(str.split, cells))
    return max(text, min(max(map(len, words), default=0), _LONGEST_WORD))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return format_number(value) if isinstance(value, float) else f"{value:,}"
    return one_line(bounded(str(value), _CELL))
