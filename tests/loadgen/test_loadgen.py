"""What LoadGen is told, and that it is told so."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from qutiperf.loadgen import driver
from qutiperf.loadgen.settings import Targets, TestRequest, direct_fields, user_conf, whole_batches
from qutiperf.mlperf_logs import read_result
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName

TestRequest.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def request_for(scenario: ScenarioName, folder: Path, **more: object) -> TestRequest:
    fields: dict[str, object] = {
        "scenario": scenario,
        "mode": Mode.PERFORMANCE,
        "settings": RunSettings(min_duration_s=0.05, min_query_count=3),
        "targets": Targets(latency_ns=1_000_000, rate_per_s=1000.0),
        "samples_per_query": 1,
        "total_count": 16,
        "performance_count": 16,
        "log_dir": folder,
        **more,
    }
    return TestRequest(**fields)  # type: ignore[arg-type]  # as a test writes them


def test_direct_settings(tmp_path: Path) -> None:
    single = direct_fields(request_for(ScenarioName.SINGLE_STREAM, tmp_path))
    assert single == {
        "min_duration_ms": 50,
        "min_query_count": 3,
        "single_stream_expected_latency_ns": 1_000_000,
    }
    multi = direct_fields(request_for(ScenarioName.MULTI_STREAM, tmp_path, samples_per_query=8))
    assert multi["multi_stream_samples_per_query"] == 8
    server = request_for(
        ScenarioName.SERVER,
        tmp_path,
        settings=RunSettings(server_target_latency_ms=15, target_latency_percentile=0.97),
    )
    assert direct_fields(server) == {
        "server_target_qps": 1000.0,
        "server_target_latency_ns": 15_000_000,
        "server_target_latency_percentile": 0.97,
    }


def test_user_conf_is_in_milliseconds(tmp_path: Path) -> None:
    request = request_for(ScenarioName.SINGLE_STREAM, tmp_path, targets=Targets(latency_ns=500_000))
    assert user_conf(request) == (
        "*.SingleStream.target_latency = 0.5\n"
        "*.SingleStream.min_duration = 50\n"
        "*.SingleStream.min_query_count = 3\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("scenario", list(ScenarioName))
def test_loadgen_takes_every_setting(scenario: ScenarioName, tmp_path: Path) -> None:
    answers = np.arange(1024, dtype=np.float32)
    loaded: list[int] = []
    answered: list[int] = []

    def issue(ids: Sequence[int], indices: Sequence[int]) -> None:
        answered.extend(indices)
        driver.complete(ids, answers.ctypes.data, 4)

    targets = Targets(latency_ns=1000, rate_per_s=1000.0)
    request = request_for(
        scenario,
        tmp_path,
        targets=targets,
        samples_per_query=4 if scenario is ScenarioName.MULTI_STREAM else 1,
    )
    driver.run_test(request, issue, loaded.extend, lambda indices: None)
    result = read_result(tmp_path)
    assert result.scenario == scenario.value
    assert result.effective["min_duration_ms"] == 50
    assert result.effective["min_query_count"] == (1 if scenario is ScenarioName.OFFLINE else 3)
    assert set(loaded) == set(range(16))  # MultiStream pads the last query's samples with others
    assert set(answered) <= set(range(16))
    assert result.error_count == 0


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1.0, 333.3, 9999.9, 123456.7])
@pytest.mark.parametrize(("queries", "seconds"), [(1, 0.05), (500, 0.011), (None, 0.002)])
def test_offline_has_whole_batches_and_no_fewer_samples_than_without(
    rate: float, queries: int | None, seconds: float, tmp_path: Path
) -> None:
    answers = np.zeros(1, np.float32)

    def issue(ids: Sequence[int], indices: Sequence[int]) -> None:
        for start in range(0, len(ids), 1000):
            driver.complete(ids[start : start + 1000], answers.ctypes.data, 0)

    given = RunSettings(min_duration_s=seconds, min_query_count=queries)
    samples = whole_batches(given, rate, unit=48, least=3)
    issued = []
    for folder, settings in (
        (tmp_path / "given", given),
        (tmp_path / "whole", RunSettings(min_duration_s=seconds, min_query_count=samples)),
    ):
        folder.mkdir()
        request = request_for(
            ScenarioName.OFFLINE, folder, settings=settings, targets=Targets(rate_per_s=rate)
        )
        driver.run_test(request, issue, lambda indices: None, lambda indices: None)
        issued.append(int(read_result(folder).effective_number("samples_per_query")))
    assert issued[1] == samples
    assert issued[0] <= samples < max(issued[0] + 1, 3 * 48) + 48
    assert samples % 48 == 0


@pytest.mark.slow
def test_an_audit_config_is_used_only_when_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audit = tmp_path / "audit.config"
    audit.write_text("*.*.performance_issue_same = 1\n")
    answers = np.zeros(1024, np.float32)

    def issue(ids: Sequence[int], indices: Sequence[int]) -> None:
        driver.complete(ids, answers.ctypes.data, 4)

    for named, expected in ((None, False), (audit, True)):
        folder = tmp_path / str(named is not None)
        folder.mkdir()
        request = request_for(ScenarioName.OFFLINE, folder, audit_config=named)
        driver.run_test(request, issue, lambda indices: None, lambda indices: None)
        assert read_result(folder).effective["performance_issue_same"] is expected


def test_responses_lie_one_after_the_other() -> None:
    made = driver.responses([7, 8, 9], 4096, 4)
    assert [(each.id, each.data, each.size) for each in made] == [(7, 4096, 4), (8, 4100, 4), (9, 4104, 4)]


def test_responses_of_no_bytes_have_an_address_each() -> None:
    found = driver.responses([7, 8], 4096, 0)
    assert [(each.id, each.data, each.size) for each in found] == [(7, 4096, 0), (8, 4096, 0)]
