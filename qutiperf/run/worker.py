"""One worker process: `python -m qutiperf.run.worker FOLDER EVENTS`, started by the runner alone.

It loads one model on one device, does the runs of its task in order, leaves worker.json, logs and phases
in each run's folder, and reports on the pipe with file descriptor EVENTS. The first failure ends it.
"""

import contextlib
import gc
import os
import resource
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from qutiperf.adapters.base import Array
from qutiperf.datasets import open_samples
from qutiperf.datasets.base import Dataset
from qutiperf.datasets.task import Task
from qutiperf.datasets.tasks import task_for
from qutiperf.errors import QutiperfError, RunError, SetupError
from qutiperf.harness.accuracy_check import check_accuracy
from qutiperf.harness.correctness import batches_to_check, check_part
from qutiperf.harness.execution import execution_of, profile_of
from qutiperf.harness.fresh_samples import fresh_samples
from qutiperf.harness.kept_answers import answers_in
from qutiperf.harness.load import built_path, load_instances, model_for
from qutiperf.harness.loaded_model import LoadedModel
from qutiperf.harness.network_fields import network_fields
from qutiperf.harness.run import Outcome, Trial, samples_per_query
from qutiperf.harness.sample_cache import SampleCache
from qutiperf.harness.samples import Preparing
from qutiperf.harness.streams import FirstError
from qutiperf.printable import error_text
from qutiperf.results.answers import ANSWERS, write_answers
from qutiperf.results.histogram import Histogram
from qutiperf.results.record import Correctness, Execution, Failure, Observed, PhaseTime, Waited
from qutiperf.results.sample_order import ORDER
from qutiperf.results.sustained import SUSTAINED_CSV, write_intervals
from qutiperf.run.afterwards import NODES
from qutiperf.run.child import Replies, end_now, read_task
from qutiperf.run.job import CHECKED, OBSERVED, PHASES, PROFILE, Event, Job, JobRun
from qutiperf.run.preconditions import Readiness
from qutiperf.spec.scenario import Mode
from qutiperf.spec.workload import Workload

_NO_MODEL = "simulated"  # its answers are made up
_FAILED = 70  # EX_SOFTWARE


class Reporter:
    """Sends events to the runner."""

    def __init__(self, descriptor: int) -> None:
        self._replies = Replies(descriptor)

    def send(self, event: Event) -> None:
        self._replies.send(event)

    def fail(self, stage: str, folder: str | None, error: BaseException, kind: str = "error") -> None:
        """Reports the failure and ends the process: the state of LoadGen and the runtime is undefined now."""
        with contextlib.suppress(Exception):  # the error's own methods may raise
            traceback.print_exception(error, file=sys.stderr)
        failure = Failure.model_validate(
            {
                "stage": stage,
                "kind": kind,
                "reason": error_text(error, with_type=not isinstance(error, QutiperfError)),
                "setup_missing": isinstance(error, SetupError),
            }
        )
        self.send(Event(event="failed", folder=folder, failure=failure))
        end_now(_FAILED)


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """A loaded model of a worker, with what the records of its runs say about the load."""

    workload: Workload
    model: LoadedModel
    described: dict[str, str]
    network: dict[str, str]
    correctness: Correctness | None
    execution: Execution | None
    load_s: float


def load_model(job: Job, workload: Workload, reporter: Reporter) -> LoadedPart:
    """Opens the data and loads the instance of every stream; passes on the adapter's exceptions.

    The output of a layer, stack or block is checked first; raises RunError if it is wrong.
    """
    started = monotonic()
    dataset: Dataset = open_samples(workload)
    task: Task = task_for(workload)
    spec = workload.model
    try:
        adapters = load_instances(job.sut, workload, job.options, job.streams, Path())
    except QutiperfError as error:
        if spec.part is not None:
            error.where = ""  # a file that was built here, and is gone when the record is read
        raise
    model = LoadedModel(
        adapters,
        dataset,
        task,
        spec.fixed_batch,
        workload.mlperf_benchmark,
        spec,
        model_for(workload, Path()),
    )
    model.preparing = preparing(job, workload, dataset, reporter)
    if job.seeds is not None and job.fresh_after is not None:
        model.numbers = fresh_samples(dataset.count, job.fresh_after, job.seeds.qsl_rng_seed)
    described, load_s = adapters[0].describe(), monotonic() - started
    network: dict[str, str] = {}
    if model.over_network:
        network = network_fields(job.sut.description, described, job.streams)
    right, execution = _checked(job, workload, model)
    return LoadedPart(workload, model, described, network, right, execution, load_s)


def _checked(job: Job, workload: Workload, model: LoadedModel) -> tuple[Correctness | None, Execution | None]:
    """Of a layer, stack or block; RunError if its output is wrong."""
    part = workload.model.part
    if part is None:
        return None, None
    adapter = model.adapters[0]
    runs = [run for run in job.runs if (run.workload or job.workload) == workload]
    most = max(int(run.point.deployment["batch_size"]) for run in runs)
    right = check_part(part, workload.model, adapter, batches_to_check(most))
    try:
        return right, execution_of(part, workload.model, adapter)
    except Exception:  # noqa: BLE001 - a profiler that fails is no reason not to measure
        traceback.print_exc()
        return right, None


