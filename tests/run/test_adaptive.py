"""Sweeps with a budget or a search from the command line: what is measured, left out, and kept."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import qutiperf
from qutiperf import host
from qutiperf.cli import main
from qutiperf.errors import InputError
from qutiperf.results.left_out import LeftOut, read_left_out
from qutiperf.results.record import RunRecord
from qutiperf.results.selection import select
from qutiperf.results.store import LEFT_OUT, Store
from qutiperf.run.adaptive import Records, loads_of
from qutiperf.run.plan import Group, gather, make_plan
from qutiperf.spec.sweep import load_sweep
from tests.conftest import FAULTY, SutFile, fails
from tests.results.test_metrics import a_record

SweepFile = Callable[..., Path]
BATCHES = "deployment.batch_size=1,2,4,8,16,32,64"
QUICK = ["--set", "workloads=digits-mlp-25-fp32", "--set", "scenarios=Offline"]


def left_out(folder: Path) -> LeftOut:
    found = read_left_out(folder, [record.run_id for record in Store.open(folder).latest()])
    assert found is not None
    return found


def a_plan(*more: str) -> list[Group]:
    sweep, file = load_sweep("quickstart", [*QUICK[1::2], "deployment.batch_size=1,8", *more])
    return make_plan(sweep, gather(sweep, beside=file.path.parent), host.facts()).groups


def a_load(*more: str) -> tuple[str, Records, list[str]]:
    """The findings of a plan of one load without records, and the keys of its settings."""
    loads = loads_of(a_plan(*more), "fingerprint")
    [(key, load)] = loads.items()
    return key, Records(loads, {}, {}), list(load.full)


def test_a_probe_is_a_tenth_of_a_run_and_marked() -> None:
    [load] = loads_of(a_plan("settings.min_duration_s=10", "settings.min_query_count=200"), "x").values()
    for key, [run] in load.full.items():
        probe = load.probes[key]
        assert probe.probe_of == run.run_id != probe.run_id
        assert (run.point.settings.min_duration_s, run.point.settings.min_query_count) == (10, 200)
        assert (probe.point.settings.min_duration_s, probe.point.settings.min_query_count) == (1.0, 20)
        assert probe.point.deployment == run.point.deployment


@pytest.mark.parametrize(("full_s", "probe_s"), [(600, 2.0), (1, 0.1), (0.2, 0.05), (0.06, 0.03)])
def test_the_length_of_a_probe(full_s: float, probe_s: float) -> None:
    [load] = loads_of(a_plan(f"settings.min_duration_s={full_s}"), "x").values()
    [probe, *_] = load.probes.values()
    assert probe.point.settings.min_duration_s == pytest.approx(probe_s)


def test_repeats_are_one_setting_and_accuracy_is_known_to_all_loads_of_a_model() -> None:
    loads = loads_of(a_plan("repeats=3", "deployment.streams=1,2"), "x")
    assert [[len(runs) for runs in load.full.values()] for load in loads.values()] == [[3, 3], [3, 3]]
    records = Records(loads, {}, {})
    [accuracy, _] = [load.accuracy for load in loads.values()]
    assert accuracy is not None
    figures = a_record("x").figures.model_copy(update={"top1_percent": 97.0})
    records.take([a_record(accuracy.run_id, figures=figures)])
    settings = records.settings(1.0)
    assert len(settings) == 4
    assert {records.findings().accuracy[str(one.accuracy)] for one in settings} == {97.0}


def test_models_are_compared_only_where_their_accuracy_is_known() -> None:
    both = ("workloads=[digits-mlp-25-fp32,digits-mlp-50-fp32]",)
    compared = Records(loads_of(a_plan(*both), "x"), {}, {}).settings(1.0)
    alone = Records(loads_of(a_plan(*both, "modes=PerformanceOnly"), "x"), {}, {}).settings(1.0)
    assert (len({one.family for one in compared}), len({one.family for one in alone})) == (1, 2)


def test_a_failed_probe_of_an_earlier_command_is_tried_once_more() -> None:
    _, records, [key, _] = a_load()
    [load] = loads_of(a_plan(), "fingerprint").values()
    failure = {"stage": "run", "kind": "crash", "reason": "gone"}
    failed = a_record(load.probes[key].run_id, valid=False).model_dump() | {"failure": failure}
    record = RunRecord.model_validate(failed)
    loads = loads_of(a_plan(), "fingerprint")
    assert Records(loads, {}, {record.run_id: [record]}).findings().failed == {}
    assert Records(loads, {}, {record.run_id: [record, record]}).findings().failed == {key: "gone"}
    records.take([record])
    assert records.findings().failed == {key: "gone"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--strategy", "best"], "--strategy: 'best' is not a strategy; use full or pareto"),
        (["--budget", "soon"], "--budget: 'soon' is not a duration; write 90s, 30m or 1h30m"),
        (["--budget", "1s"], "--budget: 1 s is shorter than the first run, which takes about"),
        (["--strategy", "pareto", "--budget", "1s"], "use --budget"),
        (["--strategy", "pareto", "--again"], "--again has no effect with --strategy pareto"),
        (["--strategy", "pareto", "--set", "modes=AccuracyOnly"], "has only accuracy runs"),
        (
            ["--strategy", "pareto", "--set", "order=balanced", "--set", "repeats=4"],
            "order: balanced measures every load in turn",
        ),
    ],
)
def test_wrong_options_write_nothing(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert message in fails(capsys, ["run", "quickstart", *QUICK, "--out", str(out), *more], 2)
    assert not out.exists()


def test_a_damaged_file_of_what_was_left_out_is_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store.create(tmp_path)
    (tmp_path / LEFT_OUT).write_text('{"schema_version": 1, "strategy": []')
    assert main(["show", str(tmp_path)], debug=False) == 0
    assert "left_out.json: is damaged" in capsys.readouterr().err
    assert select(tmp_path).left_out is None


def test_without_a_search_nothing_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.create(tmp_path)
    assert "has nothing that was left out" in fails(capsys, ["show", str(tmp_path), "--left-out"], 2)


@pytest.mark.slow
def test_a_search_finds_the_largest_batch_that_fits_and_says_why_it_left_out_the_others(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sut = sut_file(f"{FAULTY}:RunsOutOfMemory", extra="options: {good_batches: 16}\n")
    out = tmp_path / "out"
    sweep = sweep_file(sut, extra="modes: [PerformanceOnly]\nrepeats: 2\n")
    arguments = ["run", str(sweep), "--out", str(out), "--set", BATCHES]
    assert main([*arguments, "--strategy", "pareto"], debug=True) == 0
    full = Store.open(out).latest()
    sizes = [record.point.deployment["batch_size"] for record in full]
    assert sizes.count(16) == 2
    assert max(sizes) == 16
    probes = Store.open(out).probes.latest()
    assert {record.probe_of for record in probes} >= {full[0].run_id}
    failed = [record for record in probes if record.failure]
    assert failed
    capsys.readouterr()
    assert main(["show", str(out), "--left-out", "--json"], debug=False) == 0
    told = json.loads(capsys.readouterr().out)
    kinds = {row["batch_size"]: row["kind"] for row in told["settings"]}
    assert (told["strategy"], told["probes"]) == ("pareto", len(probes))
    assert {size for size, kind in kinds.items() if kind == "failed"} == {32, 64}
    assert set(kinds.values()) <= {"dominated", "unpromising", "negligible", "failed"}
    assert any("no memory for" in row["reason"] for row in told["settings"])
    # probes appear nowhere else, a full sweep goes on with the rest
    assert len(qutiperf.load(out)) == len(full)
    assert set(qutiperf.load(out / "probes", everything=True)["probe"]) == {True}
    assert len(qutiperf.load(out / "probes")) == 0
    assert main(["plan", str(sweep), "--out", str(out), "--set", BATCHES, "--json"], debug=False) == 0
    rows = json.loads(capsys.readouterr().out)["runs"]
    assert {row["run_id"] for row in rows if row["left_out"]} == {
        row["run_id"] for row in rows if not row["done"]
    }
    assert sum(row["done"] for row in rows) == len(full)


@pytest.mark.slow
def test_probes_that_were_moved_among_the_runs_are_left_out(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sweep = sweep_file(sut_file("simulated"), extra="modes: [PerformanceOnly]\n")
    more = ["--set", "deployment.latency_us=100.0,5000.0"]
    assert main(["run", str(sweep), "--out", str(out), "--strategy", "pareto", *more], debug=True) == 0
    before = len(qutiperf.load(out))
    for folder in Store.open(out).probes.run_folders():
        shutil.move(folder, out / folder.name)
    capsys.readouterr()
    assert main(["show", str(out)], debug=False) == 0
    assert "left out, as short runs are not compared with full ones" in capsys.readouterr().err
    assert len(qutiperf.load(out)) == before > 0


@pytest.mark.slow
def test_a_budget_takes_what_fits_in_the_planned_order_and_the_next_command_the_rest(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sweep = sweep_file(sut_file("simulated"), extra="modes: [PerformanceOnly]\nrepeats: 10\norder: listed\n")
    arguments = ["run", str(sweep), "--out", str(out), "--set", "settings.min_duration_s=1"]
    assert main([*arguments, "--budget", "10s"], debug=True) == 0
    first = sorted(record.point.repeat for record in Store.open(out).latest())
    assert first == list(range(1, len(first) + 1))
    assert 0 < len(first) < 10
    [setting] = left_out(out).settings
    assert (setting.kind, len(setting.run_ids)) == ("budget", 10 - len(first))
    assert left_out(out).budget_s == 10
    assert main(arguments, debug=True) == 0
    assert len(Store.open(out).latest()) == 10
    assert {record.attempt for record in Store.open(out).latest()} == {1}
    assert left_out(out).settings == []


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_probes_that_it_has(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sut = sut_file(f"{FAULTY}:RunsOutOfMemory", extra="options: {good_batches: 64}\n")
    sweep = sweep_file(sut, extra="modes: [PerformanceOnly]\n")
    arguments = [*("run", str(sweep), "--out", str(out), "--set", BATCHES), "--strategy", "pareto"]
    process = subprocess.Popen([sys.executable, "-m", "qutiperf", *arguments], start_new_session=True)
    limit = time.monotonic() + 60
    while not list(out.glob("probes/*-1/record.json")) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path.name for path in out.glob("probes/*-1")}
    assert kept
    assert main(arguments, debug=True) == 0
    assert 64 in {record.point.deployment["batch_size"] for record in Store.open(out).latest()}
    assert {record.attempt for record in Store.open(out).probes.records()} == {1}
    assert kept <= {path.name for path in out.glob("probes/*-1")}


@pytest.mark.slow
def test_answers_are_kept_also_of_models_that_were_measured_without(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["run", "quickstart", *QUICK, "--set", "settings.min_duration_s=0.1", "--out", str(out)]
    arguments += ["--set", "deployment.batch_size=8", "--strategy", "pareto"]
    assert main(arguments, debug=True) == 0
    assert not list(out.glob("*/answers*"))
    before = len(Store.open(out).read().records)
    for _ in range(2):
        assert main([*arguments, "--keep-answers"], debug=True) == 0
        [folder] = {path.parent for path in out.glob("*/answers*")}
        assert folder.name.endswith("-2")
        assert len(Store.open(out).read().records) == before + 1


def test_python_takes_the_same_options(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a strategy"):
        qutiperf.run("quickstart", tmp_path / "out", strategy="best")
    with pytest.raises(InputError, match="1 s is shorter than the first run"):
        qutiperf.run("quickstart", tmp_path / "out", budget=1)
