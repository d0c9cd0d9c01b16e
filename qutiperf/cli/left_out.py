"""`qutiperf show RESULTS --left-out`: what a budget or a search did not measure, and why."""

from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.cli import console
from qutiperf.cli.results import read_results
from qutiperf.errors import InputError
from qutiperf.units import format_duration

if TYPE_CHECKING:
    from qutiperf.results.left_out import LeftOut

_COLUMNS = ("run_ids", "sut", "workload", "scenario", "mode", "kind", "reason")


def print_left_out(folder: Path, left_out: "LeftOut | None") -> None:
    """One line below a table of runs."""
    if left_out is not None and left_out.line:
        console.out_line(f"{left_out.line}: qutiperf show {folder} --left-out")


def show_left_out(folder: Path, *, as_json: bool, as_csv: bool) -> None:
    """A line for each setting; raises InputError if no budget and no search was used in the folder."""
    left_out = read_results(folder).left_out
    if left_out is None:
        cure = "`qutiperf run --budget` and `--strategy pareto` leave settings out"
        raise InputError("has nothing that was left out", where=str(folder), cure=cure)
    rows: list[dict[str, object]] = []
    for setting in left_out.settings:
        row = setting.model_dump(mode="json")
        rows.append({**{name: row[name] for name in _COLUMNS[:5]}, **row["deployment"]} | _why(row))
    if as_json:
        head = left_out.model_dump(mode="json", exclude={"settings", "schema_version"})
        console.out_json({**head, "settings": rows})
    elif as_csv:
        names = list(dict.fromkeys(name for row in rows for name in row))
        flat = [{**row, "run_ids": " ".join(map(str, list(row["run_ids"])))} for row in rows]  # type: ignore[call-overload]
        console.out_csv([{name: row.get(name) for name in names} for row in flat])
    else:
        _print_table(left_out, rows)


def _why(row: dict[str, object]) -> dict[str, object]:
    return {name: row[name] for name in ("kind", "reason")}


def _print_table(left_out: "LeftOut", rows: list[dict[str, object]]) -> None:
    names = list(
        dict.fromkeys(name for row in rows for name in row if name not in ("run_ids", "kind", "mode"))
    )
    names = [*[name for name in names if name != "reason"], "reason"]
    if rows:
        console.table("left out", names, [[row.get(name) for name in names] for row in rows])
    budget = "" if left_out.budget_s is None else f" of {format_duration(left_out.budget_s)}"
    probes = f", {left_out.probes:,} probes" if left_out.strategy == "pareto" else ""
    took = format_duration(left_out.elapsed_s)
    console.out_line(f"strategy {left_out.strategy}: {took}{budget}{probes}; {len(rows):,} settings left out")
