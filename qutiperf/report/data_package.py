"""The metadata beside a report's tables: a Frictionless data package, schema.org and Dublin Core terms."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qutiperf import __version__
from qutiperf.errors import InputError
from qutiperf.report.columns import Column
from qutiperf.report.downloads import CSV, Download
from qutiperf.spec.config import nearest, shortened
from qutiperf.unverified import UNVERIFIED

_QUTIBENCH = (
    "M. Blott, Benchmarking Neural Networks on Heterogeneous Hardware, PhD thesis, "
    "Trinity College Dublin 2021, DOI 10.13140/RG.2.2.35785.57448"
)
_MLPERF = "MLCommons, MLPerf Inference results, Apache-2.0"
DESCRIPTION = (
    f"Measurements of neural-network inference: one row a run or published result. Rows of runs: {UNVERIFIED}"
)
KEYWORDS = ("benchmark", "neural network", "inference", "throughput", "latency", "power", "MLPerf LoadGen")
_CREATIVE_COMMONS = "https://creativecommons.org"
# SPDX identifiers of the licences that data is published under, with their addresses
LICENCES: Mapping[str, str] = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "CC-BY-4.0": f"{_CREATIVE_COMMONS}/licenses/by/4.0/",
    "CC-BY-SA-4.0": f"{_CREATIVE_COMMONS}/licenses/by-sa/4.0/",
    "CC0-1.0": f"{_CREATIVE_COMMONS}/publicdomain/zero/1.0/",
    "MIT": "https://opensource.org/license/mit",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
    "ODC-By-1.0": "https://opendatacommons.org/licenses/by/1-0/",
    "PDDL-1.0": "https://opendatacommons.org/licenses/pddl/1-0/",
}


@dataclass(frozen=True, slots=True)
class Publication:
    """Who publishes what under which licence; None is not stated. `created` is a date, as 2026-01-31."""

    title: str
    created: str
    sources: Sequence[str]
    licence: str | None = None
    creator: str | None = None

    def citation(self, identifier: str) -> str:
        year = self.created[:4]
        what = f"{self.creator} ({year}): {self.title}" if self.creator else f"{self.title} ({year})"
        return f"{what} [data set], written by qutiperf {__version__}, {identifier}"


def check_licence(name: str) -> None:
    """Raises InputError for an identifier that is not in LICENCES."""
    if name not in LICENCES:
        what = f"'{shortened(name, 80)}' is not a known licence"
        raise InputError(what, where="--licence", cure=nearest(name, LICENCES))


def citation(source: str) -> str | None:
    """How to cite a published table; None for runs of one's own."""
    if source == "qutibench":
        return _QUTIBENCH
    return f"{_MLPERF}, round {source.removeprefix('mlperf-')}" if source.startswith("mlperf-") else None


def identifier(downloads: Sequence[Download]) -> str:
    """A name of the contents: equal for equal tables, whoever writes them and when."""
    text = " ".join(f"{each.path} {each.sha256}" for each in downloads if each.media_type == CSV)
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}"


def data_package(published: Publication, downloads: Sequence[Download]) -> dict[str, object]:
    """datapackage.json as https://datapackage.org/standard/data-package describes it."""
    package: dict[str, object] = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "qutiperf-report",
        "id": identifier(downloads),
        "title": published.title,
        "description": DESCRIPTION,
        "created": f"{published.created}T00:00:00Z",
        "keywords": list(KEYWORDS),
        "sources": [{"title": citation(source) or source} for source in published.sources],
        "resources": [_resource(each) for each in downloads],
    }
    if published.licence:
        package["licenses"] = [{"name": published.licence, "path": LICENCES[published.licence]}]
    if published.creator:
        package["contributors"] = [{"title": published.creator, "roles": ["creator"]}]
    return package


def _resource(download: Download) -> dict[str, object]:
    """A table's CSV with its schema; its Parquet file has types and units in itself."""
    table = download.table
    resource: dict[str, object] = {
        "name": table.name if download.media_type == CSV else f"{table.name}-parquet",
        "title": table.title,
        "path": download.path,
        "format": download.path.rpartition(".")[2],
        "mediatype": download.media_type,
        "hash": f"sha256:{download.sha256}",
        "bytes": download.size,
    }
    if download.media_type != CSV:
        return resource | {"type": "file"}
    schema: dict[str, object] = {
        "fields": [_field(column) for column in table.columns],
        "missingValues": [""],
    }
    schema |= {"primaryKey": list(table.key)} if table.key else {}
    return resource | {"type": "table", "encoding": "utf-8", "schema": schema}


def _field(column: Column) -> dict[str, object]:
    field: dict[str, object] = {"name": column.name, "title": column.title, "type": column.kind}
    field |= {"description": column.description} if column.description else {}
    return field | ({"unit": column.unit} if column.unit else {})


def dataset_terms(published: Publication, downloads: Sequence[Download]) -> dict[str, object]:
    """schema.org's Dataset with the Dublin Core terms of the same facts, for a page's JSON-LD."""
    [rows] = [each.table for each in downloads if each.table.name == "rows" and each.media_type == CSV]
    figures = [column for column in rows.columns if column.kind == "number"]
    name = identifier(downloads)
    sources = [citation(source) or source for source in published.sources]
    terms: dict[str, object] = {
        "@context": {"@vocab": "https://schema.org/", "dcterms": "http://purl.org/dc/terms/"},
        "@type": "Dataset",
        "@id": name,
        "identifier": name,
        "dcterms:identifier": name,
        "name": published.title,
        "dcterms:title": published.title,
        "dateCreated": published.created,
        "dcterms:created": published.created,
        "description": DESCRIPTION,
        "dcterms:description": DESCRIPTION,
        "dcterms:type": "Dataset",
        "dcterms:format": sorted({each.media_type for each in downloads}),
        "keywords": list(KEYWORDS),
        "dcterms:subject": list(KEYWORDS),
        "isAccessibleForFree": True,
        "isBasedOn": sources,
        "dcterms:source": sources,
        "measurementTechnique": "MLPerf LoadGen",
        "citation": published.citation(name),
        "dcterms:bibliographicCitation": published.citation(name),
        "variableMeasured": [
            {"@type": "PropertyValue", "name": column.name, "unitText": column.unit} for column in figures
        ],
        "distribution": [
            {
                "@type": "DataDownload",
                "name": each.table.title,
                "encodingFormat": each.media_type,
                "contentUrl": f"data/{each.path}",
                "contentSize": f"{each.size} B",
                "sha256": each.sha256,
            }
            for each in downloads
        ],
    }
    if published.licence:
        address = LICENCES[published.licence]
        terms |= {"license": address, "dcterms:license": address}
    if published.creator:
        terms |= {"creator": {"name": published.creator}, "dcterms:creator": published.creator}
    return terms
