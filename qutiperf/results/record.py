"""The record of one run, written once and never changed."""

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from qutiperf.mlperf_logs import LoadGenResult
from qutiperf.spec.before import Before
from qutiperf.spec.config import SchemaVersion, StrictModel
from qutiperf.spec.point import Point
from qutiperf.spec.scenario import Scenario
from qutiperf.spec.sut import SystemUnderTest
from qutiperf.spec.workload import Workload

SCHEMA_VERSION: Literal[1] = 1
Quality = Literal["ok", "noisy", "unstable", "generator_limited", "suspect_accuracy"]


class Described:
    """Systems and workloads by their text, as the context of `RunRecord.model_validate_json`.

    Records of a sweep describe the same few over and over, and these take most of the time of reading it.
    """

    def __init__(self) -> None:
        self.by_text: dict[str, object] = {}


def _once(given: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    """The object that the same text gave before, if the context remembers it."""
    if not isinstance(info.context, Described) or not isinstance(given, dict):
        return validate(given)
    text = f"{info.field_name} {given!r}"
    if text not in info.context.by_text:
        info.context.by_text[text] = validate(given)
    return info.context.by_text[text]


class Inputs(StrictModel):
    """The resolved inputs of the run, with the sha256 of every file that was read for it.

    `stable_within_percent` is the sweep's bound of the difference between repeats, None for the default, and
    `before` its conditions for the start of the run.
    """

    sweep: str
    sut: Annotated[SystemUnderTest, WrapValidator(_once)]
    workload: Annotated[Workload, WrapValidator(_once)]
    scenario: Scenario
    dataset: dict[str, int | str | None]
    files_sha256: dict[str, str]
    resolved_sha256: str
    stable_within_percent: float | None = None
    before: Before | None = None


_FORMER_FIGURES = frozenset(
    {"system_gops", "compute_gops", "energy_per_input_mj", "ips_per_watt", "energy_delay_mj_ms"}
)


class Figures(StrictModel):
    """Figures of merit; None if not measured. Latencies in ms of a query (system) or a batch (compute).

    System figures are LoadGen's; Offline has no system latency, because the wait of a sample in the only
    query just reflects the length of the run.
    """

    system_latency_mean_ms: float | None = None
    system_latency_p50_ms: float | None = None
    system_latency_p90_ms: float | None = None
    system_latency_p99_ms: float | None = None
    system_latency_p99_9_ms: float | None = None
    compute_latency_mean_ms: float | None = None
    compute_latency_p50_ms: float | None = None
    compute_latency_p90_ms: float | None = None
    compute_latency_p99_ms: float | None = None
    compute_latency_p99_9_ms: float | None = None
    system_throughput_ips: float | None = None
    compute_throughput_ips: float | None = None
    top1_percent: float | None = None
    top5_percent: float | None = None
    base_power_w: float | None = None
    idle_power_w: float | None = None
    full_power_w: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_former_fields(cls, data: object) -> object:
        """Drops fields of older records that were never filled: they are derived when a record is read."""
        if not isinstance(data, dict):
            return data
        return {
            name: value for name, value in data.items() if value is not None or name not in _FORMER_FIGURES
        }


class PhaseTime(StrictModel):
    """One phase of a batch, in nanoseconds."""

    mean_ns: float
    p50_ns: float
    p90_ns: float
    p99_ns: float
    p99_9_ns: float
    max_ns: float


class Probe(StrictModel):
    """The trial before the run: the estimate of LoadGen's expected latency or rate, and its attempts."""

    latency_ns: int | None = None
    rate_per_s: float | None = None
    attempts: int = 1


class HarnessTax(StrictModel):
    """The overhead of the harness on this host, measured with a simulated device that takes no time."""

    single_stream_ns: float
    offline_samples_per_s: float


class Failure(StrictModel):
    """A failure: `stage` is load, before (the run starts), run or close; job, if that of an executor ended.

    `kind` is error, time_limit, crash, memory (more than the limit), or condition (one that did not hold).

    `setup_missing`: the cause is something that the machine lacks (a device, a library), not the runtime.
    """

    stage: Literal["load", "before", "run", "close", "job"]
    kind: Literal["error", "time_limit", "crash", "memory", "condition"]
    reason: str
    log_tail: str = ""
    setup_missing: bool = False


class Waited(StrictModel):
    """How long a run waited for its conditions, with the pause, and their values when they held."""

    seconds: float
    met: dict[str, float] = {}


class WarmUp(StrictModel):
    """What the device answered before LoadGen's test, in the probe too: seconds, and inputs."""

    seconds: float
    inputs: int


class Correctness(StrictModel):
    """The largest difference of a part's output from the reference, and the tolerated one.

    The output is checked once per load, at these batch sizes; units are those of the output (steps for int8).
    """

    error: float
    tolerance: float
    batch_sizes: list[int]


class NodeTime(StrictModel):
    """A node of the graph that the runtime ran, by its profiler (adapters.base.ProfiledNode)."""

    name: str
    operator: str
    datatype: str
    weights: str | None = None
    time_ns: float


RanAs = Literal["native", "weights only", "partly native", "emulated", "reduced"]


class Execution(StrictModel):
    """How a part ran in its datatype, by the nodes that the runtime reports: their number by kind.

    native: its products, or all nodes without any, computed in the declared datatypes. weights only: the
    weights are stored in it, and the runtime computes in another. partly native: some nodes computed in it.
    emulated: none did, or it has no operator of its own. reduced: in a datatype of fewer bits.
    """

    ran_as: RanAs
    nodes: dict[str, int]


class AccuracyCheck(StrictModel):
    """Whether labels and preprocessing fit the model, tried on a few samples apart from the accuracy run.

    `right` of `samples` answers are correct as declared, `total_right` of `total` in the run itself.
    `chance_percent` of them would be if the answers had nothing to do with the labels. `settings` are keys
    of the workload with the values that fit clearly better, with which `settings_right` of
    `settings_samples` answers are correct. `note` says what was not tried, and why.
    """

    samples: int | None = None
    right: int | None = None
    total: int | None = None
    total_right: int | None = None
    chance_percent: float | None = None
    near_chance: bool = False
    settings: dict[str, str] = {}
    settings_right: int | None = None
    settings_samples: int | None = None
    note: str | None = None

    @property
    def suspect(self) -> bool:
        return self.near_chance or bool(self.settings)


class Observed(StrictModel):
    """What the worker saw: written by it as worker.json, completed by the parent to a record.

    `adapter_figures` are the adapter's own numbers of the run, with their unit in their name, and
    `accuracy_figures` those of the task, of an accuracy run;
    `over_network` says that the device was reached through a network, `network_fields` are what is known
    of those that MLPerf's network division asks for. `impossible_clocks` counts batches whose time by the
    device's clock was none or longer than the call: with any, `compute_clock` is host_wall for the run.
    `padding_share_percent` is the share of padding in the elements of inputs that differ in length.
    `profile` has the times of the nodes of a network or part, of calls beside the run, in microbenchmarks.
    `samples_mapped`: the samples are those of the record's `sample_cache`, in memory that processes share.
    """

    adapter: dict[str, str]
    compute_clock: Literal["device", "host_wall"] | None = None
    impossible_clocks: int = 0
    inputs: int | None = None
    phases: dict[str, PhaseTime] = {}
    unsteadiness_percent: float | None = None
    probe: Probe | None = None
    compute_throughput_ips: float | None = None
    top1_percent: float | None = None
    top5_percent: float | None = None
    accuracy_source: str | None = None
    accuracy_figures: dict[str, float] = {}
    load_s: float | None = None
    memory_peak_mb: float | None = None
    over_network: bool = False
    network_fields: dict[str, str] = {}
    adapter_figures: dict[str, float] = {}
    samples_mapped: bool = False
    padding_share_percent: float | None = None
    correctness: Correctness | None = None
    warm_up: WarmUp | None = None
    waited: Waited | None = None
    execution: Execution | None = None
    profile: list[NodeTime] = []


def _whole(value: object) -> object:
    """8 for 8.0: older records hold all numbers of a prediction as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = Annotated[int, BeforeValidator(_whole)]


class StoredPrediction(StrictModel):
    """The level-0 prediction of the run with its inputs (level0.prediction.Prediction).

    If no prediction was possible, `note` gives the reason, and `ops` and `weights` come from the model alone.
    """

    model: Literal["plain", "refined"] | None = None
    batch_size: WholeNumber | None = None
    streams: WholeNumber | None = None
    datatype: str | None = None
    carrier: str | None = None
    predicted_throughput_ips: float | None = None
    predicted_latency_ms: float | None = None
    bound: Literal["compute", "memory"] | None = None
    operational_intensity_ops_per_byte: float | None = None
    ops: float | None = None
    weights: float | None = None
    peak_tops: float | None = None
    memory_bandwidth_gb_s: float | None = None
    interval_factor: float | None = None
    error_factor: float | None = None
    note: str | None = None


class ThrottleSign(StrictModel):
    """A sign that a held run slowed down, `at_s` seconds after its begin.

    `other programs` is a drop of the throughput for which those may be the cause, and not throttling.
    """

    kind: Literal["throttle count", "clock", "throughput", "other programs"]
    at_s: float
    text: str


class Sustained(StrictModel):
    """A run held for `requested_s`; sustained.csv has the throughput of each of its `intervals`.

    `begin_s` is its begin by the clock of environment.csv; all other moments count from there. `first_ips`
    and `last_ips` are the throughput of the first and the last `window_s`. `throttled_s` is the first sign of
    throttling, None without one.
    """

    requested_s: float
    held_s: float
    begin_s: float
    intervals: int
    window_s: float
    first_ips: float | None = None
    last_ips: float | None = None
    throttled_s: float | None = None
    signs: list[ThrottleSign] = []
    first_temperature_c: float | None = None
    highest_temperature_c: float | None = None

    @property
    def last_over_first_percent(self) -> float | None:
        return 100 * self.last_ips / self.first_ips if self.first_ips and self.last_ips is not None else None


class UsedCache(StrictModel):
    """The cache of prepared samples of a run: its settings, and the key of the dataset's samples."""

    folder: str
    most_gb: float
    key: str


class PowerRecord(StrictModel):
    """The power of a run's window, from LoadGen's power_begin to its power_end; power.csv has the readings.

    `rails_w` has the mean power of each rail of the first meter, those of `counted_rails` are added. Without
    `valid` the figures are empty, and `reasons` say why; `notes` do not affect the verdict.
    """

    meters: list[str]
    verified: Literal["real", "replayed", "untried"]
    valid: bool
    grade: Literal["A", "B", "C", "D"] | None = None
    reasons: list[str] = []
    notes: list[str] = []
    analyser: str = ""
    window_s: float
    energy_j: float | None = None
    rails_w: dict[str, float | None] = {}
    counted_rails: list[str] = []
    readings: int = 0
    largest_gap_s: float | None = None
    update_s: float | None = None
    wraps: int = 0


class RunRecord(StrictModel):
    """One run: inputs, machine, LoadGen's result, figures and verdicts, or the failure.

    The last run of a worker also records whether the adapter's `close()` failed after it, which does not
    change the figures, and which processes the adapter left running. `preparation_s` is the part of
    `elapsed_s` for decoding and preprocessing samples, which no figure includes; samples in `sample_cache`
    are prepared before the first run of a sweep, and are no part of it. `host` is the machine that ran the
    model; `loadgen_host` is LoadGen's, where an executor reached another one for the model. `probe_of` marks
    a probe, a short run of a search, with the id of the full run that it stands for.
    """

    schema_version: SchemaVersion = SCHEMA_VERSION
    run_id: str
    attempt: int
    probe_of: str | None = None
    started_utc: str
    elapsed_s: float
    preparation_s: float | None = None
    sample_cache: UsedCache | None = None
    point: Point
    inputs: Inputs
    host: dict[str, str | int | float | bool | None]
    loadgen_host: dict[str, str | int | float | bool | None] | None = None
    versions: dict[str, str]
    observed: Observed | None = None
    loadgen: LoadGenResult | None = None
    figures: Figures = Figures()
    power_source: str | None = None
    power_reason: str
    power: PowerRecord | None = None
    prediction: StoredPrediction | None = None
    harness_tax: HarnessTax | None = None
    accuracy_run_id: str | None = None
    accuracy_check: AccuracyCheck | None = None
    sustained: Sustained | None = None
    valid: bool
    quality: Quality
    reasons: list[str] = []
    failure: Failure | None = None
    close_failure: Failure | None = None
    left_running: list[str] = []
