"""What the harness measured of a run beside its batches, LoadGen's latency, and the accuracy run."""

from collections.abc import Iterator, Mapping

from qutiperf.audit.kept_phases import DAMAGE, histogram_of, read_phases
from qutiperf.audit.stored_run import StoredRun
from qutiperf.results.histogram import Histogram
from qutiperf.results.record import RunRecord
from qutiperf.spec.scenario import ScenarioName
from qutiperf.units import milliseconds_from_ns

_COMPUTE, _TOTAL = "compute", "total"
_FEWEST_BATCHES = 32  # whose times say something: the first ones of a run may be slow
_FAST_PERCENTILE = 10.0  # of an accuracy run, which other processes slow down


def phase_problems(run: StoredRun, accuracy: StoredRun | None, limits: Mapping[str, float]) -> Iterator[str]:
    """Relations that do not hold; what was not kept is left out."""
    compute = _compute_times(run)
    yield from _beside_loadgen(run.record, limits["phases_percent"])
    if compute is None:
        return
    yield from _batches(run.record, compute.count)
    yield from _clocks(run.record, compute.count, limits["impossible_clocks_percent"])
    if accuracy is not None:
        yield from _beside_accuracy(run.record, accuracy, compute.count, limits["accuracy_factor"])


def _compute_times(run: StoredRun) -> Histogram | None:
    """A time for each batch; in Server, for each query."""
    observed = run.record.observed
    if observed is None or _COMPUTE not in observed.phases:
        return None
    try:
        return histogram_of(read_phases(run.folder, _COMPUTE), _COMPUTE, observed.phases[_COMPUTE].max_ns)
    except DAMAGE:
        return None


def _batches(record: RunRecord, count: int) -> Iterator[str]:
    """Queries are cut into batches of the declared size, of which the last may be smaller."""
    inputs = record.observed.inputs if record.observed else None
    scenario, size = record.point.scenario, int(record.point.deployment["batch_size"])
    if not inputs or scenario is ScenarioName.SERVER or record.loadgen is None:
        return
    queries = 1 if scenario is ScenarioName.OFFLINE else record.loadgen.query_count or 0
    each = -(-inputs // queries) if queries else inputs
    expected = queries * -(-each // size)
    if expected and count != expected:
        given = f"{inputs:,} inputs were computed in {count:,} batches"
        yield f"{given}, {expected:,} follow from batch_size {size}"


def _clocks(record: RunRecord, count: int, percent: float) -> Iterator[str]:
    impossible = record.observed.impossible_clocks if record.observed else 0
    if impossible > count * percent / 100:
        of = f"{impossible:,} of {count:,} batches"
        yield f"{of} report a compute time that is none or longer than their call"


def _beside_loadgen(record: RunRecord, percent: float) -> Iterator[str]:
    """In SingleStream LoadGen and the harness time the same query, LoadGen's own share apart."""
    total = record.observed.phases.get(_TOTAL) if record.observed else None
    logged, tax = (record.loadgen.latency_ns.get("p50") if record.loadgen else None), record.harness_tax
    if record.point.scenario is not ScenarioName.SINGLE_STREAM or total is None or not logged or tax is None:
        return
    if total.p50_ns < logged * (1 - percent / 100) - tax.single_stream_ns:
        mine, its = milliseconds_from_ns(total.p50_ns), milliseconds_from_ns(logged)
        yield f"a query takes {mine:g} ms by the harness's clock, {its:g} ms by LoadGen's"


def _beside_accuracy(record: RunRecord, accuracy: StoredRun, count: int, factor: float) -> Iterator[str]:
    """A batch takes as long when accuracy is measured as when time is."""
    timed, other = record.observed, accuracy.record.observed
    slow = _compute_times(accuracy)
    sizes = {each.point.deployment["batch_size"] for each in (record, accuracy.record)}
    if timed is None or other is None or slow is None or len(sizes) > 1:
        return
    if record.point.scenario is ScenarioName.SERVER or min(count, slow.count) < _FEWEST_BATCHES:
        return
    if timed.compute_clock != other.compute_clock:
        return
    least, most = slow.percentile(_FAST_PERCENTILE) or 0.0, timed.phases[_COMPUTE].p90_ns
    if least > factor * most:
        its, mine = milliseconds_from_ns(least), milliseconds_from_ns(most)
        yield (
            f"90 % of the batches take {its:g} ms or more in the accuracy run, 90 % of those of this run "
            f"{mine:g} ms or less"
        )
