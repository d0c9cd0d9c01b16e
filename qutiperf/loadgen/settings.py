"""LoadGen's settings for one test; independent of LoadGen itself."""

import math
from dataclasses import dataclass
from pathlib import Path

from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName


@dataclass(frozen=True, slots=True)
class Targets:
    """Expected latency of a query in nanoseconds, or samples (Server: queries) per second."""

    latency_ns: int | None = None
    rate_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class TestRequest:
    """One LoadGen test; `submission` reads LoadGen's built-in mlperf.conf and a user.conf in `log_dir`.

    `seeds` replace those of LoadGen, which an audit.config cannot.
    """

    scenario: ScenarioName
    mode: Mode
    settings: RunSettings
    targets: Targets
    samples_per_query: int
    total_count: int
    performance_count: int
    log_dir: Path
    submission: bool = False
    model_name: str = "*"
    audit_config: Path | None = None
    seeds: Seeds | None = None


_DEFAULT_DURATION_S, _DEFAULT_QUERIES = 10.0, 100  # TestSettings in test_settings.h
_SLACK = 1.1
_PERCENTILE_FIELD = {
    ScenarioName.SINGLE_STREAM: "single_stream_target_latency_percentile",
    ScenarioName.MULTI_STREAM: "multi_stream_target_latency_percentile",
    ScenarioName.SERVER: "server_target_latency_percentile",
}


def direct_fields(request: TestRequest) -> dict[str, int | float]:
    """Fields of mlperf_loadgen.TestSettings by name; None keeps LoadGen's default."""
    settings, targets = request.settings, request.targets
    fields: dict[str, int | float | None] = {
        "min_duration_ms": _milliseconds(settings.min_duration_s),
        "max_duration_ms": _milliseconds(settings.max_duration_s),
        "min_query_count": settings.min_query_count,
        "max_query_count": settings.max_query_count,
        "performance_sample_count_override": settings.performance_sample_count,
        **_target_fields(request.scenario, settings, targets),
    }
    if request.scenario in _PERCENTILE_FIELD:
        fields[_PERCENTILE_FIELD[request.scenario]] = settings.target_latency_percentile
    if request.scenario is ScenarioName.MULTI_STREAM:
        fields["multi_stream_samples_per_query"] = request.samples_per_query
    return {name: value for name, value in fields.items() if value is not None}


def whole_batches(settings: RunSettings, rate_per_s: float, unit: int, least: int) -> int:
    """The samples of Offline as whole units of batches, at least `least` of them.

    LoadGen issues 1.1 times what the rate gives in the minimum duration, but at least `min_query_count`
    samples (TestSettingsInternal in test_settings_internal.cc). A last batch with less than its size would be
    timed as one of that size.
    """
    duration_s = _DEFAULT_DURATION_S if settings.min_duration_s is None else settings.min_duration_s
    queries = _DEFAULT_QUERIES if settings.min_query_count is None else settings.min_query_count
    samples = max(queries, math.ceil(_SLACK * duration_s * rate_per_s) + 1, least * unit)
    return math.ceil(samples / unit) * unit


def _target_fields(
    scenario: ScenarioName, settings: RunSettings, targets: Targets
) -> dict[str, int | float | None]:
    if scenario is ScenarioName.SINGLE_STREAM:
        return {"single_stream_expected_latency_ns": targets.latency_ns}
    if scenario is ScenarioName.MULTI_STREAM:
        return {"multi_stream_expected_latency_ns": targets.latency_ns}
    if scenario is ScenarioName.OFFLINE:
        return {"offline_expected_qps": targets.rate_per_s}
    bound = settings.server_target_latency_ms
    return {
        "server_target_qps": targets.rate_per_s,
        "server_target_latency_ns": None if bound is None else round(bound * 1e6),
    }


def user_conf(request: TestRequest) -> str:
    """The submitter's user.conf: `*.Scenario.key = value`, times in milliseconds, percentiles in percent."""
    settings, targets = request.settings, request.targets
    bound = settings.server_target_latency_ms if request.scenario is ScenarioName.SERVER else None
    percentile = settings.target_latency_percentile
    lines: dict[str, int | float | None] = {
        "target_latency": bound if targets.latency_ns is None else targets.latency_ns / 1e6,
        "target_qps": targets.rate_per_s,
        "min_duration": _milliseconds(settings.min_duration_s),
        "max_duration": _milliseconds(settings.max_duration_s),
        "min_query_count": settings.min_query_count,
        "max_query_count": settings.max_query_count,
        "performance_sample_count_override": settings.performance_sample_count,
        "target_latency_percentile": None if percentile is None else 100 * percentile,
    }
    scenario = request.scenario.value
    return "".join(f"*.{scenario}.{key} = {value}\n" for key, value in lines.items() if value is not None)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