def unload(part: LoadedPart) -> None:
    """Closes the model and removes its file, if it was built here."""
    part.model.close()
    if part.workload.model.is_built:
        built_path(part.workload.model, Path()).unlink(missing_ok=True)


def preparing(job: Job, workload: Workload, dataset: Dataset, reporter: Reporter) -> Preparing:
    """Maps samples that were prepared for all workers, and reports the preparation of any others."""
    kept = job.samples if workload == job.workload else None

    def find(indices: Sequence[int]) -> list[Array] | None:
        arrays = None if kept is None else SampleCache(Path(kept.folder), 0).find(kept.key, indices)
        if arrays is not None:
            dataset.release()
        return arrays

    return Preparing(
        started=lambda: reporter.send(Event(event="preparing")),
        done=lambda seconds: reporter.send(Event(event="prepared", seconds=seconds)),
        find=find,
    )


def wait_before(run: JobRun, reporter: Reporter) -> Waited | None:
    """Waits for the conditions of a run; raises RunError if they do not hold in time."""
    if run.before is None:
        return None
    seconds = run.before.longest_s
    reporter.send(Event(event="waiting", folder=run.folder, seconds=seconds))
    return Readiness(run.before).wait(
        lambda note: reporter.send(Event(event="waiting", folder=run.folder, seconds=seconds, note=note))
    )


def run_one(run: JobRun, job: Job, model: LoadedModel, reporter: Reporter) -> Outcome:
    """One run; the first error anywhere ends the process through the reporter."""
    folder = Path(run.folder)
    reporter.send(Event(event="started", folder=run.folder))
    model.tune(int(run.point.deployment["batch_size"]))
    failure = FirstError(partial(reporter.fail, "run", run.folder))
    per_query = samples_per_query(run.samples_per_query, run.point)
    audit = Path(job.audit_config) if job.audit_config else None
    trial = Trial(model, run.point, per_query, folder, failure, audit, job.seeds)
    return trial.run(
        lambda seconds: reporter.send(Event(event="estimated", folder=run.folder, seconds=seconds))
    )


def observe(
    run: JobRun,
    outcome: Outcome,
    part: LoadedPart,
    waited: Waited | None = None,
) -> Observed:
    """This process's observations of a completed run."""
    phases, model = outcome.phases, part.model
    performance = run.point.mode is Mode.PERFORMANCE
    accuracy = None
    truth = model.dataset.truth
    if not performance and truth is not None:
        accuracy = model.task.accuracy(Path(run.folder) / "mlperf_log_accuracy.json", truth)
    return Observed(
        adapter=dict(part.described),
        compute_clock="device" if phases.device_clock else "host_wall",
        impossible_clocks=phases.impossible_clocks,
        inputs=phases.inputs,
        phases={
            name: time for name, histogram in phases.histograms.items() if (time := _phase_time(histogram))
        },
        unsteadiness_percent=phases.unsteadiness_percent() if performance else None,
        probe=outcome.probe if performance else None,
        compute_throughput_ips=phases.compute_throughput_ips if performance else None,
        top1_percent=accuracy.top1_percent if accuracy else None,
        top5_percent=outcome.top_five.percent() if accuracy else None,
        accuracy_source=_accuracy_source(outcome) if accuracy else None,
        accuracy_figures=dict(accuracy.figures) if accuracy else {},
        load_s=part.load_s,
        over_network=model.over_network,
        network_fields=part.network,
        samples_mapped=model.samples_mapped,
        padding_share_percent=model.padding_share_percent(),
        adapter_figures=model.figures(),
        correctness=part.correctness,
        warm_up=outcome.warm_up,
        waited=waited,
        execution=part.execution,
        memory_peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES / 1e6,
    )


def _accuracy_source(outcome: Outcome) -> str:
    if outcome.top_five.percent() is None:
        return "mlperf_log_accuracy.json"
    return "top-1: mlperf_log_accuracy.json; top-5: the same answers' scores"


_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def _phase_time(histogram: Histogram) -> PhaseTime | None:
    mean, maximum = histogram.mean(), histogram.maximum
    if mean is None or maximum is None:
        return None
    p50, p90, p99, p99_9 = (histogram.percentile(percent) or 0.0 for percent in (50, 90, 99, 99.9))
    return PhaseTime(mean_ns=mean, p50_ns=p50, p90_ns=p90, p99_ns=p99, p99_9_ns=p99_9, max_ns=maximum)


def save(run: JobRun, observed: Observed, outcome: Outcome) -> None:
    folder = Path(run.folder)
    outcome.phases.save(folder / PHASES)
    if outcome.intervals:
        write_intervals(folder / SUSTAINED_CSV, outcome.intervals)
    (folder / ORDER).write_text(outcome.order.model_dump_json(), encoding="utf-8")
    (folder / OBSERVED).write_text(observed.model_dump_json(), encoding="utf-8")


