"""One run on a loaded model: probe, LoadGen test, phases; again if the probe's finding proved wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter_ns

import psutil

from qutiperf.datasets.classification import TopFive
from qutiperf.errors import RunError
from qutiperf.harness.asked_samples import AskedSamples
from qutiperf.harness.interval_series import HoldClock, IntervalSeries, intervals_of
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.phases import Integers, PhaseRecorder, Phases, combine
from qutiperf.harness.probe import StreamProbe, inline_latency_ns
from qutiperf.harness.samples import PERFORMANCE_SAMPLES, Samples, samples_of_probe
from qutiperf.harness.schedule import schedule_of
from qutiperf.harness.streams import Completers, FirstError, Keep, Serving, Stream, Streams
from qutiperf.loadgen import driver
from qutiperf.loadgen.settings import Targets, TestRequest, whole_batches
from qutiperf.mlperf_logs import LoadGenResult, read_result
from qutiperf.results.record import Probe, WarmUp
from qutiperf.results.sample_order import SampleOrder
from qutiperf.results.sustained import Interval
from qutiperf.spec.limits import MOST_QUERIES
from qutiperf.spec.microbench import LEAST_SHARE
from qutiperf.spec.point import Point
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import Mode, Profile, RunSettings, ScenarioName
from qutiperf.units import BYTES_PER_GB, NANOSECONDS_PER_SECOND, ns_from_seconds, seconds_from_ns

SUBMISSION_MULTISTREAM = 8  # samples per query in mlperf.conf
_BUDGET_S = 0.1
_FIRST_SHARE, _NEXT_SHARE = 1 / 5, 1 / 50  # of the duration, at most: the first probe of a load, the others
_LAYER_SHARE = 1 / 10  # of every probe of a layer: each batch size of it is slow at first
_ATTEMPTS = 5
_LEAST_BATCHES = 3  # of each stream in Offline: a batch alone has no median
_PROBE_S = 48.0  # of which the time limit becomes 300 s, as without a warm-up
_RATE_MARGIN = 1.15  # LoadGen must issue enough samples to fill the minimum duration
_LAYER_MARGIN = 1 / (1.1 * LEAST_SHARE)  # LoadGen itself adds 10 %
_SERVER_TRIALS = 8
_SERVER_TRIAL_S = 0.5
_BYTES_OF_QUERY = 200  # of LoadGen and of the lists of numbers that it passes to Python


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave; `intervals` are those of a held run.

    `warm_up` is what was answered before the first test, None in accuracy runs.
    """

    phases: Phases
    probe: Probe
    top_five: TopFive
    order: SampleOrder
    intervals: list[Interval] = field(default_factory=list)
    warm_up: WarmUp | None = None


