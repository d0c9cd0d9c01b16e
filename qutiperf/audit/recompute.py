"""The audit `recompute`: a record's figures again, from LoadGen's logs and the histograms of the phases."""

from collections.abc import Iterator
from pathlib import Path

from qutiperf.audit.evidence import evidence_of_record
from qutiperf.audit.finished_runs import FinishedRuns, verdict
from qutiperf.audit.kept_phases import DAMAGE, PHASES, histogram_of, read_phases
from qutiperf.audit.regenerated_order import check_order
from qutiperf.audit.stored_run import StoredRun
from qutiperf.audit.verdict import AuditVerdict
from qutiperf.errors import InputError
from qutiperf.mlperf_logs import LoadGenResult, read_result
from qutiperf.results import metrics
from qutiperf.results.histogram import Integers
from qutiperf.results.record import Observed, PhaseTime, RunRecord
from qutiperf.spec.audits import AuditRule
from qutiperf.units import NANOSECONDS_PER_SECOND

_PERCENTS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}
_RATES = "log-rate"
_CURE = "records and logs are never edited; measure again"


def judge(rule: AuditRule, run: StoredRun, finished: FinishedRuns) -> AuditVerdict:
    """A run that failed has no figures, so it is inconclusive.

    So are rates that disagree by their clocks where others took the CPU between queries.
    """
    record, observed = run.record, run.record.observed
    if record.loadgen is None or observed is None:
        return verdict(rule, run, [], ["the run failed: it has no figures"], _CURE)
    problems, unknown = list[str](), list[str]()
    try:
        logged = read_result(run.folder)
    except InputError as error:
        return verdict(rule, run, [], [f"LoadGen's log cannot be read: {error.what}"], _CURE)
    problems += _against_log(record, logged)
    problems += _against_figures(record, observed, logged, rule.limits["logged_percent"])
    state = finished.states.get(run.folder)
    busy = state is not None and state.taken_share > rule.limits["busy_percent"] / 100
    found, open_lines = own_findings(run.folder, busy=busy)
    problems += found
    unknown += open_lines
    order = check_order(record, run.folder, int(rule.limits["order_samples"]))
    problems += [order.problem] if order.problem else []
    unknown += [order.unknown] if order.unknown else []
    if observed.phases:
        try:
            kept = read_phases(run.folder)
            problems += _against_phases(observed, kept, rule.limits["histogram_percent"])
            if record.point.deployment.get("streams") == 1:
                problems += _against_windows(observed, kept["windows"], rule.limits["histogram_percent"])
        except DAMAGE as error:
            unknown.append(f"{PHASES} cannot be read: {type(error).__name__}")
    return verdict(rule, run, problems, unknown, _CURE)


def _against_log(record: RunRecord, logged: LoadGenResult) -> Iterator[str]:
    """Fields of LoadGen's result that the record has otherwise."""
    for name in LoadGenResult.model_fields:
        kept, again = getattr(record.loadgen, name), getattr(logged, name)
        if kept != again and kept is not None:
            yield f"the record's {name} is {_shown(kept)}, the log has {_shown(again)}"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _against_figures(
    record: RunRecord, observed: Observed, logged: LoadGenResult, percent: float
) -> Iterator[str]:
    again = metrics.figures(record.point.scenario, record.point.mode, logged, observed)
    for name, value in again.model_dump().items():
        kept = getattr(record.figures, name)
        if value is None or kept is None:
            if value is not None:
                yield f"{name} is unknown, {value:g} by the log"
        elif not _near(kept, value, percent):
            yield f"{name} is {kept:g}, {value:g} by the log"


def _near(kept: float, again: float, percent: float) -> bool:
    return abs(kept - again) <= abs(again) * percent / 100


def own_findings(folder: Path, *, busy: bool) -> tuple[list[str], list[str]]:
    """What the logs say against each other, and what of it a busy machine explains."""
    errors = [each for each in evidence_of_record(folder).findings({}) if each.severity == "error"]
    open_lines = [each.what for each in errors if busy and each.rule == _RATES]
    return [each.what for each in errors if each.what not in open_lines], open_lines


def _against_phases(observed: Observed, kept: dict[str, Integers], percent: float) -> Iterator[str]:
    for name, time in observed.phases.items():
        yield from _against_phase(name, time, kept, percent)


def _against_windows(observed: Observed, windows: Integers, percent: float) -> Iterator[str]:
    """Inputs and compute time of the parts of a run, which one stream adds up to the whole."""
    inputs, busy_ns = int(windows[:, 2].sum()), int(windows[:, 1].sum())
    if observed.inputs is not None and inputs != observed.inputs:
        yield f"{observed.inputs:,} inputs were answered, {inputs:,} by the windows of the run"
    throughput = observed.compute_throughput_ips
    again = NANOSECONDS_PER_SECOND * inputs / busy_ns if busy_ns else None
    if throughput is not None and again is not None and not _near(throughput, again, percent):
        yield f"compute_throughput_ips is {throughput:g}, {again:g} by the windows of the run"


def _against_phase(name: str, time: PhaseTime, kept: dict[str, Integers], percent: float) -> Iterator[str]:
    histogram = histogram_of(kept, name, time.max_ns)
    if histogram is None:
        return
    for label, share in _PERCENTS.items():
        again, stored = histogram.percentile(share), getattr(time, f"{label}_ns")
        if again is not None and not _near(stored, again, percent) and abs(stored - again) > 1:
            yield f"{name}: {label} is {stored:,.0f} ns, {again:,.0f} ns by its histogram"
