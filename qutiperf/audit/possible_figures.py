"""The audit `plausibility`: relations between the figures of one run that hold by what they mean."""

from collections.abc import Iterator

from qutiperf.audit.finished_runs import FinishedRuns, verdict
from qutiperf.audit.phase_relations import phase_problems
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.results.derived import basis_of, utilisation_percent
from qutiperf.results.record import RunRecord
from qutiperf.spec.audits import AuditRule
from qutiperf.spec.scenario import Mode, ScenarioName
from qutiperf.units import NANOSECONDS_PER_SECOND, milliseconds_from_ns

_CURE = "look for answers that do not come from the model, a wrong clock, or peaks that are too low"
_ALONE = (ScenarioName.SINGLE_STREAM, ScenarioName.MULTI_STREAM)
_MILLISECONDS_PER_SECOND = 1000.0


def judge(rule: AuditRule, run: StoredRun, finished: FinishedRuns) -> AuditVerdict:
    record = run.record
    if record.failure is not None or record.point.mode is not Mode.PERFORMANCE:
        return verdict(rule, run, [], [], _CURE)
    rate, floor = (1 + rule.limits["rate_percent"] / 100, rule.limits["floor_percent"] / 100)
    last = _last_query_share(record)
    problems = [
        *_one_at_a_time(record, rate + last),
        *_compute_latency(record, rate),
        *_compute_throughput(record, rate + last),
        *_beside_harness(record, floor),
        *_beside_roofline(record, rate),
        *phase_problems(run, finished.by_id.get(record.accuracy_run_id or ""), rule.limits),
    ]
    return verdict(rule, run, problems, [], _CURE)


def _last_query_share(record: RunRecord) -> float:
    """Of a run in SingleStream, the most that its last query took: LoadGen's rate ends with its issue."""
    result = record.loadgen
    if record.point.scenario is not ScenarioName.SINGLE_STREAM or result is None or not result.duration_s:
        return 0.0
    return result.latency_ns.get("max", 0) / NANOSECONDS_PER_SECOND / result.duration_s


def _one_at_a_time(record: RunRecord, rate: float) -> Iterator[str]:
    """With one query in flight, queries per second x mean latency is at most 1."""
    figures = record.figures
    mean_ms, ips = figures.system_latency_mean_ms, figures.system_throughput_ips
    if record.point.scenario not in _ALONE or mean_ms is None or ips is None or record.loadgen is None:
        return
    in_flight = ips / (record.loadgen.samples_per_query or 1) * mean_ms / _MILLISECONDS_PER_SECOND
    if in_flight > rate:
        yield f"queries overlap: {in_flight:.2f} are in flight on average, the scenario allows 1"


def _compute_latency(record: RunRecord, rate: float) -> Iterator[str]:
    figures = record.figures
    compute, system = figures.compute_latency_mean_ms, figures.system_latency_mean_ms
    if record.point.scenario is ScenarioName.SINGLE_STREAM and compute and system and compute > system * rate:
        yield f"compute takes {compute:g} ms of a query that takes {system:g} ms"


def _compute_throughput(record: RunRecord, rate: float) -> Iterator[str]:
    figures = record.figures
    fast, whole = figures.compute_throughput_ips, figures.system_throughput_ips
    if fast and whole and whole > fast * rate:
        yield f"the system answers {whole:,.0f} inputs/s, its accelerator computes {fast:,.0f} inputs/s"


def _beside_harness(record: RunRecord, floor: float) -> Iterator[str]:
    median, tax = record.figures.system_latency_p50_ms, record.harness_tax
    if record.point.scenario is not ScenarioName.SINGLE_STREAM or median is None or tax is None:
        return
    if median < floor * milliseconds_from_ns(tax.single_stream_ns):
        least = milliseconds_from_ns(tax.single_stream_ns)
        yield f"a query takes {median:g} ms, the harness alone {least:g} ms"


def _beside_roofline(record: RunRecord, rate: float) -> Iterator[str]:
    used = utilisation_percent(basis_of(record))
    if used is not None and used > 100.0 * rate:
        yield f"the throughput needs {used:,.0f} % of the peak of the platform"