def _next_part(job: Job, run: JobRun, part: LoadedPart, reporter: Reporter) -> LoadedPart:
    """The loaded part if the run has the same model, else the run's own."""
    workload = run.workload or job.workload
    if workload == part.workload:
        return part
    unload(part)
    loaded = load_model(job, workload, reporter)
    reporter.send(Event(event="loaded", seconds=loaded.load_s))
    return loaded


def keep_answers(run: JobRun, model: LoadedModel) -> None:
    """Copies LoadGen's log of answers into the run's own file; a log of a performance run may be empty."""
    folder, data = Path(run.folder), model.dataset
    once = run.point.mode is Mode.ACCURACY
    log = folder / "mlperf_log_accuracy.json"
    write_answers(folder / ANSWERS, answers_in(log, model.task, data.labels, data.count, once=once))


def check(run: JobRun, job: Job, model: LoadedModel, reporter: Reporter) -> None:
    """Leaves the check of a completed accuracy run in its folder; nothing of the run depends on it."""
    if run.point.mode is not Mode.ACCURACY or job.sut.adapter == _NO_MODEL:
        return
    reporter.send(Event(event="checking", folder=run.folder))
    folder, batch_size = Path(run.folder), int(run.point.deployment["batch_size"])
    made = check_accuracy(
        run.workload or job.workload, model, batch_size, folder / "mlperf_log_accuracy.json"
    )
    if made is not None:
        (folder / CHECKED).write_text(made.model_dump_json(), encoding="utf-8")


def _be_first_without_memory() -> None:
    """Has the kernel end this process, and no other, if the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def profile(run: JobRun, part: LoadedPart, outcome: Outcome, reporter: Reporter) -> None:
    """Leaves the times of the model's nodes in the run's folder, where the runtime has a profiler.

    Not of parts whose copies are rotated: one copy alone has its weights in the cache.
    """
    spec, compute = part.workload.model, outcome.phases.histograms.get("compute")
    call_ns = compute.mean() if compute is not None else None
    rotated = spec.part is not None and spec.part.build.weight_copies > 1
    if rotated or run.point.mode is not Mode.PERFORMANCE or call_ns is None:
        return
    reporter.send(Event(event="checking", folder=run.folder))
    try:
        nodes = profile_of(spec, part.model.adapters[0], int(run.point.deployment["batch_size"]), call_ns)
    except Exception:  # noqa: BLE001 - a profiler that fails is no reason to lose the run
        traceback.print_exc()
        return
    if nodes:
        unfinished = Path(run.folder) / f"{PROFILE}.part"
        unfinished.write_bytes(NODES.dump_json(nodes))
        unfinished.rename(unfinished.with_name(PROFILE))  # whole or not at all, if this process is killed


_LONGEST_STORING_S, _STORING_TICK_S = 2.0, 0.0005


def _wait_until_stored(run: JobRun, job: Job) -> None:
    """In microbenchmarks, until the runner has moved the folder: its work would slow the next, short test."""
    limit = monotonic() + _LONGEST_STORING_S
    followed = job.profile and run is not job.runs[-1]
    while followed and Path(run.folder).exists() and monotonic() < limit:
        sleep(_STORING_TICK_S)


def main(folder: str, descriptor: str) -> None:
    """Runs the worker; never returns."""
    reporter = Reporter(int(descriptor))
    started = monotonic()
    try:
        _be_first_without_memory()
        job = read_task(Job, Path(folder))
        if job.cores is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, job.cores)  # before a runtime counts the cores or starts a thread
        part = load_model(job, job.runs[0].workload or job.workload, reporter)
    except BaseException as error:  # noqa: BLE001 - an adapter may raise anything
        reporter.fail("load", None, error)
        return
    reporter.send(Event(event="loaded", seconds=monotonic() - started))
    gc.freeze()  # each test collects garbage first; examining imported modules takes 50 ms and frees nothing
    sleep(job.idle_s)  # the idle power is measured now
    for run in job.runs:
        try:
            part = _next_part(job, run, part, reporter)
        except BaseException as error:  # noqa: BLE001 - as above
            reporter.fail("load", run.folder, error)
        try:
            waited = wait_before(run, reporter)
        except BaseException as error:  # noqa: BLE001 - as above
            reporter.fail(
                "before", run.folder, error, "condition" if isinstance(error, RunError) else "error"
            )
        try:
            outcome = run_one(run, job, part.model, reporter)
            save(run, observe(run, outcome, part, waited), outcome)
            if job.keep_answers:
                keep_answers(run, part.model)
            check(run, job, part.model, reporter)
            if job.profile:
                profile(run, part, outcome, reporter)
        except BaseException as error:  # noqa: BLE001 - as above
            reporter.fail("run", run.folder, error)
        reporter.send(Event(event="done", folder=run.folder))
        _wait_until_stored(run, job)
    try:
        unload(part)
    except BaseException as error:  # noqa: BLE001 - as above
        reporter.fail("close", None, error)
    reporter.send(Event(event="closed"))
    end_now()


if __name__ == "__main__":
    main(*sys.argv[1:])
