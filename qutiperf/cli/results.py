"""Reads a results folder for the verbs, and says on standard error what they leave out."""

from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.cli import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qutiperf.errors import InputError
    from qutiperf.results.selection import Selection

_MOST_NAMED = 10


def read_results(folder: Path, *, everything: bool = False) -> "Selection":
    """Names damaged parts; leaves superseded runs out unless `everything`; raises InputError."""
    from qutiperf.results.selection import select

    selection = select(folder, everything=everything)
    report_selection(selection)
    return selection


def report_selection(selection: "Selection") -> None:
    """What is damaged, and how many superseded runs are left out."""
    report_damaged(selection.damaged)
    if selection.omitted:
        runs = "1 run" if selection.omitted == 1 else f"{selection.omitted} runs"
        console.note(f"{runs} of files that have changed since are left out (--all of `show` has them)")
    if selection.probes:
        probes = "1 probe is" if selection.probes == 1 else f"{selection.probes} probes are"
        console.note(f"{probes} left out, as short runs are not compared with full ones (--all of `show`)")


def report_damaged(damaged: "Sequence[InputError]") -> None:
    """One line for each, up to ten."""
    for error in damaged[:_MOST_NAMED]:
        console.error(str(error))
    if len(damaged) > _MOST_NAMED:
        console.error(f"{len(damaged) - _MOST_NAMED} more are damaged and were skipped")
