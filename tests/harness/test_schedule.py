"""LoadGen's own schedule of Server, computed anew."""

import numpy as np
import pytest

from qutiperf.harness.schedule import schedule_of, scheduled_ns
from qutiperf.mlperf_logs import read_result
from tests.places import LOGS


@pytest.mark.parametrize("log", ["server_valid", "server_latency_bound", "server_overloaded"])
def test_the_schedule_has_the_rate_that_loadgen_logged(log: str) -> None:
    result = read_result(LOGS / log)
    assert result.seeds is not None
    assert result.query_count is not None
    assert result.target_qps is not None
    schedule = scheduled_ns(result.seeds.schedule_rng_seed, result.target_qps, result.query_count)
    assert len(schedule) == result.query_count
    assert schedule[0] == 0
    assert (np.diff(schedule) >= 0).all()
    rate = (len(schedule) - 1) / (int(schedule[-1]) / 1e9)
    assert rate == pytest.approx(result.scheduled_samples_per_second, rel=1e-4)
    found = schedule_of(result, result.target_qps)
    assert found is not None
    assert (found == schedule).all()


def test_another_seed_or_rate_gives_no_schedule() -> None:
    result = read_result(LOGS / "server_valid")
    assert result.target_qps is not None
    assert result.seeds is not None
    assert schedule_of(result, 1.01 * result.target_qps) is None
    assert schedule_of(result, None) is None
    seeds = result.seeds.model_copy(update={"schedule_rng_seed": 1})
    assert schedule_of(result.model_copy(update={"seeds": seeds}), result.target_qps) is None


def test_a_log_without_the_rate_gives_no_schedule() -> None:
    result = read_result(LOGS / "offline_valid")
    assert schedule_of(result, 100.0) is None
