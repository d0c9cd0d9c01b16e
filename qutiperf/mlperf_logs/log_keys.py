"""Which keys LoadGen writes to the detail log, and their order: the same from 5.1.2 to 6.0.17.

`ORDER` was read from 1,298 published logs of v6.0 and the recordings of the tests; no two disagree.
"""

from collections.abc import Iterable, Mapping

_PERCENTILES = ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")
_BOTH = (
    *("min_duration_ms", "max_duration_ms", "min_query_count", "max_query_count", "qsl_rng_seed"),
    *("sample_index_rng_seed", "schedule_rng_seed", "accuracy_log_rng_seed", "accuracy_log_probability"),
    *("accuracy_log_sampling_target", "print_timestamps", "performance_issue_unique"),
    *("performance_issue_same", "performance_issue_same_index"),
)
HEAD = (
    *("loadgen_version", "loadgen_build_date_local", "loadgen_build_date_utc", "loadgen_git_commit_date"),
    *("loadgen_git_log_message", "loadgen_git_status_message", "loadgen_file_sha1", "test_datetime"),
    *("sut_name", "get_sut_name_duration_ns", "qsl_name", "qsl_reported_total_count"),
    "qsl_reported_performance_count",
)
_REQUESTED_OF: Mapping[str, tuple[str, ...]] = {
    "MultiStream": tuple(
        f"requested_multi_stream_{name}"
        for name in ("expected_latency_ns", "target_latency_percentile", "samples_per_query")
    ),
    "Offline": ("requested_offline_expected_qps",),
    "Server": tuple(
        f"requested_server_{name}"
        for name in (
            *("target_qps", "target_latency_ns", "target_latency_percentile", "coalesce_queries"),
            *("find_peak_qps_decimals_of_precision", "find_peak_qps_boundary_step_size"),
            *("max_async_queries", "num_issue_query_threads"),
        )
    ),
    "SingleStream": tuple(
        f"requested_single_stream_{name}" for name in ("expected_latency_ns", "target_latency_percentile")
    ),
}
_REQUESTED = tuple(f"requested_{name}" for name in _BOTH)
_EFFECTIVE = (
    *("effective_scenario", "effective_test_mode", "effective_samples_per_query", "effective_target_qps"),
    *("effective_target_latency_ns", "effective_target_latency_percentile", "effective_max_async_queries"),
    "effective_target_duration_ms",
    *(f"effective_{name}" for name in _BOTH[:4]),
    "effective_min_sample_count",
    *(f"effective_{name}" for name in _BOTH[4:]),
    "effective_performance_sample_count",
)
_ISSUED = (
    *("loaded_qsl_set", "generated_query_count", "generated_samples_per_query", "generated_query_duration"),
    "logger_swap_request_slots_retry_count",
    "logger_swap_request_slots_retry_retry_count",
    "logger_swap_request_slots_retry_reencounter_count",
    "logger_start_reading_entries_retry_count",
    "logger_tls_total_log_cas_fail_count",
    "logger_tls_total_swap_buffers_slot_retry_count",
    *("power_begin", "power_end"),
)
_LATENCIES = (
    *(f"result_{name}_latency_ns" for name in ("min", "max", "mean")),
    *(f"result_{number}_percentile_latency_ns" for number in _PERCENTILES),
)
_PER_QUERY = (
    *(f"result_{name}_query_latency_ns" for name in ("min", "max", "mean")),
    *(f"result_{number}_percentile_per_query_latency_ns" for number in _PERCENTILES),
)
_FIRST_TOKEN = (
    *(f"result_first_token_{name}_latency_ns" for name in ("min", "max", "mean")),
    *(f"result_first_token_{number}_percentile_latency_ns" for number in _PERCENTILES),
)
_PER_TOKEN = (
    *(f"result_time_per_output_token_{number}_percentile_ns" for number in _PERCENTILES),
    *(f"result_time_to_output_token_{name}" for name in ("min", "max", "mean")),
)
_VERDICT = ("result_validity", "result_min_duration_met", "result_min_queries_met", "early_stopping_met")
_RESULT_OF: Mapping[str, tuple[str, ...]] = {
    "SingleStream": (
        *("result_qps_with_loadgen_overhead", "result_qps_without_loadgen_overhead"),
        *("early_stopping_latency_ss", "early_stopping_latency_ms"),
    ),
    "MultiStream": (*_PER_QUERY, "early_stopping_latency_ms"),
    "Server": (
        *("result_perf_constraints_met", "result_overlatency_query_count"),
        *("result_scheduled_samples_per_sec", "result_completed_samples_per_sec"),
    ),
    "Offline": ("result_samples_per_second",),
}
ORDER: tuple[str, ...] = (
    *HEAD,
    *("requested_scenario", "requested_test_mode"),
    *(
        key
        for scenario in ("MultiStream", "Offline", "Server", "SingleStream")
        for key in _REQUESTED_OF[scenario]
    ),
    *_REQUESTED,
    *("requested_performance_sample_count_override", "requested_accuracy_sample_count_override"),
    *("requested_sample_concatenate_permutation", "requested_use_token_latencies"),
    *("requested_server_ttft_latency", "requested_server_tpot_latency"),
    *_EFFECTIVE,
    *("effective_accuracy_sample_count", "effective_sample_concatenate_permutation"),
    *_ISSUED,
    *("result_validity", "result_perf_constraints_met", "result_min_duration_met", "result_min_queries_met"),
    *("early_stopping_met", "result_invalid_reason", "early_stopping_result", "early_stopping_ttft_result"),
    *("early_stopping_tpot_result", "result_query_count"),
    *_PER_QUERY,
    "result_overlatency_query_count",
    *("result_qps_with_loadgen_overhead", "result_qps_without_loadgen_overhead", "early_stopping_latency_ss"),
    *("early_stopping_latency_ms", "result_samples_per_second", "result_scheduled_samples_per_sec"),
    "result_completed_samples_per_sec",
    *_LATENCIES,
    *_FIRST_TOKEN,
    *("result_token_throughput_with_loadgen_overhead", "result_token_throughput"),
    *_PER_TOKEN,
    *("result_completed_tokens_per_second", "result_tokens_per_second", "num_errors"),
)
_POSITION = {key: number for number, key in enumerate(ORDER)}


