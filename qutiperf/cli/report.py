"""`qutiperf report RESULTS...`: a site of pages and charts that opens from disk."""

from pathlib import Path
from typing import Annotated

import typer

from qutiperf.cli import console


def report(
    results: Annotated[
        list[str],
        typer.Argument(
            help="Results folders, published tables (qutibench, mlperf-v6.0) or files that `import` reads."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The site's folder; default <name of the first>-report.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The site's title; default the names of RESULTS.")] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="Add a page that sets the runs beside this table (mlperf-v6.0, qutibench)."
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="Licence of the data in its metadata, as CC-BY-4.0; default not stated."),
    ] = None,
    creator: Annotated[str | None, typer.Option(help="Who publishes the data, in its metadata.")] = None,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write the tables as Parquet, too; needs pyarrow.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the index's path and the counts.")] = False,
) -> None:
    """Write a site with the answers, charts and tables of results; it needs no server and no network.

    An older report in the folder is replaced. Each page's view (filters, axes, sorting) is in its address.
    """
    from qutiperf.cli.results import report_damaged
    from qutiperf.report.beside import beside
    from qutiperf.report.data_package import check_licence
    from qutiperf.report.downloads import check_parquet
    from qutiperf.report.pages import page_name
    from qutiperf.report.site import check_target, write_site
    from qutiperf.report.sources import read_sources

    if out is not None:
        check_target(out)
    if licence is not None:
        check_licence(licence)
    if parquet:
        check_parquet()
    sources = read_sources(results)
    report_damaged(sources.damaged)
    folder = out or Path(f"{page_name(sources.labels[0])}-report")
    records = [record for each in sources.recorded for record in each.records]
    verdicts = {run: found for each in sources.recorded for run, found in each.verdicts.items()}
    compared = beside(records, published, verdicts=verdicts) if published else []
    written = write_site(
        *(sources, folder, title or ", ".join(sources.labels), compared),
        licence=licence,
        creator=creator,
        parquet=parquet,
    )
    if as_json:
        console.out_json({"index": str(written.index), "pages": written.pages, "rows": written.rows})
        return
    console.out_line(str(written.index))
    console.note(f"{written.rows:,} rows on {written.pages:,} pages; open the file in a browser")
