"""LoadGen's result of one run."""

from typing import Literal

from qutiperf.spec.config import StrictModel
from qutiperf.spec.rounds import Seeds

LogValue = bool | int | float | str
Validity = Literal["VALID", "INVALID"]
Rule = Literal["perf_constraints", "min_duration", "min_queries", "early_stopping"]
RULES: tuple[Rule, ...] = ("perf_constraints", "min_duration", "min_queries", "early_stopping")


class LogMessage(StrictModel):
    """One distinct error or warning of LoadGen and its number of occurrences."""

    key: str
    text: str
    count: int


class LoadGenResult(StrictModel):
    """LoadGen's result of one run, in its units (ns, samples per second); None if the log has no value.

    Latencies have the keys mean, min, max, p50 ... p99_9: `latency_ns` for whole queries,
    `sample_latency_ns` for their samples (they differ in MultiStream). LoadGen compares `duration_s` with
    min_duration.
    """

    loadgen_version: str | None
    test_datetime: str | None
    sut_name: str | None
    scenario: str | None
    mode: str | None
    validity: Validity | None
    min_duration_met: bool | None
    min_queries_met: bool | None
    perf_constraints_met: bool | None
    early_stopping_met: bool | None
    invalid_reasons: list[str]
    early_stopping_result: str | None
    early_stopping_estimate_ns: int | None
    early_stopping_multi_stream_estimate_ns: int | None
    error_count: int
    errors: list[LogMessage]
    warning_count: int
    warnings: list[LogMessage]
    requested: dict[str, LogValue]
    effective: dict[str, LogValue]
    seeds: Seeds | None
    target_latency_ns: int | None
    target_latency_percentile: float | None
    target_qps: float | None
    samples_per_query: int | None
    query_count: int | None
    overlatency_query_count: int | None
    generated_query_count: int | None
    generated_sample_count: int | None
    dataset_sample_count: int | None
    accuracy_sample_count: int | None
    accuracy_entry_count: int | None
    samples_per_second: float | None
    qps_with_loadgen_overhead: float | None
    qps_without_loadgen_overhead: float | None
    scheduled_samples_per_second: float | None
    completed_samples_per_second: float | None
    latency_ns: dict[str, int]
    sample_latency_ns: dict[str, int]
    duration_s: float | None
    complete: bool
    unreadable_line_count: int

    def effective_number(self, name: str) -> float:
        """A setting that LoadGen used; 0, LoadGen's "no limit", if the log has no number."""
        value = self.effective.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    @property
    def failed_rules(self) -> list[Rule]:
        """The rules of LoadGen that this run broke, in the order in which to fix them."""
        return [rule for rule in RULES if getattr(self, f"{rule}_met") is False]

    @property
    def queries_per_second(self) -> float | None:
        """Samples per second, including LoadGen's overhead; in MultiStream by the wall clock, in ms."""
        rate = self.completed_samples_per_second or self.qps_with_loadgen_overhead
        if rate or not self.duration_s or self.query_count is None:
            return rate
        return self.query_count / self.duration_s
