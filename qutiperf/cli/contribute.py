"""`qutiperf contribute RESULTS --out FILE`: a results folder as one file for others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qutiperf.cli import console

if TYPE_CHECKING:
    from qutiperf.packs.contribution import Contribution


def contribute(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    out: Annotated[Path, typer.Option(help="The new file, as mine.zip.")],
    licence: Annotated[
        str | None, typer.Option(help="The licence for others, as CC-BY-4.0; default not stated.")
    ] = None,
    creator: Annotated[str | None, typer.Option(help="Who measured.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the file and what it holds.")] = False,
) -> None:
    """Check a results folder and pack its runs, audits and tables into one file for others.

    `qutiperf import FILE --out FOLDER` makes a results folder of it again. Equal folders give equal files.
    """
    from qutiperf.packs.contribution import contribution
    from qutiperf.packs.writing import write_pack
    from qutiperf.report.data_package import check_licence

    if licence is not None:
        check_licence(licence)
    given = contribution(results)
    manifest = write_pack(given, out, licence, creator)
    if as_json:
        facts = manifest.model_dump(exclude={"files"})
        console.out_json({"file": str(out), "files": len(manifest.files), **facts})
        return
    console.out_line(str(out))
    for line in _notes(given, licence):
        console.note(line)


def _notes(given: "Contribution", licence: str | None) -> list[str]:
    """What a contributor should know before the file is sent."""
    runs = [f"{len(given.records):,} runs"]
    invalid = sum(not record.valid for record in given.records)
    failed = sum(verdict.outcome == "fail" for each in given.verdicts.values() for verdict in each)
    runs += [f"{invalid:,} INVALID or failed"] if invalid else []
    runs += [f"{failed:,} audits fail"] if failed else []
    runs += [] if given.verdicts else ["no audits are stored"]
    notes = [", ".join(runs)]
    if given.hosts:
        notes.append(f"its records name the machine: {', '.join(given.hosts[:5])}")
    if given.left_out:
        notes.append(f"left out, as no part of the results: {', '.join(given.left_out[:5])}")
    if licence is None:
        notes.append("no licence is stated, so others may not use it; --licence CC-BY-4.0 names one")
    return notes