# 4.1 and 5.0.15 do not write it, 5.0.21 does
_COUNTS_ERRORS_SINCE = (5, 0, 21)
# 4.1 lacks keys, and pads Offline's query without logging by how much
_KNOWN_SINCE = (5, 0)


def counts_errors(version: str | None) -> bool:
    """Whether this LoadGen ends a performance log with `num_errors`; a version that nobody knows does."""
    parts = version_parts(version)
    return parts is None or parts >= _COUNTS_ERRORS_SINCE


def is_known(version: str | None) -> bool:
    """Whether `required_keys` and the relations between values hold for this LoadGen."""
    parts = version_parts(version)
    return parts is None or parts >= _KNOWN_SINCE


def version_parts(version: str | None) -> tuple[int, ...] | None:
    """The numbers of `5.1.2 @ d6147c7eb7`; None where they are not numbers."""
    parts = (version or "").split(" ")[0].split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return None
    return tuple(map(int, parts))


def required_keys(
    scenario: str | None, mode: str | None, uses_tokens: bool, version: str | None = None
) -> list[str]:
    """Keys that LoadGen writes in every run of this kind."""
    keys = [*HEAD, "requested_scenario", "requested_test_mode", *_REQUESTED_OF.get(scenario or "", ())]
    keys += [*_REQUESTED, "requested_performance_sample_count_override"]
    keys += ["requested_sample_concatenate_permutation", *_EFFECTIVE]
    keys += ["effective_sample_concatenate_permutation", *_ISSUED]
    if mode != "PerformanceOnly":
        return keys
    keys += [*_VERDICT, "result_query_count", *_RESULT_OF.get(scenario or "", ()), *_LATENCIES]
    keys += ["num_errors"] if counts_errors(version) else []
    if not uses_tokens:
        keys += ["early_stopping_result"] if scenario in ("SingleStream", "MultiStream") else []
    elif scenario == "Server":
        keys += [*_FIRST_TOKEN, *_PER_TOKEN, "result_completed_tokens_per_second"]
    elif scenario == "Offline":
        keys += ["result_tokens_per_second"]
    return keys


def first_disorder(first_lines: Mapping[str, int]) -> tuple[str, str] | None:
    """The first key that stands before one that LoadGen writes earlier, and that one; None if none does."""
    known = sorted((line, key) for key, line in first_lines.items() if key in _POSITION)
    return _descent([key for _, key in known])


def _descent(keys: Iterable[str]) -> tuple[str, str] | None:
    before: str | None = None
    for key in keys:
        if before is not None and _POSITION[key] < _POSITION[before]:
            return key, before
        before = key
    return None
