"""Writes a report as a folder of pages that open from disk: completely, or not at all."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf import __version__
from qutiperf.errors import InputError, SetupError
from qutiperf.printable import bounded, one_line, printable
from qutiperf.report import pages
from qutiperf.report.beside import DERIVED_NOTE, Beside
from qutiperf.report.bundles import copy_bundles
from qutiperf.report.columns import Column, columns_of
from qutiperf.report.data_package import LICENCES, Publication, data_package, dataset_terms, identifier
from qutiperf.report.downloads import Download, check_parquet, write_tables
from qutiperf.report.recorded import Recorded, run_key
from qutiperf.report.run_page import details
from qutiperf.report.sources import ReportSources
from qutiperf.report.table import MOST_ROWS_OF_PAGE, script, script_json, thinned
from qutiperf.report.tables import data_tables
from qutiperf.report.verdicts import verdicts_of
from qutiperf.spec import catalog
from qutiperf.unverified import UNVERIFIED

if TYPE_CHECKING:
    from jinja2 import Environment

MARKER = "qutiperf-report.json"
MOST_RUN_PAGES = 5_000
MOST_VALUE_PAGES = 2_000
_TAIL_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class Written:
    """The site's index, and how much it has."""

    index: Path
    pages: int
    rows: int


@dataclass(frozen=True, slots=True)
class _Site:
    """One site on its way: what is common to its pages."""

    folder: Path
    sources: ReportSources
    columns: list[Column]
    templates: "Environment"
    published: Publication
    compared: Sequence[Beside]
    run_pages: bool
    parquet: bool

    def write(self, path: str, template: str, title: str, base: str, page: str, **values: object) -> None:
        target = self.folder / path
        target.parent.mkdir(exist_ok=True)
        values = {"trail": True, "subtitle": "", "terms": None, "thinned": None, **values}
        values["subtitle"] = one_line(str(values["subtitle"]))
        text = self.templates.get_template(template).render(
            title=bounded(one_line(title), 200),
            base=base,
            page=page,
            site_title=self.published.title,
            created=self.published.created,
            version=__version__,
            unverified=UNVERIFIED,
            **values,
        )
        target.write_text(text, encoding="utf-8", errors="replace")

    def page(self, kind: str, base: str, fixed: dict[str, str] | None = None) -> str:
        return script_json({"kind": kind, "base": base, "run_pages": self.run_pages, "fixed": fixed or {}})


def write_site(
    sources: ReportSources,
    out: Path,
    title: str = "Results",
    compared: Sequence[Beside] = (),
    step: Callable[[int, int], None] | None = None,
    *,
    licence: str | None = None,
    creator: str | None = None,
    parquet: bool = False,
) -> Written:
    """Writes the site; an older one in `out` is replaced. Raises InputError if `out` holds anything else.

    `compared` runs get a page beside published results. `step` is called with the number of run pages that
    are written and their total. `licence` (one of LICENCES) and `creator` are stated in the metadata;
    `parquet` writes every table as Parquet too, and raises SetupError without pyarrow.
    """
    check_target(out)
    if parquet:
        check_parquet()
    created = datetime.now(UTC).strftime("%Y-%m-%d")
    published = Publication(title, created, sources.described, licence, creator)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".qutiperf-report-", dir=out.parent) as name:
            folder = Path(name) / "site"
            folder.mkdir()
            runs = sum(len(each.records) for each in sources.recorded)
            site = _Site(
                *(folder, sources, columns_of(sources.rows), pages.environment(), published, compared),
                run_pages=runs <= MOST_RUN_PAGES,
                parquet=parquet,
            )
            count = _write_all(site, runs, step)
            _put_in_place(folder, out, Path(name) / "old")
    except OSError as error:
        cure = "name another folder with --out"
        raise SetupError(f"cannot be written: {error.strerror}", where=str(out), cure=cure) from None
    return Written(out / "index.html", count, len(sources.rows))


