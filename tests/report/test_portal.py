"""Results in QuTiBench's own columns, there and back."""

import csv
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.published.files import read_published
from qutiperf.published.qutibench import PORTAL_COLUMNS, portal_csv, portal_rows
from qutiperf.published.result import PublishedResult
from qutiperf.report.portal import portal_results
from qutiperf.report.published_rows import qutibench_rows, rows_of_file
from qutiperf.report.sources import read_sources
from qutiperf.results.record import Figures
from qutiperf.spec.scenario import ScenarioName
from tests.conftest import fails
from tests.report.folders import accuracy, hostile_records, performance, stored


def again(results: list[PublishedResult], tmp_path: Path) -> list[PublishedResult]:
    path = tmp_path / "portal.csv"
    path.write_text(portal_csv(results))
    return read_published(path)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    single = performance(9, 50.0, figures=Figures(system_latency_p90_ms=0.5))
    point = single.point.model_copy(update={"scenario": ScenarioName.SINGLE_STREAM})
    records = [
        *(performance(0, 1 / 3), performance(1, 200.0, quality="noisy"), performance(2, 1.0, valid=False)),
        *(single.model_copy(update={"point": point}), accuracy(97.5)),
    ]
    return stored(tmp_path / "mine", records)


def test_a_run_in_the_portal_s_columns(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.csv"
    assert main(["export", str(results), "--qutibench", str(out)], debug=False) == 0
    said = capsys.readouterr().err
    assert "2 rows; without scenario" in said
    assert "1 rows of other scenarios are left out" in said
    assert "1 rows INVALID, failed" in said
    assert "1 rows are marked" in said
    with out.open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert tuple(first) == PORTAL_COLUMNS
    assert {
        name: first[name] for name in ("NN_Topology", "PruningFactor", "Precision", "HWType", "level")
    } == {
        **{"NN_Topology": "digits-mlp", "PruningFactor": "25", "Precision": "FP32"},
        **{"HWType": "cpu-onnxruntime", "level": "l3"},
    }
    assert (first["batch/thread/stream"], second["batch/thread/stream"]) == ("1/1/1", "2/1/1")
    assert float(first["fps-system"]) == 1 / 3
    assert first["top1"] == "97.5"


@pytest.mark.parametrize(
    "source",
    [
        "mine",
        "hostile",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("qutibench", "mlperf-v6.0")),
    ],
)
def test_nothing_that_the_columns_hold_is_lost(source: str, results: Path, tmp_path: Path) -> None:
    folders = {"mine": str(results), "hostile": str(stored(tmp_path / "hostile", hostile_records()))}
    written = portal_results(read_sources([folders.get(source, source)]).rows).results
    assert len(written) > {"qutibench": 900, "mine": 1, "mlperf-v6.0": 50, "hostile": 5}[source]
    read = again(written, tmp_path)
    assert portal_csv(read) == portal_csv(written)
    changed = [
        (name, getattr(one, name), getattr(two, name))
        for one, two in zip(written, read, strict=True)
        for name in PublishedResult.model_fields
        if getattr(one, name) != getattr(two, name)
    ]
    if source == "hostile":  # control characters are escaped for good, as in every CSV
        assert {name for name, _, _ in changed} <= {"system", "benchmark", "platform"}
    else:
        assert changed == []


@pytest.mark.slow
def test_figures_of_the_published_table_survive(tmp_path: Path) -> None:
    rows = [row for row in qutibench_rows() if row.get("compute_throughput_ips")]
    again(portal_results(rows).results, tmp_path)
    imported = rows_of_file(tmp_path / "portal.csv", "portal")
    names = ["sut", "operating_mode", "channel_scale_percent", "system_throughput_ips"]
    names += ["compute_throughput_ips", "compute_latency_ms", "top1_percent", "top5_percent"]
    names += ["base_power_w", "idle_power_w", "full_power_w"]
    for before, after in zip(rows, imported, strict=True):
        assert [before.get(name) for name in names] == [after.get(name) for name in names]


def test_cells_of_the_portal_that_are_no_numbers_are_unknown() -> None:
    row = {"NN_Topology": "CNV", "HWType": "x", "Precision": "INT2", "fps-comp": "5", "PruningFactor": "50 %"}
    [read] = portal_rows([row | {"top1": "nm", "FullPwr": "-", "level": "l2", "HWType": "'=x"}])
    assert (read.top1_percent, read.full_power_w, read.channel_scale_percent) == (None, None, 50.0)
    assert (read.suite, read.system, read.figure, read.unit) == ("l2", "=x", None, None)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--qutibench", "x.csv"], 2, "--qutibench: goes together with a results folder alone"),
        (["nowhere", "--qutibench", "x.csv"], 2, "nowhere: is not a results folder"),
        (["mlperf-v6.1", "--qutibench", "/proc/x.csv"], 3, "/proc/x.csv: cannot be written"),
        (["qutibench", "--qutibench", "/dev/null"], 2, "/dev/null: exists already"),
    ],
)
def test_bad_options_are_one_line(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(capsys, ["export", *words], code)


def test_only_other_scenarios_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stored(tmp_path / "none", [accuracy(97.5)])
    words = ["export", str(folder), "--qutibench", str(tmp_path / "x.csv")]
    assert "has no valid Offline run with a throughput" in fails(capsys, words, 2)
    assert not (tmp_path / "x.csv").exists()