class Trial:
    """One point on a loaded model, its logs in `folder`; `estimated` hears the expected seconds."""

    def __init__(
        self,
        model: LoadedModel,
        point: Point,
        samples_per_query: int,
        folder: Path,
        failure: FirstError,
        audit: Path | None,
        seeds: Seeds | None = None,
    ) -> None:
        self._model, self._point, self._failure = model, point, failure
        self._per_query, self._folder, self._audit, self._seeds = samples_per_query, folder, audit, seeds
        settings = point.settings
        self._samples: Samples = model.samples(settings.end_to_end)
        self._serving = Serving(
            batch_size=int(point.deployment["batch_size"]),
            # MLPerf's network division: nothing is joined into batches on this side of a network
            collect=point.scenario is ScenarioName.SERVER and not model.over_network,
            feed_threads=settings.feed_threads,
            one_by_one=point.scenario is ScenarioName.SERVER,
        )
        self._layer = model.spec is not None and model.spec.part is not None
        self._inline = self._one_batch_in_flight()
        self._count = min(model.dataset.count, settings.performance_sample_count or PERFORMANCE_SAMPLES)
        self._asked = AskedSamples()
        self._top_five = TopFive(model.task, model.dataset.labels)
        self._made: list[PhaseRecorder] = []

    def run(self, estimated: Callable[[float], None]) -> Outcome:
        """Runs until LoadGen had what it was promised, at most five times."""
        accuracy = self._point.mode is Mode.ACCURACY
        # LoadGen issues the queries of Server at this rate in an accuracy run too
        given = Probe(rate_per_s=self._point.settings.target_qps)
        warm_up, probe = None, given
        if not accuracy:
            if self._point.settings.warm_up_s:
                estimated(_PROBE_S + self._point.settings.warm_up_s)
            warm_up, probe = self._warmed_up()
            check_hold(self._point, probe)
        estimated(self._estimate_s(probe))
        recorders = self._test(self._request(probe))
        while self._point.profile is not Profile.SUBMISSION and probe.attempts < _ATTEMPTS:
            corrected = self._corrected(probe, read_result(self._folder))
            if corrected is None:
                break
            probe = corrected
            recorders = self._test(self._request(probe))
        phases = combine(recorders, self._schedule(probe))
        series = [recorder.series for recorder in recorders if recorder.series is not None]
        return Outcome(phases, probe, self._top_five, self._asked.order(), intervals_of(series), warm_up)

    def _schedule(self, probe: Probe) -> Integers | None:
        """When LoadGen meant to issue each query of Server."""
        if self._point.scenario is not ScenarioName.SERVER or self._point.mode is Mode.ACCURACY:
            return None
        return schedule_of(read_result(self._folder), probe.rate_per_s)

    def _one_batch_in_flight(self) -> bool:
        """Whether LoadGen waits for each query, and each query is one batch."""
        if self._point.mode is Mode.ACCURACY or self._serving.feed_threads:
            return False
        waits = self._point.scenario in (ScenarioName.SINGLE_STREAM, ScenarioName.MULTI_STREAM)
        return waits and self._per_query == self._serving.batch_size

    def _request(self, probe: Probe) -> TestRequest:
        point = self._point
        return TestRequest(
            scenario=point.scenario,
            mode=point.mode,
            settings=self._settings(probe),
            targets=Targets(probe.latency_ns, probe.rate_per_s),
            samples_per_query=self._per_query,
            total_count=self._model.dataset.count,
            performance_count=self._count,
            log_dir=self._folder,
            submission=point.profile is Profile.SUBMISSION,
            model_name=self._model.benchmark or "*",
            audit_config=self._audit,
            seeds=self._seeds,
        )

    def _settings(self, probe: Probe) -> RunSettings:
        """Those of the point; in Offline the samples are whole batches for every stream."""
        point, rate = self._point, probe.rate_per_s
        offline = point.scenario is ScenarioName.OFFLINE and point.mode is Mode.PERFORMANCE
        free = point.profile is not Profile.SUBMISSION and point.settings.max_query_count is None
        if not offline or not free or rate is None:
            return point.settings
        unit = self._serving.batch_size * len(self._model.adapters)
        samples = whole_batches(point.settings, rate, unit, _LEAST_BATCHES)
        return point.settings.model_copy(update={"min_query_count": samples})

    def _test(self, request: TestRequest) -> list[PhaseRecorder]:
        completers = Completers(driver.complete, driver.complete_one)
        asked = self._asked = AskedSamples()  # those of the last test
        members = self._make_streams(completers, asked.keep_short, accuracy=request.mode is Mode.ACCURACY)
        hold_s = request.settings.sustained_s
        if hold_s is not None and request.mode is not Mode.ACCURACY:
            clock = HoldClock(hold_s)
            for member in members:
                member.recorder.series = IntervalSeries(clock)
        if self._inline:
            driver.run_test(request, members[0].issue, self._samples.load, self._samples.unload)
        else:
            streams = Streams(members, self._samples, self._serving, self._failure, asked.keep)
            driver.run_test(request, streams.issue, self._samples.load, self._samples.unload)
            streams.close()
        return [member.recorder for member in members]

    def _make_streams(
        self, completers: Completers, keep: Keep | None = None, *, accuracy: bool = False
    ) -> list[Stream]:
        observe = self._top_five.observe if accuracy else None
        size, task = self._serving.batch_size, self._model.task
        streams = [
            Stream(infer, task, self._samples, size, completers, self._failure, observe, keep)
            for infer in self._model.infers()
        ]
        self._made += [stream.recorder for stream in streams]
        return streams

    def _warmed_up(self) -> tuple[WarmUp, Probe]:
        """The probe with the warm-up before it, and what both answered."""
        started = perf_counter_ns()
        probe = self._probe()
        seconds = seconds_from_ns(perf_counter_ns() - started)
        for recorder in self._made:
            recorder.fold()
        inputs = sum(recorder.inputs for recorder in self._made)
        self._made.clear()
        return WarmUp(seconds=round(seconds, 6), inputs=inputs), probe

    def _probe(self) -> Probe:
        """Latency or rate to expect, unless the settings give it."""
        settings, scenario = self._point.settings, self._point.scenario
        share = _NEXT_SHARE if self._model.probed else _FIRST_SHARE
        share = _LAYER_SHARE if self._layer else share
        self._model.probed = True
        budget = ns_from_seconds(min(_BUDGET_S, (settings.min_duration_s or 1) * share))
        warm_up_ns = ns_from_seconds(settings.warm_up_s or 0.0)
        indices = samples_of_probe(self._model.dataset.count, self._count)
        self._samples.load(indices)
        if self._inline:
            [inline, *_] = self._make_streams(Completers(_ignore, _ignore))
            least = inline_latency_ns(inline, self._per_query, indices, self._failure, budget, warm_up_ns)
            return Probe(latency_ns=self._expected_ns(least))
        probe = StreamProbe(
            lambda complete: self._make_streams(Completers(complete, complete)),
            self._samples,
            self._serving,
            self._failure,
        )
        try:
            size = self._serving.batch_size * len(self._model.adapters)
            multi = scenario is ScenarioName.MULTI_STREAM
            probe.warm_up(self._per_query if multi else size, indices, warm_up_ns)
            if multi:
                return Probe(latency_ns=self._expected_ns(probe.latency_ns(self._per_query, indices, budget)))
            rate = probe.rate_per_s(self._serving.batch_size, len(self._model.adapters), indices, budget)
        finally:
            probe.close()
        if settings.target_qps is not None:
            return Probe(rate_per_s=settings.target_qps)
        if scenario is ScenarioName.SERVER:
            return self._server_probe(rate)
        return Probe(rate_per_s=max(rate * (_LAYER_MARGIN if self._layer else _RATE_MARGIN), 1.0))

    def _expected_ns(self, least_ns: int) -> int:
        """LoadGen prepares queries for twice the minimum duration at this latency (loadgen.cc)."""
        given = self._point.settings.target_latency_ms
        return least_ns if given is None else round(given * 1e6)

    def _server_probe(self, ceiling: float) -> Probe:
        """Bisects the highest Poisson rate whose short LoadGen tests are VALID, in eight trials."""
        low, high = 0.0, ceiling
        for _ in range(_SERVER_TRIALS):
            rate = (low + high) / 2
            queries = max(round(rate * _SERVER_TRIAL_S), 1)
            settings = self._point.settings.model_copy(
                update={
                    "min_duration_s": None,
                    "sustained_s": None,
                    "min_query_count": queries,
                    "max_query_count": queries,
                }
            )
            request = replace(self._request(Probe(rate_per_s=rate)), settings=settings, submission=False)
            self._test(request)
            if self._failure.error is not None:
                break
            low, high = (rate, high) if self._within_bound(rate) else (low, rate)
        return Probe(rate_per_s=max(low, ceiling / 2**_SERVER_TRIALS) * 0.95, attempts=1)

    def _within_bound(self, rate: float) -> bool:
        result = read_result(self._folder)
        bound_ns = (self._point.settings.server_target_latency_ms or 0) * 1e6
        return result.latency_ns.get("p99", float("inf")) <= bound_ns

    def _corrected(self, probe: Probe, result: LoadGenResult) -> Probe | None:
        """A better expectation where LoadGen ran out of work before the minimum duration.

        Each has more room than the one before: a busy machine may have slowed the test that it comes from.
        """
        settings = self._point.settings
        if (
            result.validity != "INVALID"
            or result.min_duration_met is not False
            or self._failure.error is not None
        ):
            return None
        if probe.latency_ns is not None and settings.target_latency_ms is None:
            return Probe(latency_ns=max(probe.latency_ns // 2, 1), attempts=probe.attempts + 1)
        if probe.rate_per_s is not None and settings.target_qps is None and result.samples_per_second:
            rate = max(probe.rate_per_s, result.samples_per_second) * _RATE_MARGIN**probe.attempts
            return Probe(rate_per_s=rate, attempts=probe.attempts + 1)
        return None

    def _estimate_s(self, probe: Probe) -> float:
        settings = self._settings(probe)
        least = settings.min_duration_s or (600.0 if self._point.profile is Profile.SUBMISSION else 1.0)
        queries = settings.min_query_count or 1
        if probe.latency_ns is not None:
            return max(least, queries * probe.latency_ns / NANOSECONDS_PER_SECOND)
        if probe.rate_per_s:
            return max(least * _RATE_MARGIN, queries / probe.rate_per_s)
        return least


def check_hold(point: Point, probe: Probe) -> None:
    """Raises RunError if LoadGen would prepare more queries for a held run than memory holds.

    It prepares all of them before the first: for twice the duration at the latency of a query, or for 1.1
    times at the rate of Offline and Server (loadgen.cc).
    """
    hold_s = point.settings.sustained_s
    if hold_s is None:
        return
    if probe.latency_ns is not None:
        queries = 2 * NANOSECONDS_PER_SECOND * hold_s / probe.latency_ns
    else:
        queries = 1.1 * hold_s * (probe.rate_per_s or 0.0)
    available = psutil.virtual_memory().available
    if queries > MOST_QUERIES or queries * _BYTES_OF_QUERY > available:
        needed, there = queries * _BYTES_OF_QUERY / BYTES_PER_GB, available / BYTES_PER_GB
        what = f"LoadGen would prepare {queries:,.0f} queries for a run of {hold_s:g} s"
        cure = "hold it for less, or take a larger model or, in MultiStream, a larger batch"
        raise RunError(
            f"{what}: about {needed:,.0f} GB of {there:,.0f} GB, limit {MOST_QUERIES:,}", cure=cure
        )


def _ignore(ids: Sequence[int], address: int, size: int) -> None:
    return


def samples_per_query(declared: int | str, point: Point) -> int:
    """The number that LoadGen is told: MLPerf's 8 in a MultiStream submission, else as the scenario says."""
    if declared == "batch_size":
        return (
            SUBMISSION_MULTISTREAM
            if point.profile is Profile.SUBMISSION
            else int(point.deployment["batch_size"])
        )
    return 1
