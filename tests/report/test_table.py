"""The table of a report: CSV that is safe to open, thinning that keeps the best, metadata that fits."""

import csv
import io

from qutiperf.report.columns import Row, columns_of
from qutiperf.report.data_package import citation
from qutiperf.report.table import counts_of, script, script_json, thinned, to_csv


def test_csv_has_every_row_and_no_formula() -> None:
    rows: list[Row] = [
        {"id": "1", "sut": "=cmd()", "workload": '+a,"b"', "top1_percent": 97.5, "batch_size": 8},
        {"id": "2", "sut": "@x", "workload": "-y", "top1_percent": None, "batch_size": -1},
    ]
    columns = columns_of(rows)
    assert [column.name for column in columns] == ["id", "sut", "workload", "batch_size", "top1_percent"]
    read = list(csv.reader(io.StringIO(to_csv(columns, rows))))
    assert read[1:] == [["1", "'=cmd()", '\'+a,"b"', "8", "97.5"], ["2", "'@x", "'-y", "-1", ""]]


def test_infinite_and_unknown_figures_are_empty() -> None:
    rows: list[Row] = [{"id": "1", "system_throughput_ips": float("inf"), "top1_percent": float("nan")}]
    columns = columns_of(rows)
    assert to_csv(columns, rows) == "id,top1_percent,system_throughput_ips\n1,,\n"
    assert '"values":[["1",null,null]]' in script(columns, rows, [], 1)


def test_the_script_cannot_end_its_element() -> None:
    assert script_json("</script><!--&\u2028") == '"\\u003c/script\\u003e\\u003c!--\\u0026\\u2028"'


def test_columns_of_adapters_come_last_with_the_kind_of_their_values() -> None:
    rows: list[Row] = [{"id": "1", "retries": 2, "kind": "x"}, {"id": "2", "retries": 1.5, "kind": None}]
    assert [(column.name, column.kind) for column in columns_of(rows)] == [
        ("id", "string"),
        ("kind", "string"),
        ("retries", "number"),
    ]


def test_thinning_keeps_the_best_of_every_configuration() -> None:
    rows: list[Row] = [
        {
            "id": str(number),
            "sut": f"s{number % 3}",
            "system_throughput_ips": float((number * 37) % 1000),
            "compute_latency_ms": float((number * 11) % 1000 + 1),
        }
        for number in range(1000)
    ]
    shown = thinned(rows, 50)
    assert len(shown) == 50
    kept = {row["id"] for row in shown}
    for name, best in (("system_throughput_ips", max), ("compute_latency_ms", min)):
        for sut in ("s0", "s1", "s2"):
            values = {str(row["id"]): float(str(row[name])) for row in rows if row["sut"] == sut}
            assert best(values, key=lambda key: values[key]) in kept
    assert thinned(rows, 1000) == rows


def test_thinning_holds_its_limit_when_every_row_is_a_best() -> None:
    rows: list[Row] = [
        {"id": str(number), "sut": str(number), "system_throughput_ips": 1.0} for number in range(90)
    ]
    assert len(thinned(rows, 40)) == 40


def test_counts_are_sorted_and_leave_unknown_values_out() -> None:
    rows: list[Row] = [{"sut": "b"}, {"sut": "a"}, {"sut": "b"}, {"sut": None}]
    assert list(counts_of(rows, "sut").items()) == [("b", 2), ("a", 1)]


def test_rounds_and_qutibench_have_a_citation_and_own_runs_do_not() -> None:
    assert "10.13140/RG.2.2.35785.57448" in str(citation("qutibench"))
    assert citation("mlperf-v6.0") == "MLCommons, MLPerf Inference results, Apache-2.0, round v6.0"
    assert citation("results") is None
