"""The folder that `report` writes: what it holds, and what it refuses."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from qutiperf.audit.verdict import AuditVerdict
from qutiperf.cli import main
from qutiperf.errors import InputError, SetupError
from qutiperf.report import bundles
from qutiperf.report.pages import page_name
from qutiperf.report.power_lines import power_lines
from qutiperf.report.recorded import recorded, roofline_ips, status
from qutiperf.report.run_page import binned, environment, held, histograms, stored_phases, sustained
from qutiperf.report.site import write_site
from qutiperf.report.sources import read_sources
from qutiperf.results.record import Failure, StoredPrediction, Sustained, ThrottleSign
from qutiperf.results.sustained import Interval, write_intervals
from tests.conftest import fails
from tests.places import DATA
from tests.report.folders import accuracy, hostile_records, kept, performance, stored


@pytest.fixture
def results(tmp_path: Path) -> Path:
    noisy = performance(2, 300.0, quality="noisy")
    return stored(tmp_path / "mine", [performance(0, 100.0), performance(1, 200.0), noisy, accuracy(97.5)])


def test_rows_have_accuracy_setting_and_status(results: Path) -> None:
    rows = recorded(results, "mine").rows
    mine = [row for row in rows if row["mode"] == "PerformanceOnly"]
    assert [(row["setting"], row["status"], row["top1_percent"]) for row in mine] == [
        ("batch 1, threads 1", "ok", 97.5),
        ("batch 2, threads 1", "ok", 97.5),
        ("batch 3, threads 1", "noisy", 97.5),
    ]
    assert [row["id"] for row in mine] == [f"{number:012x}-1" for number in range(3)]
    assert mine[0]["system_throughput_ips"] == 100.0
    assert mine[0]["compute_latency_ms"] == 10.0
    assert mine[0]["source"] == "mine"


def test_a_failed_run_is_failed_and_an_invalid_one_is_not_clean() -> None:
    failure = Failure(stage="run", kind="crash", reason="gone")
    assert status(performance(0, 1.0, valid=False, failure=failure)) == "failed"
    assert status(performance(0, 1.0, valid=False)) == "INVALID"
    assert status(performance(0, 1.0, quality="unstable")) == "unstable"


def test_the_site_has_its_pages_and_its_data(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    written = write_site(read_sources([str(results)]), site, "Mine")
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert pages == {
        *("index.html", "chart.html", "row.html", "task/digits.html", "system/cpu-onnxruntime.html"),
        "workload/digits-mlp-25-fp32.html",
        *(f"run/{number:012x}-1.html" for number in range(3)),
        f"run/{'f' * 12}-1.html",
    }
    assert (written.pages, written.rows, written.index) == (10, 4, site / "index.html")
    content = (site / "data/rows.csv").read_bytes()
    resource, correlation = json.loads((site / "data/datapackage.json").read_text())["resources"]
    assert correlation["path"] == "correlation.csv"
    assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    read = list(csv.DictReader(content.decode().splitlines()))
    assert [field["name"] for field in resource["schema"]["fields"]] == list(read[0])
    assert len(read) == 4
    assert "Result not verified by MLCommons Association." in (site / "index.html").read_text()


def test_no_page_refers_to_the_network(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(read_sources([str(results)]), site)
    for path in site.rglob("*.html"):
        for word in ('src="http', 'href="http', "//cdn"):
            assert word not in path.read_text(), path


def test_hostile_names_are_escaped_and_have_pages_of_their_own(tmp_path: Path) -> None:
    folder = stored(tmp_path / "hostile", hostile_records())
    site = tmp_path / "site"
    write_site(read_sources([str(folder)]), site, "<script>window.harmed=3</script>")
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert "<script>window" not in text, path
        assert "<img" not in text
        assert "<b>bold" not in text
        assert "\u202e" not in text
    assert len(list((site / "system").iterdir())) == len({record.point.sut for record in hostile_records()})
    assert all(path.resolve().is_relative_to(site.resolve()) for path in site.rglob("*"))
    text = (site / "data/rows.csv").read_text()
    cells = [cell for line in csv.reader(text.splitlines()) for cell in line]
    assert "'=HYPERLINK(1)" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_page_names_are_safe_and_distinct() -> None:
    assert page_name("digits-mlp-12.5") == "digits-mlp-12.5"
    names = [page_name(text) for text in ("a/b", "a b", "a\\b", "..", "", "con", "x" * 200, "x" * 201)]
    assert len(set(names)) == 8
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for name in names)
    assert not any(name.startswith(".") for name in names)


def test_an_older_report_is_replaced_and_nothing_else(results: Path, tmp_path: Path) -> None:
    site, sources = tmp_path / "site", read_sources([str(results)])
    write_site(sources, site, "first")
    (site / "run/old.html").write_text("old")
    write_site(sources, site, "second")
    assert not (site / "run/old.html").exists()
    assert "<title>second</title>" in (site / "index.html").read_text()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds other files"):
        write_site(sources, other)
    with pytest.raises(InputError, match="is not a folder"):
        write_site(sources, other / "thesis.tex")
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: is not a results folder"),
        (["mlperf-v9.9"], "mlperf-v9.9: is not a results folder"),
        ([str(DATA / "results_862dfec.json")], "results_862dfec.json: is not a table of published results"),
    ],
)
def test_what_is_no_result_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert message in fails(capsys, ["report", *arguments, "--out", str(tmp_path / "site")], 2)
    assert not (tmp_path / "site").exists()


def test_an_empty_folder_has_nothing_to_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stored(tmp_path / "empty", [])
    line = fails(capsys, ["report", str(folder), "--out", str(tmp_path / "site")], 2)
    assert line.startswith(f"qutiperf: {folder}: has no runs to report")


def test_only_failed_runs_still_make_a_report(tmp_path: Path) -> None:
    failure = Failure(stage="load", kind="error", reason="no device")
    folder = stored(tmp_path / "failed", [performance(0, 1.0, valid=False, failure=failure, figures={})])
    write_site(read_sources([str(folder)]), tmp_path / "site")
    assert "no device" in (tmp_path / "site/run/000000000000-1.html").read_text()


def test_a_damaged_record_is_named_on_the_index(results: Path, tmp_path: Path) -> None:
    (results / "000000000001-1/record.json").write_text("{")
    sources = read_sources([str(results)])
    write_site(sources, tmp_path / "site")
    assert len(sources.rows) == 3
    assert "1 parts could not be read" in (tmp_path / "site/index.html").read_text()


def test_two_folders_of_one_name_have_two_labels(tmp_path: Path) -> None:
    folders = [stored(tmp_path / name / "results", [performance(0, 1.0)]) for name in ("a", "b")]
    sources = read_sources([str(folder) for folder in folders])
    assert sources.labels == ["results", "results (2)"]
    assert [row["source"] for row in sources.rows] == ["results", "results (2)"]


def test_the_libraries_are_the_pinned_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [bundle.name for bundle in bundles.bundles()] == ["d3.min.js", "plot.umd.min.js"]
    bundles.copy_bundles(tmp_path)
    assert "Copyright" in (tmp_path / "d3.LICENSE.txt").read_text()
    pinned = bundles.bundles()
    changed = [bundles.Bundle(one.name, one.licence_file, "0" * 64) for one in pinned]
    monkeypatch.setattr(bundles, "bundles", lambda: changed)
    with pytest.raises(SetupError, match="is not the pinned file"):
        bundles.copy_bundles(tmp_path)


def test_json_prints_the_index(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    assert main(["report", str(results), "--out", str(site), "--json"], debug=False) == 0
    expected = {"index": str(site / "index.html"), "pages": 10, "rows": 4}
    assert json.loads(capsys.readouterr().out) == expected


def test_bins_hold_every_count() -> None:
    bins = binned(np.array([1000, 1500, 2000]), np.array([5, 3, 2]))
    assert sum(count for _, _, count in bins) == 10
    assert (bins[0][0], bins[0][2], bins[-1][2]) == (0.001, 5.0, 2.0)
    wide = binned(np.array([1000, 2000, 8000]), np.array([5, 3, 2]))
    assert sum(count for _, _, count in wide) == 10
    ratios = [upper / lower for lower, upper, _ in wide]
    assert ratios == pytest.approx([ratios[0]] * 80)
    long = binned(np.array([1000, 2000, 3000]), np.array([10_000, 1, 1]))
    assert sum(count for _, _, count in long) == 10_002


def test_stored_phases_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "phases.npz"
    assert stored_phases(path) == {}
    path.write_bytes(b"PK\x03\x04 damaged")
    assert stored_phases(path) == {}
    np.savez(path, compute_buckets=np.array([5]), compute_counts=np.array([2, 3]), windows=np.zeros((1, 3)))
    assert histograms(stored_phases(path)) == {}
    windows = np.array([[0, 100, 1], [1_000_000_000, 500_000_000, 4], [2_000_000_000, 0, 4]])
    np.savez(path, compute_buckets=np.array([5]), compute_counts=np.array([2]), windows=windows)
    assert list(histograms(stored_phases(path))) == ["compute"]
    assert sustained(stored_phases(path)) == {
        "elapsed_s": [0.0, 1.0, 2.0],
        "compute_throughput_ips": [1e7, 8.0, None],
    }


def test_the_environment_keeps_columns_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "environment.csv").write_text("elapsed_s,load,note,power_w\n0,1.5,a,\n1,2.5,b,7\n")
    assert environment(tmp_path) == {"elapsed_s": [0.0, 1.0], "load": [1.5, 2.5], "power_w": [None, 7.0]}
    assert environment(tmp_path / "none") == {}


def test_power_over_time_by_rail(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    assert power_lines(path) == {}
    path.write_text(
        "meter,time_s,rail,watts,joules\nfile,10.0,in,5.0,\nfile,11.5,in,7.0,\nfile,x,in,9,\nfile,12,in,nan,\n"
        "rapl,10.5,package,,100\nrapl,12.5,package,,130\nrapl,13.5,package,,2\nrapl,14.5,package,,12\n"
    )
    assert power_lines(path) == {
        "file in": [[0.0, 5.0], [1.5, 7.0]],
        "rapl package (from energy)": [[2.5, 15.0], [4.5, 10.0]],
    }


def test_a_failed_audit_marks_its_run_on_every_page(results: Path, tmp_path: Path) -> None:
    evidence = ["<b>faster</b> than its peak\u202e"]
    for audit, outcome in (("plausibility", "fail"), ("recompute", "pass"), ("repeat", "inconclusive")):
        verdict = AuditVerdict.model_validate(
            {"audit": audit, "run_id": "0" * 12, "scenario": "Offline", "outcome": outcome}
            | {"evidence": evidence, "cure": "measure it again"}
        )
        kept(results, verdict)
    sources = read_sources([str(results)])
    [marked] = [row for row in sources.rows if row["status"] == "audit_failed"]
    assert (marked["id"], marked["audits"]) == (
        "000000000000-1",
        "fail: plausibility; inconclusive: repeat; pass: recompute",
    )
    assert str(marked["reasons"]).startswith("plausibility: ")
    write_site(sources, tmp_path / "site")
    page = (tmp_path / "site/run/000000000000-1.html").read_text()
    assert "&lt;b&gt;faster&lt;/b&gt; than its peak\\u202e" in page
    assert "measure it again" in page
    assert "<h2>Audits</h2>" not in (tmp_path / "site/run/000000000001-1.html").read_text()


def test_damaged_verdicts_are_named_and_links_are_not_followed(results: Path, tmp_path: Path) -> None:
    folder = results / "audit/recompute"
    folder.mkdir(parents=True)
    (folder / "1.verdict.json").write_text("{")
    (folder / "2.verdict.json").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/3.verdict.json").write_text("{}")
    (results / "audit/link").symlink_to(tmp_path / "elsewhere")
    damaged = [str(error) for error in read_sources([str(results)]).damaged]
    assert [line.partition(": skipped, ")[0] for line in damaged] == [
        str(folder / f"{number}.verdict.json") for number in (1, 2)
    ]


def test_a_verdict_counts_for_its_own_attempt_only(results: Path) -> None:
    verdict = AuditVerdict(audit="repeat", run_id="0" * 12, scenario="Offline", outcome="fail")
    folder = results / "audit/repeat"
    folder.mkdir(parents=True)
    (folder / f"{'0' * 12}-2.verdict.json").write_text(verdict.model_dump_json())
    assert not [row for row in read_sources([str(results)]).rows if row["audits"]]
    (folder / f"{'0' * 12}-1.verdict.json").write_text(verdict.model_dump_json())
    (folder / f"{'1' * 12}-1.verdict.json").write_text(verdict.model_dump_json())
    sources = read_sources([str(results)])
    assert [row["id"] for row in sources.rows if row["audits"]] == [f"{'0' * 12}-1"]
    assert "skipped, is of run 000000000000" in str(sources.damaged[0])


def test_a_held_run_has_its_intervals_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "sustained.csv"
    stored_hold = Sustained(
        requested_s=2.0,
        held_s=2.0,
        begin_s=0.0,
        intervals=2,
        window_s=1.0,
        first_ips=100.0,
        last_ips=80.0,
        signs=[ThrottleSign(kind="clock", at_s=1.5, text="2 GHz of 3 GHz")],
    )
    record = performance(0, 100.0, sustained=stored_hold)
    assert held(record, path) == {}
    write_intervals(path, [Interval(0.0, 1.0, 100), Interval(1.0, 2.0, 80)])
    assert held(record, path) == {
        "intervals": [[0.0, 1.0, 100.0], [1.0, 2.0, 80.0]],
        "window_s": 1.0,
        "percent": 80.0,
        "signs": [[1.5, "clock: 2 GHz of 3 GHz"]],
    }
    path.write_text("begin_s,end_s,inputs\n0,x,1\n")
    assert held(record, path) == {}


def test_the_roofline_of_a_run_is_the_plain_prediction_or_the_peak() -> None:
    plain = StoredPrediction(model="plain", ops=2e9, peak_tops=1.0, predicted_throughput_ips=100.0)
    assert roofline_ips(plain) == 100.0
    assert roofline_ips(plain.model_copy(update={"model": "refined"})) == 500.0
    assert roofline_ips(StoredPrediction(ops=2e9)) is None
    assert roofline_ips(None) is None


@pytest.mark.slow
def test_measured_layers_split_the_time_of_their_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The steps are those of `analyse gap`, and add up to LoadGen's time of a batch."""
    folder = tmp_path / "layers"
    words = ["--for", "digits-mlp-12.5-fp32", "--whole", "--budget", "30s", "--batch", "1", "--threads", "1"]
    assert main(["microbench", "run", *words, "--out", str(folder)], debug=True) in (0, 1)
    capsys.readouterr()
    assert main(["analyse", "gap", str(folder), "--json"], debug=True) == 0
    [gap] = json.loads(capsys.readouterr().out)
    rows = read_sources([str(folder)]).rows
    [row] = [row for row in rows if row.get("gap_layer_sum_ms") is not None]
    assert row["workload"] == "digits-mlp-12.5-fp32"
    steps = [float(str(row[f"gap_{name}_ms"])) for name in ("layer_sum", "call", "unexplained", "system")]
    assert steps[1:] == [gap["call_ms"], gap["unexplained_ms"], gap["system_ms"]]
    assert sum(steps) == pytest.approx(gap["loadgen_ms"])
    assert len(rows) > 2
