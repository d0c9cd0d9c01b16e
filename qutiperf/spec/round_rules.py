"""What an MLPerf round asks of a submission tree, as data: the types of `rules:` in audit/rounds/*.yaml."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qutiperf.spec.config import StrictModel

Suite = Literal["datacenter", "edge"]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]


class Layout(StrictModel):
    """Where a tree has its files, below `<division>/<submitter>/`; `{name}` stands for one folder's name."""

    scenario: str
    performance: str
    accuracy: str
    measurements: str
    settings: str
    compliance: str
    system: str
    code: list[str]

    def templates(self) -> list[str]:
        return [self.scenario, self.performance, self.accuracy, self.compliance, self.system]


class RequiredFiles(StrictModel):
    """File names that must be there and must not be empty; `documentation` once for each submitter.

    In a compliance test's run nothing may stand beside `compliance` but `compliance_optional`.
    """

    performance: list[str]
    accuracy: list[str]
    settings: list[str]
    compliance: list[str]
    compliance_optional: list[str] = []
    documentation: list[str] = []


class Fields(StrictModel):
    """Keys of the JSON files: `present` may be empty text, `filled` may not, `vocabularies` limit values."""

    present: list[str]
    filled: list[str]
    network: list[str] = []
    whole_numbers: list[str] = []
    vocabularies: dict[str, list[str]] = {}


class Limits(StrictModel):
    """Sizes and times that hold for every benchmark."""

    minimum_duration_ms: int
    accuracy_log_bytes: int
    file_bytes: int


class ScenarioRule(StrictModel):
    """The figure that counts, and the settings that a closed run may not change."""

    result: str
    unit: str
    percentile: float | None = None
    samples_per_query: int | None = None
    early_stopping: bool = False


class Inference(StrictModel):
    """A result that may stand under `to` though LoadGen ran `ran`; of these suites only."""

    ran: str
    to: str
    suites: list[Suite]


class Score(StrictModel):
    """One figure in accuracy.txt: the line's pattern with the number as its group, and the target.

    `scenarios`: only of these; all where it is empty.
    """

    metric: str
    pattern: Pattern
    at_least: float | None = None
    at_most: float | None = None
    scenarios: list[str] = []


class TokenLimits(StrictModel):
    """99th percentiles that a language model must stay below."""

    first_token_ms: float
    per_output_token_ms: float


class ScenarioSet(StrictModel):
    """`one_of`: at least one of these."""

    required: list[str]
    optional: list[str] = []
    one_of: list[str] = []


class SampleCounts(StrictModel):
    """Counts of samples: of the accuracy run (`accuracy_in` one scenario), in memory, of an Offline query."""

    dataset: int
    accuracy: int
    performance: int
    offline: int | None = None
    accuracy_in: dict[str, int] = {}


class BenchmarkRule(StrictModel):
    """One benchmark; `names` are folders that stand for it, `shares_logs_with` its lower accuracy class.

    `accuracy_files` are stems of files by their folder in the accuracy run's: outputs that are looked at.
    """

    names: list[str] = []
    scenarios: dict[Suite, ScenarioSet]
    samples: SampleCounts
    accuracy: list[Score]
    accuracy_delta_percent: dict[str, float] = {}
    latency_limit_ms: dict[str, float] = {}
    token_limits_ms: dict[str, TokenLimits] = {}
    uses_token_latencies: bool = False
    tests: list[str] = []
    results: dict[str, ScenarioRule] = {}
    shares_logs_with: list[str] = []
    minimum_duration: bool = True
    accuracy_files: dict[str, list[str]] = {}


class TestFile(StrictModel):
    """A file of a compliance test, and patterns each of which some line must match."""

    __test__ = False
    name: str
    lines: list[Pattern]


class TestRule(StrictModel):
    """A compliance test; `log` says whether its own LoadGen logs are required and must be VALID."""

    __test__ = False
    files: list[TestFile]
    log: Literal["valid", "any", "none"]
    deterministic: bool = True
    score_tolerance_percent: float | None = None
    settings: dict[str, bool | int | float] = {}
    sampled: bool = False


class PowerRule(StrictModel):
    """Power measured with PTDaemon; a run with the folder `power` must keep all of this.

    `meters` maps PTDaemon's name of a meter to its number, `client_sources` are the sha1 of power-dev's files
    in each release that may be used, `run_files` lie beside the logs of the ranging and the measured run.
    """

    power: str
    ranging: str
    nameplate: str | None = None
    files: list[str]
    run_files: list[str]
    meters: Annotated[dict[str, int], Field(min_length=1)]
    two_channel_meters: list[int] = []
    ptdaemon_versions: list[str]
    client_sources: list[dict[str, str]]
    most_clock_difference_s: float
    most_below_ranging_percent: float
    most_uncertainty_percent: float
    most_gap_s: float


class RoundRules(StrictModel):
    """Everything of a round but its seeds; `sources` are the texts that the findings cite."""

    sources: dict[str, str]
    divisions: list[str]
    layout: Layout
    files: RequiredFiles
    system: Fields
    measurements: Fields
    limits: Limits
    scenarios: dict[str, ScenarioRule]
    inferred: list[Inference]
    tests: dict[str, TestRule]
    benchmarks: Annotated[dict[str, BenchmarkRule], Field(min_length=1)]
    fixed_settings: dict[str, bool | int | float] = {}
    network_sut_name: str = "Network SUT"
    power: PowerRule | None = None

    def benchmark_of(self, folder: str, mapping: dict[str, str] | None = None) -> str | None:
        """The benchmark that a folder's name stands for; `mapping` is an open submitter's own."""
        meant = (mapping or {}).get(folder, folder)
        for name, rule in self.benchmarks.items():
            if meant == name or meant in rule.names:
                return name
        return None

    def scenario_of(self, folder: str) -> str | None:
        """A scenario's name as LoadGen writes it, from a folder in any case."""
        return next((name for name in self.scenarios if name.lower() == folder.lower()), None)

    def scenario_rule(self, benchmark: str, scenario: str) -> ScenarioRule:
        return self.benchmarks[benchmark].results.get(scenario, self.scenarios[scenario])
