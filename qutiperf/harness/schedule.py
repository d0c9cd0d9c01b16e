"""When LoadGen meant to issue the queries of a Server test: it counts latency from then on."""

import numpy as np
import numpy.typing as npt

from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.units import NANOSECONDS_PER_SECOND

_AGREES = 1e-4  # LoadGen's log rounds to six digits


def scheduled_ns(seed: int, rate_per_s: float, count: int) -> npt.NDArray[np.int64]:
    """Scheduled times of `count` queries from the test's start, in nanoseconds.

    The first is 0, the gaps are exponential: loadgen.cc, GenerateQueries and ScheduleDistribution<Server>,
    with std::mt19937 and std::exponential_distribution as libstdc++ computes them, two draws a number.
    """
    draws = np.random.RandomState(seed % 2**32).randint(
        0, 2**32, size=(max(count - 1, 0), 2), dtype=np.uint32
    )
    uniform = (draws[:, 0] + draws[:, 1] * 2.0**32) / 2.0**64
    gaps_s = -np.log(1.0 - np.minimum(uniform, np.nextafter(1.0, 0.0))) / rate_per_s
    gaps = (gaps_s * NANOSECONDS_PER_SECOND).astype(np.int64)
    return np.concatenate([np.zeros(min(count, 1), np.int64), np.cumsum(gaps)])


def schedule_of(result: LoadGenResult, rate_per_s: float | None) -> npt.NDArray[np.int64] | None:
    """The schedule of a test that went through; None unless it gives the rate that LoadGen logged."""
    count, logged = result.query_count, result.scheduled_samples_per_second
    if not (result.seeds and rate_per_s and count and count > 1 and logged):
        return None
    schedule = scheduled_ns(result.seeds.schedule_rng_seed, rate_per_s, count)
    last_s = int(schedule[-1]) / NANOSECONDS_PER_SECOND
    return schedule if last_s and abs((count - 1) / last_s / logged - 1) < _AGREES else None
