"""Repeats that differ too much are marked when they are read, by the bound of their sweep."""

import json
from pathlib import Path

import pytest

from qutiperf.api.explanations import explained, selection_at
from qutiperf.cli import main
from qutiperf.results.record import Figures, RunRecord
from qutiperf.results.selection import select
from qutiperf.results.stability import with_stability
from qutiperf.results.store import read_record
from qutiperf.results.table import rows, warnings
from qutiperf.spec.scenario import ScenarioName, load_scenario
from tests.report.folders import stored
from tests.results.test_metrics import a_record

REASON = "its 3 repeats differ by {} % in system_throughput_ips, more than the bound of {} %"


def repeats(*rates: float, bound: float | None = None) -> list[RunRecord]:
    """Offline runs of one point at these throughputs."""
    made = []
    for number, rate in enumerate(rates, 1):
        record = a_record(f"{number:012x}", figures=Figures(system_throughput_ips=rate))
        point = record.point.model_copy(update={"repeat": number})
        inputs = record.inputs.model_copy(update={"stable_within_percent": bound})
        made.append(record.model_copy(update={"point": point, "inputs": inputs}))
    return made


def test_repeats_within_ten_per_cent_are_stable() -> None:
    records = repeats(100.0, 95.0, 105.0)
    assert with_stability(records) == records


def test_repeats_beyond_the_bound_are_all_unstable_with_the_reason() -> None:
    marked = with_stability(repeats(100.0, 95.0, 105.1))
    assert {record.quality for record in marked} == {"unstable"}
    assert [record.reasons for record in marked] == 3 * [[REASON.format("10.1", 10)]]
    assert {row["quality"] for row in rows(marked)} == {"unstable"}
    assert warnings(rows(marked)) == [f"digits-mlp-25-fp32 Offline batch 8: {REASON.format('10.1', 10)}"], (
        "one line a point"
    )


@pytest.mark.parametrize(("bound", "quality"), [(4.9, "unstable"), (5.1, "ok")])
def test_the_bound_is_that_of_the_sweep(bound: float, quality: str) -> None:
    assert {each.quality for each in with_stability(repeats(100.0, 97.5, 102.5, bound=bound))} == {quality}


def test_a_mark_of_a_run_stays_and_gets_the_further_reason() -> None:
    records = repeats(100.0, 100.0, 150.0)
    records[2] = records[2].model_copy(update={"quality": "noisy", "reasons": ["others"]})
    marked = with_stability(records)
    assert [record.quality for record in marked] == ["unstable", "unstable", "noisy"]
    assert marked[2].reasons == ["others", REASON.format(50, 10)]


def test_attempts_invalid_runs_other_points_and_other_files_are_not_repeats() -> None:
    first, second = repeats(100.0, 200.0)
    again = first.model_copy(update={"attempt": 2, "figures": Figures(system_throughput_ips=200.0)})
    assert with_stability([first, again]) == [first, again]
    invalid = second.model_copy(update={"valid": False})
    assert with_stability([first, invalid]) == [first, invalid]
    other = second.model_copy(
        update={"inputs": second.inputs.model_copy(update={"files_sha256": {"model": "1"}})}
    )
    assert with_stability([first, other]) == [first, other]
    elsewhere = second.model_copy(update={"host": {"cpu_model": "another"}})
    assert with_stability([first, elsewhere]) == [first, elsewhere]


def test_latency_counts_where_the_scenario_is_measured_by_it() -> None:
    scenario = load_scenario("singlestream")[0]
    records = []
    for record, latency in zip(repeats(1.0, 9.0), (1.0, 1.5), strict=True):
        point = record.point.model_copy(update={"scenario": ScenarioName.SINGLE_STREAM})
        inputs = record.inputs.model_copy(update={"scenario": scenario})
        figures = Figures(system_throughput_ips=1.0, system_latency_p90_ms=latency)
        records.append(record.model_copy(update={"point": point, "inputs": inputs, "figures": figures}))
    assert with_stability(records)[0].reasons == [
        "its 2 repeats differ by 40 % in system_latency_p90_ms, more than the bound of 10 %"
    ]


def test_repeats_of_a_part_count_by_compute() -> None:
    records = [
        record.model_copy(update={"figures": Figures(compute_throughput_ips=rate)})
        for record, rate in zip(repeats(1.0, 1.0), (1.0, 2.0), strict=True)
    ]
    assert {each.quality for each in with_stability(records)} == {"unstable"}


def test_a_folder_is_marked_when_it_is_read_and_its_records_stay(tmp_path: Path) -> None:
    folder = stored(tmp_path / "results", repeats(100.0, 100.0, 150.0))
    assert {record.quality for record in select(folder).records} == {"unstable"}
    stored_qualities = {read_record(path.parent).quality for path in folder.glob("*/record.json")}
    assert stored_qualities == {"ok"}
    for run in explained(folder, selection_at(folder, everything=False), None):
        assert run.needs_attention


def test_best_says_why_the_winner_is_in_doubt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stored(tmp_path / "results", repeats(100.0, 100.0, 150.0))
    arguments = ["best", str(folder), "--maximise", "system_throughput_ips"]
    assert main(arguments, debug=False) == 0
    assert f"the winner's quality is unstable ({REASON.format(50, 10)}); see" in " ".join(
        capsys.readouterr().out.split()
    )
    assert main([*arguments, "--json"], debug=False) == 0
    winner = json.loads(capsys.readouterr().out)["winner"]
    assert (winner["quality"], winner["reasons"]) == ("unstable", [REASON.format(50, 10)])
