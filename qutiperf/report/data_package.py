"""The metadata beside a report's table: a Frictionless data package, and schema.org and Dublin Core terms."""

from collections.abc import Mapping, Sequence

from qutiperf.report.columns import Column

_QUTIBENCH = (
    "M. Blott, Benchmarking Neural Networks on Heterogeneous Hardware, PhD thesis, "
    "Trinity College Dublin 2021, DOI 10.13140/RG.2.2.35785.57448"
)
_MLPERF = "MLCommons, MLPerf Inference results, Apache-2.0"
_TYPES: Mapping[str, str] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


def citation(source: str) -> str | None:
    """How to cite a published table; None for runs of one's own."""
    if source == "qutibench":
        return _QUTIBENCH
    return f"{_MLPERF}, round {source.removeprefix('mlperf-')}" if source.startswith("mlperf-") else None


def data_package(
    title: str, columns: Sequence[Column], sources: Sequence[str], digest: str, size: int, created: str
) -> dict[str, object]:
    """datapackage.json as https://datapackage.org/standard/data-package describes it."""
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "qutiperf-report",
        "title": title,
        "created": created,
        "sources": [{"title": citation(source) or source} for source in sources],
        "resources": [
            {
                "name": "rows",
                "path": "rows.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "hash": f"sha256:{digest}",
                "bytes": size,
                "schema": {
                    "fields": [_field(column) for column in columns],
                    "primaryKey": ["id", "source"],
                    "missingValues": [""],
                },
            }
        ],
    }


def _field(column: Column) -> dict[str, object]:
    field: dict[str, object] = {
        "name": column.name,
        "title": column.title,
        "type": _TYPES[column.kind],
    }
    field |= {"description": column.description} if column.description else {}
    return field | ({"unit": column.unit} if column.unit else {})


def dataset_terms(
    title: str, columns: Sequence[Column], sources: Sequence[str], created: str
) -> dict[str, object]:
    """schema.org's Dataset with the Dublin Core terms of the same facts, for a page's JSON-LD."""
    figures = [column for column in columns if column.kind == "number"]
    return {
        "@context": {"@vocab": "https://schema.org/", "dcterms": "http://purl.org/dc/terms/"},
        "@type": "Dataset",
        "name": title,
        "dcterms:title": title,
        "dateCreated": created,
        "dcterms:created": created,
        "description": "Measurements of neural-network inference: one row a run or published result.",
        "isBasedOn": [citation(source) or source for source in sources],
        "variableMeasured": [
            {"@type": "PropertyValue", "name": column.name, "unitText": column.unit} for column in figures
        ],
        "distribution": {
            "@type": "DataDownload",
            "encodingFormat": "text/csv",
            "contentUrl": "data/rows.csv",
        },
    }
