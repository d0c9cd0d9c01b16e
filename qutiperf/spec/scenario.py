"""The types of what is asked: LoadGen scenarios with their profiles, and the settings of one run."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from qutiperf.spec.catalog import CatalogFile, read
from qutiperf.spec.config import StrictModel, parse_model

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
    """How long and by which rules; only `submission` can be submitted to MLPerf."""

    SUBMISSION = "submission"
    STANDARD = "standard"
    TEST_RUN = "test_run"


class RunSettings(StrictModel):
    """What LoadGen and the harness are told; None leaves LoadGen's own value or the probe's finding.

    `end_to_end` puts decoding and preprocessing inside the timed query: in the stream's own thread with
    `feed_threads` 0 (serial), else in that many threads ahead of it (pipelined).
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

    def overridden_by(self, other: "RunSettings") -> "RunSettings":
        """These settings with every key that `other` was given."""
        return RunSettings(**{**self.model_dump(exclude_unset=True), **other.model_dump(exclude_unset=True)})


class Metric(StrictModel):
    """The figure that the scenario is judged by."""

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
    """Raises InputError if there is no such scenario or its file is wrong."""
    file = read("scenario", name)
    return parse_model(Scenario, file.data, str(file.path)), file
