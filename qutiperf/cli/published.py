"""`qutiperf import`: results of others: published ones in one schema, and packs of results folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.published.plausibility import Implausible
    from qutiperf.published.result import PublishedResult

_REFERENCE = "reference"
_SHOWN = ("round", "submitter", "platform", "benchmark", "scenario", "figure", "unit", "inferred")
_MOST_SHOWN = 40


def import_results(
    sources: Annotated[
        list[str], typer.Argument(help=f"Tables, or submission trees; `{_REFERENCE}`: those that ship.")
    ],
    mlperf_round: Annotated[
        str | None, typer.Option("--round", help="The round of a submission tree.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write all rows to this CSV; of a pack, the new folder.")
    ] = None,
    as_json: bool = typer.Option(False, "--json", help="Print an array of objects, one a row."),
    plausibility: bool = typer.Option(
        False, "--plausibility", help="Print the rows whose figures cannot all be right instead."
    ),
) -> None:
    """Read published results: MLPerf tables and trees, an Endpoints summary, QuTiBench CSV; or a pack.

    A pack of `qutiperf contribute` is checked and becomes the results folder --out.

    MLPerf and its results are MLCommons'. A tree's row is unverified unless MLCommons published it.
    """
    if any(_is_pack(name) for name in sources):
        return _import_pack(sources, out, mlperf_round, as_json=as_json, plausibility=plausibility)
    results = [row for name in sources for row in _read(name, mlperf_round)]
    if out is not None:
        _write(results, out)
    if plausibility:
        _print_implausible(results, as_json)
    elif as_json:
        console.out_json_rows(result.model_dump() for result in results)
    elif out is None:
        _print(results)
    return None


def _is_pack(name: str) -> bool:
    from qutiperf.packs.reading import is_pack

    return name != _REFERENCE and not Path(name).is_dir() and is_pack(Path(name))


def _import_pack(
    sources: list[str], out: Path | None, mlperf_round: str | None, *, as_json: bool, plausibility: bool
) -> None:
    """A results folder from the one pack that is named."""
    from qutiperf.errors import InputError
    from qutiperf.packs.reading import import_pack

    [name] = [each for each in sources if _is_pack(each)][:1]
    if len(sources) > 1:
        raise InputError("is a pack of results, which is imported alone", where=name)
    if mlperf_round is not None or plausibility:
        option = "--round" if mlperf_round is not None else "--plausibility"
        raise InputError(f"has no effect on a pack of results: {name}", where=option, cure="leave it out")
    if out is None:
        cure = f"qutiperf import {name} --out FOLDER"
        raise InputError("is a pack of results, which needs a folder", where=name, cure=cure)
    manifest = import_pack(Path(name), out)
    if as_json:
        console.out_json({"folder": str(out), **manifest.model_dump(exclude={"files"})})
        return
    console.out_line(str(out))
    by = f" by {manifest.creator}" if manifest.creator else ""
    licence = manifest.licence or "no licence stated"
    console.note(f"{manifest.runs:,} runs{by}, {licence}; `qutiperf show {out}` lists them")


def _read(name: str, mlperf_round: str | None) -> "list[PublishedResult]":
    from qutiperf.errors import InputError
    from qutiperf.published.files import read_published
    from qutiperf.published.reference import mlperf_results, qutibench_results

    path = Path(name)
    if name == _REFERENCE and not path.exists():
        return [*mlperf_results(), *qutibench_results()]
    if not path.is_dir():
        return read_published(path)
    if mlperf_round is None:
        raise InputError(
            "is a folder, and no --round says by which rules", where=name, cure="add --round v6.0"
        )
    from qutiperf.submission.published_rows import tree_results

    return tree_results(path, mlperf_round)


def _write(results: "list[PublishedResult]", out: Path) -> None:
    from qutiperf.errors import SetupError
    from qutiperf.published.result import to_csv

    try:
        out.write_text(to_csv(results), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot be written: {error.strerror}", where=f"--out {out}") from None
    console.note(f"{len(results):,} rows: {out}")


def _print(results: "list[PublishedResult]") -> None:
    rows = [[getattr(result, name) for name in _SHOWN] for result in results[:_MOST_SHOWN]]
    count = "1 published result" if len(results) == 1 else f"{len(results):,} published results"
    console.table(count, _SHOWN, rows)
    if len(results) > _MOST_SHOWN:
        console.note(f"the first {_MOST_SHOWN} are shown; --out FILE.csv and --json have all")


def _print_implausible(results: "list[PublishedResult]", as_json: bool) -> None:
    from qutiperf.published.cited_peaks import ops_per_input, peak_ops_per_s
    from qutiperf.published.plausibility import implausible

    flagged = implausible(results, peak_ops_per_s, ops_per_input)
    if as_json:
        console.out_json([each.as_row() for each in flagged])
        return
    for each in flagged:
        console.out_line(_line(each))
    rows = "1 row" if len(results) == 1 else f"{len(results):,} rows"
    relations = "1 relation does" if len(flagged) == 1 else f"{len(flagged)} relations do"
    console.out(f"{rows}, {relations} not hold")


def _line(each: "Implausible") -> str:
    share = f"{each.short_by_percent:.1f} %"
    return f"{each.relation}: {each.first.name}: {each.what} ({share}); likely: {each.likely}"
