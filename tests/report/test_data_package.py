"""What is beside a report's tables: types, units, licence, identifier and citation, in three vocabularies."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.cli import main
from qutiperf.report import downloads
from qutiperf.report.columns import BY_NAME, Column, Row
from qutiperf.report.data_package import Publication, data_package, dataset_terms, identifier
from qutiperf.report.downloads import DataTable, arrow_table, write_tables
from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from tests.conftest import fails
from tests.report.folders import accuracy, hostile_records, kept, performance, stored
from tests.report.test_beside import resnet

COLUMNS = [
    *(BY_NAME["id"], BY_NAME["source"], BY_NAME["batch_size"], BY_NAME["system_throughput_ips"]),
    BY_NAME["power_valid"],
]
ROWS: list[Row] = [
    {"id": "1", "source": "a", "batch_size": 8, "system_throughput_ips": 2, "power_valid": True},
    {"id": "=2", "source": "a", "batch_size": None, "system_throughput_ips": float("inf")},
]
TABLE = DataTable("rows", "Rows", COLUMNS, ROWS, ("id", "source"))
PUBLISHED = Publication("T", "2026-01-02", ["qutibench", "mine"], "CC-BY-4.0", "A. Author")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = stored(tmp_path / "mine", [performance(0, 100.0), resnet(500.0, 1), accuracy(97.5)])
    kept(folder, AuditVerdict(audit="recompute", run_id="0" * 12, scenario="Offline", outcome="pass"))
    return folder


def json_of(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())


def test_types_and_units_are_those_of_the_columns(tmp_path: Path) -> None:
    package = data_package(PUBLISHED, write_tables(tmp_path, [TABLE], parquet=False))
    [resource] = json.loads(json.dumps(package["resources"]))
    assert [(field["name"], field["type"], field.get("unit")) for field in resource["schema"]["fields"]] == [
        ("id", "string", None),
        ("source", "string", None),
        ("batch_size", "integer", None),
        ("system_throughput_ips", "number", "inputs/s"),
        ("power_valid", "boolean", None),
    ]
    assert resource["schema"]["primaryKey"] == ["id", "source"]
    assert package["licenses"] == [
        {"name": "CC-BY-4.0", "path": "https://creativecommons.org/licenses/by/4.0/"}
    ]


def test_parquet_keeps_types_units_and_unknown_cells() -> None:
    table = arrow_table(TABLE)
    assert [str(field.type) for field in table.schema] == ["string", "string", "int64", "double", "bool"]
    assert table.schema.field("system_throughput_ips").metadata[b"unit"] == b"inputs/s"
    assert table.to_pylist() == [
        {"id": "1", "source": "a", "batch_size": 8, "system_throughput_ips": 2.0, "power_valid": True},
        {"id": "=2", "source": "a", "batch_size": None, "system_throughput_ips": None, "power_valid": None},
    ]


def test_text_that_is_not_utf_8_and_mixed_cells_are_written_as_parquet() -> None:
    rows: list[Row] = [{"x": "\ud800"}, {"x": True}, {"x": 5}]
    table = DataTable("x", "X", [Column("x", "x")], rows)
    assert [row["x"] for row in arrow_table(table).to_pylist()] == ["?", "true", "5"]


def test_equal_tables_have_one_identifier_and_others_another(tmp_path: Path) -> None:
    names = []
    for number, rows in enumerate((ROWS, ROWS, ROWS[:1])):
        (tmp_path / str(number)).mkdir()
        table = DataTable("rows", "Rows", COLUMNS, rows)
        names.append(identifier(write_tables(tmp_path / str(number), [table], parquet=number == 1)))
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("urn:uuid:")


def test_schema_org_and_dublin_core_have_the_same_facts(tmp_path: Path) -> None:
    files = write_tables(tmp_path, [TABLE], parquet=True)
    terms = dataset_terms(PUBLISHED, files)
    for name, term in (
        *(("name", "title"), ("dateCreated", "created"), ("license", "license"), ("isBasedOn", "source")),
        *(
            ("identifier", "identifier"),
            ("citation", "bibliographicCitation"),
            ("description", "description"),
        ),
    ):
        assert terms[name] == terms[f"dcterms:{term}"], name
    assert str(terms["citation"]).startswith("A. Author (2026): T [data set]")
    assert identifier(files) in str(terms["citation"])
    assert terms["variableMeasured"] == [
        {"@type": "PropertyValue", "name": "system_throughput_ips", "unitText": "inputs/s"}
    ]
    distribution = terms["distribution"]
    assert isinstance(distribution, list)
    assert [each["contentUrl"] for each in distribution] == ["data/rows.csv", "data/rows.parquet"]


def test_what_is_not_stated_is_left_out(tmp_path: Path) -> None:
    files = write_tables(tmp_path, [TABLE], parquet=False)
    nobody = Publication("T", "2026-01-02", ["mine"])
    assert not {"licenses", "contributors"} & set(data_package(nobody, files))
    assert not {"license", "creator", "dcterms:license", "dcterms:creator"} & set(
        dataset_terms(nobody, files)
    )


@pytest.mark.slow
def test_every_table_of_a_report_is_a_file(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    words = ["--licence", "CC-BY-4.0", "--creator", "A. Author", "--parquet", "--with", "mlperf-v6.0"]
    assert main(["report", str(results), "qutibench", "--out", str(site), *words], debug=False) == 0
    names = ["rows", "roofs", "verdicts", "orthogonality", "correlation", "beside"]
    package = json_of(site / "data/datapackage.json")
    assert [each["path"] for each in package["resources"]] == [
        f"{name}.{kind}" for name in names for kind in ("csv", "parquet")
    ]
    for name in names:
        table = parquet.read_table(site / f"data/{name}.parquet")
        with (site / f"data/{name}.csv").open(newline="") as stream:
            assert len(list(csv.DictReader(stream))) == table.num_rows > 0, name
    index = (site / "index.html").read_text()
    for text in ('href="data/rows.parquet"', "CC-BY-4.0", "A. Author", package["id"]):
        assert text in index


@pytest.mark.slow
def test_the_data_package_is_valid_for_frictionless(results: Path, tmp_path: Path) -> None:
    """With hashes, sizes, keys, types of every cell; also where the text is hostile."""
    stored(tmp_path / "hostile", hostile_records())
    sources = {
        "own": [str(results), "qutibench"],
        "round": ["mlperf-v5.1"],
        "hostile": [str(tmp_path / "hostile")],
    }
    for name, each in sources.items():
        site = tmp_path / f"site-{name}"
        write_site(read_sources(each), site, name, licence="CC0-1.0", creator="A. Author", parquet=True)
        done = validated(site / "data/datapackage.json")
        assert done["valid"], [task["errors"][:3] for task in done["tasks"]]
        assert done["stats"]["tasks"] >= 2
    rows = site / "data/rows.csv"
    rows.write_text(rows.read_text() + "x\n")
    assert not validated(site / "data/datapackage.json")["valid"]


def validated(package: Path) -> Any:  # noqa: ANN401 - JSON
    command = [sys.executable, "-m", "frictionless", "validate", package.name, "--json"]
    done = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["--licence", "CC-BY-4"],
            2,
            "--licence: 'CC-BY-4' is not a known licence; did you mean 'CC-BY-4.0'",
        ),
        (["--parquet"], 3, "pyarrow is not installed; pip install 'qutiperf[parquet]'"),
    ],
)
def test_bad_options_are_one_line(
    words: list[str],
    code: int,
    message: str,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert message in fails(capsys, ["report", str(results), "--out", str(tmp_path / "site"), *words], code)
    assert not (tmp_path / "site").exists()
    assert downloads.CSV == "text/csv"
