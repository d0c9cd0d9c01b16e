"""The largest and smallest values of settings, checked before any measurement.

The limits catch wrong units, and values that would later exhaust the memory, never finish or overflow
LoadGen's integers. They do not apply to stored results, which must stay readable.
"""

from collections.abc import Mapping

from qutiperf.errors import InputError
from qutiperf.spec.scenario import RunSettings, Scenario
from qutiperf.units import MILLISECONDS_PER_SECOND

# The standard profile takes 10 s a run: 10,000 runs are 28 hours. Each costs the plan about 1 ms and 20 kB.
MOST_POINTS = 10_000
# LoadGen generates all queries of a test before it issues the first one, about 100 bytes per query or sample.
MOST_QUERIES = 100_000_000
# A year. LoadGen keeps times as nanoseconds in int64, which end after 292 years.
MOST_SECONDS = 31_536_000
# LoadGen counts durations in whole milliseconds and latencies in whole nanoseconds; less than 1 rounds to 0.
LEAST_DURATION_S = 1e-3
LEAST_LATENCY_MS = 1e-6
# Early stopping needs about 4.6 / (1 - p) queries for percentile p: 4.6 million at this one.
MOST_PERCENTILE = 0.999999
LEAST_PERCENTILE = 0.01
# Deployment: a batch is one array, and the plan also compares its bytes with the memory of this host; Linux
# runs on up to 8,192 processors (NR_CPUS of x86-64); every stream loads the model, starts a thread and
# may open a connection, of which a process has 1,024 by default (RLIMIT_NOFILE).
MOST = {"batch_size": 1_000_000, "threads": 8192, "streams": 1024}
# All threads of all streams: the default of kernel.pid_max, which counts threads.
MOST_THREADS_OF_ALL_STREAMS = 32_768

# One sample, which the plan prepares twice to measure the time; an ImageNet image has 600 kB.
MOST_SAMPLE_BYTES = 1_000_000_000

_COUNTS = (1, MOST_QUERIES)
_DURATION = (LEAST_DURATION_S, MOST_SECONDS)
_LATENCY = (LEAST_LATENCY_MS, MOST_SECONDS * MILLISECONDS_PER_SECOND)
_RANGES: Mapping[str, tuple[float, float]] = {
    "min_duration_s": _DURATION,
    "max_duration_s": _DURATION,
    "time_limit_s": _DURATION,
    "sustained_s": _DURATION,
    "warm_up_s": _DURATION,
    "min_query_count": _COUNTS,
    "max_query_count": _COUNTS,
    "performance_sample_count": _COUNTS,
    "target_latency_percentile": (LEAST_PERCENTILE, MOST_PERCENTILE),
    "target_latency_ms": _LATENCY,
    "server_target_latency_ms": _LATENCY,
    "target_qps": (1 / MOST_SECONDS, MOST_QUERIES),
    "feed_threads": (0, MOST["streams"]),
}


def check_settings(settings: RunSettings, where: str) -> None:
    """Raises InputError with the key and the limit for a value that LoadGen or the memory cannot handle."""
    for name, (least, most) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            problem = f"{name}: {value:,} is {'above' if value > most else 'below'} the limit"
            cure = f"give {_number(least)} to {_number(most)}"
            raise InputError(problem, where=where, cure=cure)


def check_scenario(scenario: Scenario, where: str) -> None:
    """Applies `check_settings` to every profile."""
    for profile, settings in scenario.profiles.items():
        check_settings(settings, f"{where}: profiles.{profile}")


def check_load(settings: RunSettings, where: str) -> None:
    """Raises InputError if LoadGen would generate too many queries with these final settings of a run."""
    seconds, most = settings.min_duration_s or 0.0, settings.max_duration_s
    if settings.sustained_s and most is not None and most < settings.sustained_s:
        problem = (
            f"settings.max_duration_s: {most:g} s ends a run that is held for {settings.sustained_s:g} s"
        )
        raise InputError(problem, where=where, cure="leave it out")
    for name in ("target_qps", "target_latency_ms"):
        value = getattr(settings, name)
        if value is None:
            continue
        rate = value if name == "target_qps" else MILLISECONDS_PER_SECOND / value
        if rate * seconds > MOST_QUERIES:
            problem = f"settings.{name}: {value:,} makes {rate * seconds:,.0f} queries in {seconds:g} s"
            raise InputError(problem, where=where, cure=f"the limit is {MOST_QUERIES:,}: shorten the run")


def check_sample(sample_bytes: int, where: str) -> None:
    """Raises InputError if one sample of the model's input is too large to prepare."""
    if sample_bytes > MOST_SAMPLE_BYTES:
        problem = f"model.input.shape: one sample has {sample_bytes:,} bytes"
        raise InputError(problem, where=where, cure=f"the limit is {MOST_SAMPLE_BYTES:,}")


def check_deployment(name: str, value: float) -> None:
    """Raises InputError if a deployment parameter is beyond its limit."""
    most = MOST.get(name)
    if most is not None and value > most:
        problem = f"deployment.{name}: {value:,} is above the limit"
        raise InputError(problem, cure=f"give 1 to {most:,}")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
