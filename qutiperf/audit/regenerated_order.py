"""The order of samples again, from LoadGen with the same seeds, and a system that answers at once."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np

from qutiperf.errors import InputError, SetupError
from qutiperf.results.record import RunRecord
from qutiperf.results.sample_order import FIRST, Indices, SampleOrder, read_order, sample_order
from qutiperf.spec.rounds import Seeds
from qutiperf.spec.scenario import Mode, RunSettings, ScenarioName

_LONG_S = 10_000.0  # LoadGen ends by the number of queries, before this
_OFFLINE_RATE = 1e-6  # so low that the number of samples is the one that is asked for
_SERVER_RATE = 1e6
# settings of LoadGen that change the order in ways that are not repeated here
_NOT_REPEATED = ("performance_issue_unique", "performance_issue_same", "sample_concatenate_permutation")


@dataclass(frozen=True, slots=True)
class _Test:
    """What the order of samples depends on, which runs of a sweep share; `samples` is how many are needed."""

    scenario: ScenarioName
    mode: Mode
    seeds: tuple[int, int, int]
    samples_per_query: int
    total: int
    loaded: int
    min_queries: int
    samples: int


@dataclass(frozen=True, slots=True)
class OrderCheck:
    """`problem` is a difference; `unknown` why the order could not be compared."""

    problem: str | None = None
    unknown: str | None = None


def check_order(record: RunRecord, folder: Path, most: int) -> OrderCheck:
    """Compares the samples of a run, of long ones the first `most` or a few more."""
    try:
        kept = read_order(folder)
    except InputError as error:
        return OrderCheck(unknown=f"the order of samples {error.what}")
    if kept is None:
        return OrderCheck(unknown="the run keeps no order of samples: it is older than this audit")
    if record.loadgen is None or record.loadgen.seeds is None:
        return OrderCheck(unknown="the log has no seeds, so the order of samples cannot be repeated")
    if other := next((name for name in _NOT_REPEATED if record.loadgen.effective.get(name)), None):
        return OrderCheck(unknown=f"the order of samples is not repeated with {other}")
    try:
        enough = 1 << max(kept.samples - 1, 0).bit_length()  # the same for runs of about one length
        again = _regenerated(_test_of(record, min(enough, max(most, FIRST))))
    except SetupError as error:
        return OrderCheck(unknown=f"the order of samples cannot be repeated: {error.what}")
    return _compared(kept, again, _samples_of_log(record))


def _samples_of_log(record: RunRecord) -> int | None:
    loadgen = record.loadgen
    if loadgen is None or record.point.mode is not Mode.PERFORMANCE or loadgen.query_count is None:
        return None
    if record.point.scenario is ScenarioName.OFFLINE:
        return loadgen.generated_sample_count
    return loadgen.query_count * (loadgen.samples_per_query or 1)


def _compared(kept: SampleOrder, again: Indices, logged: int | None) -> OrderCheck:
    if logged is not None and kept.samples != logged:
        return OrderCheck(problem=f"the system was asked for {kept.samples:,} samples, {logged:,} by the log")
    first = again[:FIRST].tolist()
    if len(kept.first) != min(kept.samples, FIRST):
        return OrderCheck(problem=f"{len(kept.first):,} of the first {FIRST:,} samples are kept")
    for number, (one, other) in enumerate(zip(kept.first, first, strict=False)):
        if one != other:
            return OrderCheck(problem=f"sample {number:,} of the run is {one}, {other} by LoadGen's seeds")
    count = max((number for number in kept.sha256 if number <= len(again)), default=None)
    if count is None or kept.sha256[count] != sample_order([again[:count]]).sha256[count]:
        return OrderCheck(problem=f"the first {count or 0:,} samples are others than by LoadGen's seeds")
    return OrderCheck()


def _test_of(record: RunRecord, count: int) -> _Test:
    """Raises AssertionError without a result of LoadGen."""
    loadgen = record.loadgen
    assert loadgen is not None
    assert loadgen.seeds is not None
    seeds = loadgen.seeds
    accuracy = record.point.mode is Mode.ACCURACY
    return _Test(
        scenario=record.point.scenario,
        mode=record.point.mode,
        seeds=(seeds.qsl_rng_seed, seeds.sample_index_rng_seed, seeds.schedule_rng_seed),
        samples_per_query=int(loadgen.effective_number("samples_per_query"))
        or loadgen.samples_per_query
        or 1,
        total=loadgen.dataset_sample_count or 1,
        loaded=int(loadgen.effective_number("performance_sample_count")) or 1,
        min_queries=1 if accuracy else int(loadgen.effective_number("min_query_count")) or 1,
        samples=count,
    )


@cache
def _regenerated(test: _Test) -> Indices:
    """The first samples of a test, which the runs of a sweep share; raises SetupError without LoadGen."""
    try:
        from qutiperf.loadgen import driver
        from qutiperf.loadgen.settings import Targets, TestRequest
    except ImportError:
        raise SetupError("MLPerf LoadGen is not installed") from None
    asked: list[Sequence[int]] = []
    row = np.zeros(1, np.float32)

    def issue(ids: list[int], indices: list[int]) -> None:
        asked.append(indices)
        driver.complete(ids, row.ctypes.data, 0)

    with tempfile.TemporaryDirectory() as folder:
        request = TestRequest(
            scenario=test.scenario,
            mode=test.mode,
            settings=_settings(test),
            targets=Targets(max(int(2e9 * _LONG_S / (_queries(test) + 1)), 1), _rate(test)),
            samples_per_query=test.samples_per_query,
            total_count=test.total,
            performance_count=test.loaded,
            log_dir=Path(folder),
            seeds=Seeds(
                qsl_rng_seed=test.seeds[0],
                sample_index_rng_seed=test.seeds[1],
                schedule_rng_seed=test.seeds[2],
            ),
        )
        driver.run_test(request, issue, _ignore, _ignore)
    whole = np.concatenate([np.asarray(each, np.uint64) for each in asked])
    return whole[: test.samples]


def _queries(test: _Test) -> int:
    return -(-test.samples // test.samples_per_query)


def _rate(test: _Test) -> float:
    return _SERVER_RATE if test.scenario is ScenarioName.SERVER else _OFFLINE_RATE


def _settings(test: _Test) -> RunSettings:
    """Such that LoadGen generates hardly more queries than are needed, and ends after these.

    It generates them for the duration in Server, else for twice the duration at the expected latency.
    """
    queries = _queries(test)
    if test.scenario is ScenarioName.OFFLINE:
        return RunSettings(min_query_count=test.samples, performance_sample_count=test.loaded)
    server_s = (queries + 10 * sqrt(queries) + 1000) / _SERVER_RATE  # ten standard deviations
    return RunSettings(
        min_duration_s=server_s if test.scenario is ScenarioName.SERVER else _LONG_S,
        min_query_count=test.min_queries,
        max_query_count=queries,
        performance_sample_count=test.loaded,
    )


def _ignore(_: Sequence[int]) -> None:
    return
