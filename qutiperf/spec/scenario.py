"""The types of LoadGen scenarios with their profiles, and of the settings of one run."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, parse_model, without_unset
from qutiperf.spec.duration import Duration

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class ScenarioName(StrEnum):
    """As MLPerf writes them."""

    SINGLE_STREAM = "SingleStream"
    MULTI_STREAM = "MultiStream"
    OFFLINE = "Offline"
    SERVER = "Server"


class Mode(StrEnum):
    """LoadGen's modes that a run can have."""

    PERFORMANCE = "PerformanceOnly"
    ACCURACY = "AccuracyOnly"


class Profile(StrEnum):
    """The duration of a run and its rules; only `submission` can be submitted to MLPerf."""

    SUBMISSION = "submission"
    STANDARD = "standard"
    TEST_RUN = "test_run"


class RunSettings(StrictModel):
    """Settings of LoadGen and of the harness; None keeps LoadGen's default or the value from the probe.

    `end_to_end` puts decoding and preprocessing inside the timed query: in the stream's own thread if
    `feed_threads` is 0 (serial), else in that many separate threads (pipelined). `sustained_s` holds every
    performance run for that long, instead of `min_duration_s`, and keeps its throughput over time.
    `warm_up_s` are seconds of queries before the probe, which is short and without LoadGen as well.
    """

    min_duration_s: Positive | None = None
    max_duration_s: Positive | None = None
    min_query_count: Count | None = None
    max_query_count: Count | None = None
    performance_sample_count: Count | None = None
    target_latency_percentile: Annotated[float, Field(gt=0, lt=1)] | None = None
    target_latency_ms: Positive | None = None
    target_qps: Positive | None = None
    server_target_latency_ms: Positive | None = None
    end_to_end: bool = False
    feed_threads: Annotated[int, Field(ge=0)] = 0
    time_limit_s: Positive | None = None
    sustained_s: Duration | None = None
    warm_up_s: Duration | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Without later keys that are not set: ids of runs are digests of what they were made of then."""
        return without_unset(handler(self), "sustained_s", "warm_up_s")

    def overridden_by(self, other: "RunSettings") -> "RunSettings":
        """These settings, overridden by every key that is set in `other`."""
        return RunSettings(**{**self.model_dump(exclude_unset=True), **other.model_dump(exclude_unset=True)})

    @property
    def held(self) -> "RunSettings":
        """These settings, with the minimum duration of a sustained run."""
        if self.sustained_s is None:
            return self
        return self.overridden_by(RunSettings(min_duration_s=self.sustained_s))


class Metric(StrictModel):
    """The figure of merit of the scenario."""

    figure: str
    better: Literal["higher", "lower"]


class Scenario(StrictModel):
    """One LoadGen scenario; `samples_per_query` is 1, the batch size, or all samples in one query."""

    name: ScenarioName
    description: str
    samples_per_query: Literal[1, "batch_size", "all"]
    metric: Metric
    profiles: dict[Profile, RunSettings]


def load_scenario(name: str) -> tuple[Scenario, CatalogFile]:
    """Raises InputError if the scenario does not exist or its file is invalid."""
    file = read("scenario", name)
    return parse_model(Scenario, file.data, str(file.path)), file
