"""The order of samples is that of LoadGen with the run's seeds, in every scenario."""

import json
from collections.abc import Sequence
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from qutiperf.audit.recompute import own_findings
from qutiperf.audit.regenerated_order import OrderCheck, check_order
from qutiperf.audit.stored_run import stored_runs
from qutiperf.harness.asked_samples import AskedSamples
from qutiperf.loadgen import driver
from qutiperf.loadgen.settings import Targets, TestRequest
from qutiperf.mlperf_logs import read_result
from qutiperf.results.record import RunRecord
from qutiperf.results.sample_order import ORDER
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName
from tests.audit.test_finished_runs import OLD, SINGLE

TestRequest.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test
SEEDS = Seeds(qsl_rng_seed=11, sample_index_rng_seed=12, schedule_rng_seed=13)
CASES = [
    (ScenarioName.SINGLE_STREAM, Mode.PERFORMANCE, 1, 300),
    (ScenarioName.SERVER, Mode.PERFORMANCE, 1, 300),
    (ScenarioName.MULTI_STREAM, Mode.PERFORMANCE, 8, 300),
    (ScenarioName.OFFLINE, Mode.PERFORMANCE, 1, 9000),
    (ScenarioName.SINGLE_STREAM, Mode.ACCURACY, 1, 1),
    (ScenarioName.MULTI_STREAM, Mode.ACCURACY, 8, 1),
    (ScenarioName.OFFLINE, Mode.ACCURACY, 1, 1),
]


def measured(
    folder: Path, scenario: ScenarioName, mode: Mode, per_query: int, least: int, pause_s: float = 0.0
) -> RunRecord:
    """A record of a test with LoadGen, whose order is kept as a worker keeps it."""
    asked, row = AskedSamples(), np.zeros(1, np.float32)

    def issue(ids: list[int], indices: list[int]) -> None:
        asked.keep(indices)
        driver.complete(ids, row.ctypes.data, 0)
        if pause_s:
            sleep(pause_s)

    def ignore(_: Sequence[int]) -> None:
        return

    request = TestRequest(
        scenario=scenario,
        mode=mode,
        settings=RunSettings(min_duration_s=0.02, min_query_count=least),
        targets=Targets(latency_ns=20_000, rate_per_s=40_000.0),
        samples_per_query=per_query,
        total_count=1000,
        performance_count=250,
        log_dir=folder,
        seeds=SEEDS,
    )
    driver.run_test(request, issue, ignore, ignore)
    (folder / ORDER).write_text(asked.order().model_dump_json())
    runs, _ = stored_runs([OLD])
    [like] = [run.record for run in runs if run.record.run_id == SINGLE]
    point = like.point.model_copy(update={"scenario": scenario, "mode": mode})
    return like.model_copy(update={"point": point, "loadgen": read_result(folder)})


@pytest.mark.parametrize(("scenario", "mode", "per_query", "least"), CASES)
def test_the_order_of_a_run_is_repeated(
    scenario: ScenarioName, mode: Mode, per_query: int, least: int, tmp_path: Path
) -> None:
    record = measured(tmp_path, scenario, mode, per_query, least)
    assert check_order(record, tmp_path, 16384) == OrderCheck()


def changed(folder: Path, **values: object) -> None:
    path = folder / ORDER
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_another_order_is_found(tmp_path: Path) -> None:
    record = measured(tmp_path, *CASES[0])
    first = json.loads((tmp_path / ORDER).read_text())["first"]
    position = next(number for number in range(1, 99) if first[number] != first[0])
    changed(tmp_path, first=[*first[:position], first[0], *first[position + 1 :]])
    problem = f"sample {position:,} of the run is {first[0]}, {first[position]} by LoadGen's seeds"
    assert check_order(record, tmp_path, 16384) == OrderCheck(problem=problem)


def test_a_difference_beyond_the_first_samples_is_found(tmp_path: Path) -> None:
    record = measured(tmp_path, *CASES[3])
    digests = json.loads((tmp_path / ORDER).read_text())["sha256"]
    assert list(digests) == ["4096", "9000"]
    changed(tmp_path, sha256={**digests, "9000": digests["4096"]})
    problem = "the first 9,000 samples are others than by LoadGen's seeds"
    assert check_order(record, tmp_path, 16384) == OrderCheck(problem=problem)
    assert check_order(record, tmp_path, 4096) == OrderCheck()  # only its start is compared


def test_samples_that_are_left_out_are_found(tmp_path: Path) -> None:
    record = measured(tmp_path, *CASES[0])
    kept = json.loads((tmp_path / ORDER).read_text())
    changed(tmp_path, samples=kept["samples"] - 1)
    problem = check_order(record, tmp_path, 16384).problem
    assert problem == (
        f"the system was asked for {kept['samples'] - 1:,} samples, {kept['samples']:,} by the log"
    )
    changed(tmp_path, samples=kept["samples"], first=kept["first"][:5])
    assert "5 of the first 4,096 samples are kept" in str(check_order(record, tmp_path, 16384).problem)


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1}', "[" * 100_000, "\xff"])
def test_a_damaged_order_is_unknown(text: str, tmp_path: Path) -> None:
    record = measured(tmp_path, *CASES[4])
    (tmp_path / ORDER).write_bytes(text.encode("latin-1"))
    assert check_order(record, tmp_path, 16384) == OrderCheck(unknown="the order of samples is damaged")


def test_an_older_run_has_no_order(tmp_path: Path) -> None:
    record = measured(tmp_path, *CASES[4])
    (tmp_path / ORDER).unlink()
    unknown = "the run keeps no order of samples: it is older than this audit"
    assert check_order(record, tmp_path, 16384) == OrderCheck(unknown=unknown)


def test_a_busy_machine_explains_time_between_queries(tmp_path: Path) -> None:
    """The wall clock counts the pauses, the latencies of the queries do not."""
    folder = tmp_path / f"{SINGLE}-1"
    folder.mkdir()
    record = measured(folder, *CASES[2], pause_s=0.001)
    (folder / "record.json").write_text(record.model_dump_json())
    problems, explained = own_findings(folder, busy=True)
    assert len(explained) == 1
    assert "the wall clock by queries gives" in explained[0]
    assert own_findings(folder, busy=False) == ([*explained, *problems], [])
