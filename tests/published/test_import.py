"""Every format of published results becomes the one schema."""

import json
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.published.files import read_published
from qutiperf.published.reference import mlperf_results, qutibench_results, tables
from qutiperf.published.result import PublishedResult, read_csv, to_csv
from qutiperf.submission.published_rows import tree_results
from tests.submission.good_tree import ROUND, build

# a row of summary_results.json of mlcommons/inference_results_v6.0 (Apache-2.0), names replaced
OLD = {
    "ID": "6.0-0001",
    "Submitter": "Acme",
    "Availability": "available",
    "Category": "closed",
    "Suite": "edge",
    "System": "Board",
    "Platform": "board",
    "UsedModel": "resnet50",
    "Model": "resnet",
    "Scenario": "SingleStream",
    "Accuracy": "acc: 76.064",
    "Nodes": 1,
    "Processor": "CPU",
    "Accelerator": "GPU",
    "a#": 2,
    "Location": "./closed/Acme/results/board/resnet50/SingleStream/performance/run_1",
    "Software": "TensorRT",
    "Notes": "",
    "version": "v6.0",
    "inferred": 0,
    "has_power": False,
    "weight_data_types": "int8",
    "Details": "https://example.org",
    "Performance_Result": 0.303116,
    "Performance_Units": "Latency (ms)",
}
# a row of summary.json of mlcommons/inference_results_v6.1 (Apache-2.0), names replaced
NEW = {
    "Organization": "Acme",
    "Availability": "available",
    "Division": "closed",
    "SystemType": "datacenter",
    "SystemName": "Rack",
    "Platform": "rack",
    "Model": "wan-2.2-t2v-a14b",
    "MlperfModel": "text_to_video",
    "Scenario": "singlestream",
    "Result": 20.603024726,
    "Accuracy": "vbench_score: 70.1582",
    "number_of_nodes": 1,
    "host_processor_model_name": "CPU",
    "accelerator_model_name": "GPU",
    "accelerators_per_node": 8,
    "Location": "./closed/Acme/results/rack/wan-2.2-t2v-a14b/SingleStream/performance/run_1",
    "framework": "xDiT",
    "notes": None,
    "version": "v6.1",
    "inferred": 0,
    "has_power": False,
    "Units": "Latency (s)",
    "weight_data_types": "bf16",
    "design_power_watts": 10200,
    "PrivateID": None,
}


def read(tmp_path: Path, name: str, content: object) -> list[PublishedResult]:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_published(path)


def test_summary_results(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "summary_results.json", [OLD])
    assert (row.figure, row.unit, row.percentile) == (0.303116, "ms", 0.9)
    assert (row.round, row.result_id, row.benchmark, row.model) == ("v6.0", "6.0-0001", "resnet", "resnet50")
    assert (row.inferred, row.top1_percent, row.accelerator_total) == (False, 76.064, 2)
    assert row.location == "closed/Acme/results/board/resnet50/SingleStream"


def test_summary_of_v6_1(tmp_path: Path) -> None:
    """A dict of dicts, a scenario in lower case, seconds, and a nameplate's power."""
    (row,) = read(tmp_path, "summary.json", {"17": NEW})
    assert (row.figure, row.unit, row.scenario) == (20603.024726, "ms", "SingleStream")
    assert (row.result_id, row.benchmark, row.design_power_w) == (
        "summary.json#17",
        "wan-2.2-t2v-a14b",
        10200.0,
    )
    assert row.full_power_w is None


def test_endpoints(tmp_path: Path) -> None:
    data = {"n_samples_issued": 10, "qps": 3.5, "tps": 700.0, "latency": {"avg": 2_000_000}, "model": "m"}
    (row,) = read(tmp_path, "result_summary.json", data)
    assert (row.figure, row.unit, row.system_latency_ms, row.benchmark) == (700.0, "tokens/s", 2.0, "m")


def test_the_portal_s_csv(tmp_path: Path) -> None:
    text = (
        "NN_Topology,HWType,Precision,Op mode,batch/thread/stream,lat-comp,fps-system,fps-comp,top1,FullPwr\n"
        "ResNet50,Ultra96,INT8,na,4,12.5,80,88,74.6,7.5\nResNet50,Ultra96,INT8,na,8,,,,,\n"
    )
    (row,) = read(tmp_path, "portal.csv", text)
    assert (row.source, row.figure, row.compute_throughput_ips) == ("qutibench", 80.0, 88.0)
    assert (row.top1_percent, row.full_power_w, row.deployment) == (74.6, 7.5, "4")


def test_a_tree(tmp_path: Path) -> None:
    build(tmp_path)
    rows = {row.scenario: row for row in tree_results(tmp_path, ROUND)}
    assert set(rows) == {"SingleStream", "MultiStream", "Offline"}
    assert rows["Offline"].unit == "samples/s"
    assert (rows["SingleStream"].figure, rows["SingleStream"].unit) == (0.5166, "ms")
    assert all(row.valid and row.inferred is False for row in rows.values())


def test_csv_there_and_back(tmp_path: Path) -> None:
    rows = read(tmp_path, "summary_results.json", [OLD])
    path = tmp_path / "rows.csv"
    path.write_text(to_csv(rows))
    assert read_csv(path) == rows == read_published(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", "{", "is not JSON"),
        ("x.json", [], "is not a table of published results; formats: summary_results.json"),
        ("x.json", {"a": 1}, "is not a table of published results"),
        ("x.json", "[" * 100_000, "is not JSON"),
        ("x.json", [{**OLD, "Performance_Units": "Furlongs"}], "row 0: has no figure with a known unit"),
        ("x.json", [{"Performance_Result": 1}], "row 0: is not a row of results"),
        ("x.csv", "a,b\n1,2\n", "is not a table of published results"),
        ("x.csv", "source,figure,unit\nmlperf,fast,ms\n", "x.csv:2"),
    ],
)
def test_bad_tables_are_one_error(name: str, content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, name, content)


@pytest.mark.slow
def test_reference_tables_are_as_long_as_they_say() -> None:
    assert {table.mlperf_round: (len(table.results()), table.published) for table in tables()} == {
        "v0.5": (595, 595),
        "v4.1": (937, 937),
        "v5.1": (1448, 1448),
        "v6.0": (520, 520),
        "v6.1": (28, 492),
    }
    assert len(qutibench_results()) == 982
    assert all(table.rows == len(table.results()) for table in tables())


@pytest.mark.slow
def test_reference_rows_have_sources() -> None:
    rows = mlperf_results()
    assert all(row.url and row.round and row.submitter and row.figure for row in rows)
    assert sum(row.inferred is True for row in rows if row.round == "v6.0") == 102
    assert sum("published as" in (row.notes or "") for row in rows) == 45
    assert not [row.name for row in rows if row.round == "v6.0" and row.has_power]


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "summary_results.json"
    path.write_text(json.dumps([OLD]))
    assert main(["import", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["submitter"] == "Acme"
    assert main(["import", str(path), "--out", str(tmp_path / "rows.csv")]) == 0
    assert len(read_csv(tmp_path / "rows.csv")) == 1
    assert main(["import", str(tmp_path)]) == 2
    assert "no --round says by which rules; add --round v6.0" in capsys.readouterr().err