def check_target(out: Path) -> None:
    """Raises InputError for a folder or file that is not an older report."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError("is not a folder", where=str(out), cure="name a new folder with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        what = "holds other files, which a report would replace"
        raise InputError(what, where=str(out), cure="name a new folder with --out")


def _put_in_place(folder: Path, out: Path, old: Path) -> None:
    folder.chmod(0o755)
    if out.exists():
        out.rename(old)
    folder.rename(out)


def _write_all(site: _Site, runs: int, step: Callable[[int, int], None] | None) -> int:
    """Everything of the site in its folder; gives the number of pages."""
    _write_assets(site.folder / "assets")
    downloads, shown = _write_data(site)
    count = _write_explorers(site, downloads, shown)
    if site.compared:
        site.write(
            *("beside.html", "beside.html", "Beside published results", "", site.page("beside", "")),
            compared=site.compared,
            derived_note=DERIVED_NOTE,
            number=pages.number,
        )
        count += 1
    if site.run_pages:
        count += _write_runs(site, runs, step)
    marker = {"kind": "qutiperf_report", "schema_version": 1, "qutiperf": __version__}
    (site.folder / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")
    return count


def _write_assets(assets: Path) -> None:
    shutil.copytree(catalog.root() / "reports/templates/assets", assets)
    copy_bundles(assets)


def _write_data(site: _Site) -> tuple[list[Download], int]:
    """The tables with their metadata, and what the pages show; gives the files and the number of rows."""
    data, sources = site.folder / "data", site.sources
    data.mkdir()
    tables = data_tables(sources, site.columns, site.compared)
    downloads = write_tables(data, tables, parquet=site.parquet)
    package = data_package(site.published, downloads)
    (data / "datapackage.json").write_text(json.dumps(package, indent=1) + "\n", encoding="utf-8")
    shown = thinned(sources.rows)
    total = len(sources.rows)
    (data / "rows.js").write_text(script(site.columns, shown, sources.roofs, total), encoding="utf-8")
    return downloads, len(shown)


def _write_explorers(site: _Site, downloads: Sequence[Download], shown: int) -> int:
    """The index, a page per task, system and workload, one chart alone, and one row of the table."""
    links = pages.links_of(site.sources.rows)[:MOST_VALUE_PAGES]
    total = len(site.sources.rows)
    note = None
    if shown < total:
        note = (
            f"The pages show {shown:,} of {total:,} rows: the best of every configuration and an even share "
            f"of the rest (at most {MOST_ROWS_OF_PAGE:,}). data/rows.csv has all."
        )
    published = site.published
    terms = dataset_terms(published, downloads)
    site.write(
        *("index.html", "explorer.html", published.title, "", site.page("index", "")),
        thinned=note,
        trail=False,
        subtitle=pages.subtitle_of(site.sources),
        terms=script_json(terms),
        contents=pages.contents_of(links),
        facts=pages.facts_of(site.sources),
        citations=pages.citations_of(site.sources),
        beside=bool(site.compared),
        analyses=None,
        downloads=pages.downloads_of(downloads),
        licence=published.licence,
        licence_address=LICENCES.get(published.licence or ""),
        cite=published.citation(identifier(downloads)),
    )
    for link in links:
        tables = pages.analyses_of(site.sources.analysed, link.value) if link.kind == "task" else None
        page = site.page(link.kind, "../", {link.column: link.value})
        site.write(
            *(link.href, "explorer.html", link.text, "../", page),
            thinned=note,
            subtitle=f"{link.kind}, {link.count:,} rows",
            contents=None,
            analyses=tables,
        )
    site.write("chart.html", "chart.html", published.title, "", site.page("chart", ""))
    site.write("row.html", "row.html", "Row", "", site.page("row", ""))
    return len(links) + 3


def _write_runs(site: _Site, total: int, step: Callable[[int, int], None] | None) -> int:
    """A page per run; a folder's run that another source has too keeps the page of the first."""
    written: set[str] = set()
    for source in site.sources.recorded:
        for number in range(len(source.records)):
            key = run_key(source.records[number])
            if key not in written:
                _write_run(site, source, number)
                written.add(key)
            if step is not None:
                step(len(written), total)
    return len(written)


def _write_run(site: _Site, source: Recorded, number: int) -> None:
    record, row = source.records[number], source.rows[number]
    key = run_key(record)
    failure = record.failure
    reasons = row["reasons"] or (failure.reason if failure else "")
    tail = failure.log_tail[-_TAIL_CHARACTERS:] if failure else ""
    page = pages.run_script(details(record, source.folder / key), record.point.scenario.value)
    site.write(
        *(f"run/{key}.html", "run.html", f"{record.point.workload} on {record.point.sut}", "../", page),
        subtitle=f"{record.point.scenario.value} {record.point.mode.value}, {row['setting']}",
        status=str(row["status"]),
        reasons=bounded(one_line(str(reasons)), 2_000),
        verdicts=verdicts_of(record, source.verdicts),
        groups=list(pages.run_groups(record, row)),
        log_tail=printable(tail),
    )
