"""Runs groups of planned runs in worker processes and stores a record of every run."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from qutiperf import host
from qutiperf.errors import QutiperfError, RunError, SetupError
from qutiperf.mlperf_logs import LoadGenResult, read_result, test_window_ns
from qutiperf.results import metrics
from qutiperf.results.predictions import Stored, prediction_of_run
from qutiperf.results.record import (
    AccuracyCheck,
    Failure,
    Figures,
    HarnessTax,
    Observed,
    RunRecord,
    UsedCache,
)
from qutiperf.results.store import Store
from qutiperf.run import operating_mode
from qutiperf.run.afterwards import check_in, with_profile
from qutiperf.run.child import Child, Nursery
from qutiperf.run.hold import hold_of
from qutiperf.run.job import OBSERVED, Event, Job, JobRun
from qutiperf.run.memory_limit import MemoryWatch
from qutiperf.run.metering import Metering, PowerOutcome
from qutiperf.run.model_host import InWorker, ModelHost
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.run.watch import Watch
from qutiperf.run.worker_end import WorkerEnd, with_end
from qutiperf.run.worker_events import Stage, gone, worker_events
from qutiperf.spec.scenario import Mode, Profile
from qutiperf.surroundings import Disturbances, Surroundings

LOAD_LIMIT_S = 300.0
_TICK_S = 1.0
_STAGES: Mapping[str, Stage] = {"waiting": "before", "started": "run", "done": "load"}
_LOG = "worker.log"
_WORKER = "qutiperf.run.worker"
_INCOMPLETE = "the run is not complete"
_NO_POWER = PowerOutcome("only performance runs have a power")


GoOn = Callable[[RunRecord, PlannedRun], bool]


def always(_record: RunRecord, _following: PlannedRun) -> bool:
    """Every run of a group is started."""
    return True


class Listener(Protocol):
    """Receives the progress of a sweep."""

    def started(self, run: PlannedRun) -> None: ...
    def finished(self, run: PlannedRun, record: RunRecord) -> None: ...
    def tick(self) -> None: ...
    def waiting(self, run: PlannedRun, text: str) -> None: ...


class Runner:
    """Runs groups of planned runs and stores their records."""

    def __init__(
        self,
        store: Store,
        listener: Listener,
        machine: host.Facts,
        nursery: Nursery,
        audit_config: str | None = None,
        metering: Metering | None = None,
        *,
        keep_answers: bool = False,
        model_host: ModelHost | None = None,
        loadgen_machine: host.Facts | None = None,
    ) -> None:
        self._store, self._listener, self._machine = store, listener, machine
        self._model_host, self._loadgen_machine = model_host or InWorker(), loadgen_machine
        self._nursery, self._audit_config, self._keep_answers = nursery, audit_config, keep_answers
        self._metering = metering or Metering(store.folder)
        self._versions = host.versions()
        attempts = store.attempts() | (store.probes.attempts() if Store.is_one(store.probes.folder) else {})
        self._attempts = {run_id: len(records) for run_id, records in attempts.items()}
        self.go_on: GoOn = always  # whether a group's next run is started, after a record
        self.tax: HarnessTax | None = None
        self.kept_samples: frozenset[str] = frozenset()  # keys of the samples that workers can map
        self._predictions: dict[str, Stored] = {}
        self._caches: dict[str, UsedCache | None] = {}

    def run(self, group: Group) -> list[RunRecord]:
        """Records of all runs of the group, each already stored; a failure ends one worker, not the group.

        The group ends early where `go_on` does not start its next run. Raises SetupError if the results
        cannot be written, or the operating mode cannot be left.
        """
        try:
            operating_mode.enter(self._nursery, group.sut, group.operating_mode)
        except SetupError as error:
            return self._none_possible(group.runs, error)
        try:
            self._metering.enter(group.sut, group.operating_mode)
            records: list[RunRecord] = []
            while left := group.runs[len(records) :]:
                if records and not self.go_on(records[-1], left[0]):
                    break
                records += self._work(group, self._portion(left))
        except BaseException:
            self._nursery.leave_mode()  # a problem with that would hide the one that is on its way
            raise
        operating_mode.leave(self._nursery, group.sut, group.operating_mode)
        return records

    def _portion(self, pending: Sequence[PlannedRun]) -> Sequence[PlannedRun]:
        """A submission run has its own process, as LoadGen reads its built-in rules once per process."""
        return pending[:1] if pending[0].point.profile is Profile.SUBMISSION else pending

    def _none_possible(self, runs: Sequence[PlannedRun], error: QutiperfError) -> list[RunRecord]:
        """Failed records of runs whose device cannot enter their operating mode, or start."""
        missing = isinstance(error, SetupError)
        return self.fail(runs, Failure(stage="load", kind="error", reason=str(error), setup_missing=missing))

    def fail(self, runs: Sequence[PlannedRun], failure: Failure) -> list[RunRecord]:
        """Stores failed records of runs that no worker could be started for; raises SetupError."""
        staging = self._store.stage()
        watch = Watch(None, LOAD_LIMIT_S)
        watch.begin(LOAD_LIMIT_S)
        try:
            return [self._failed_record(run, staging / run.run_id, failure, watch) for run in runs]
        finally:
            self._store.discard(staging)

    def _work(self, group: Group, runs: Sequence[PlannedRun]) -> list[RunRecord]:
        """The life of one worker: the records of its completed or failed runs, in order."""
        # before the worker starts: the parent does nothing while it measures
        for run in runs:
            prediction = prediction_of_run(group.sut, run.inputs.workload, run.point.deployment)
            self._predictions[run.run_id] = prediction
            self._caches[run.run_id] = self._cache_of(group)
        with ExitStack() as stack:
            try:
                served = stack.enter_context(self._model_host.serving(group))
            except (SetupError, RunError) as error:
                return self._none_possible(runs, error)
            return self._worker_runs(served, runs)

    def _worker_runs(self, group: Group, runs: Sequence[PlannedRun]) -> list[RunRecord]:
        staging = self._store.stage()
        folders = [staging / run.run_id for run in runs]
        try:
            for folder in folders:
                folder.mkdir()
            task = self._job(group, runs, folders)
            child = self._nursery.start(_WORKER, task, staging, staging / _LOG)
            try:
                return list(self._follow(child, runs, folders))
            finally:
                child.kill()
        except OSError as error:
            raise _not_writable(self._store.folder, error) from None
        finally:
            self._store.discard(staging)

    def _cache_of(self, group: Group) -> UsedCache | None:
        source = group.samples
        return source.used if source is not None and source.key in self.kept_samples else None

    def _job(self, group: Group, runs: Sequence[PlannedRun], folders: Sequence[Path]) -> Job:
        return Job(
            sut=group.sut,
            workload=group.workload,
            options=group.options,
            streams=group.streams,
            audit_config=self._audit_config,
            seeds=group.seeds,
            fresh_after=group.fresh_after,
            samples=self._cache_of(group),
            idle_s=self._metering.idle_s,
            cores=operating_mode.cores_of(group.sut, group.operating_mode),
            keep_answers=self._keep_answers,
            profile=group.profile,
            runs=[
                JobRun(
                    folder=str(folder),
                    point=run.point,
                    samples_per_query=run.inputs.scenario.samples_per_query,
                    workload=None if run.inputs.workload is group.workload else run.inputs.workload,
                    before=run.inputs.before,
                )
                for run, folder in zip(runs, folders, strict=True)
            ],
        )

    def _follow(
        self, child: Child, runs: Sequence[PlannedRun], folders: Sequence[Path]
    ) -> Iterator[RunRecord]:
        """Yields a record at the end of each run; stops after the first failure."""
        watch = Watch(child.pid, LOAD_LIMIT_S, (*self._metering.pids, *self._model_host.pids))
        watch.begin(_limit_s(runs[0]))
        waiting = list(zip(runs, folders, strict=True))
        memory = MemoryWatch(runs[0].inputs.sut.limits, child.pid)
        stage: Stage = "load"
        while waiting:
            events, failure = worker_events(child, memory.tick_s(min(_TICK_S, watch.left_s)))
            for number, event in enumerate(events, 1):
                self._metering.hear(event)
                stage = _STAGES.get(event.event, stage)
                if event.event == "started":
                    watch.begin(_limit_s(waiting[0][0]))
                    self._listener.started(waiting[0][0])
                elif event.event == "done":
                    watch.look()
                    run, folder = waiting.pop(0)
                    end = None if waiting else WorkerEnd(child, events[number:], failure)
                    record = self._finished(run, folder, watch, end)
                    yield record
                    if end is not None or not self.go_on(record, waiting[0][0]):
                        return
                    if waiting[0][0].inputs.workload is not run.inputs.workload:
                        watch.begin(_limit_s(waiting[0][0]))  # the worker loads the next model now
                    watch.checking_since = None
                elif event.event == "failed":
                    failure = event.failure
                    break
                else:
                    self._goes_on(watch, event, waiting[0][0])
            failure = failure or gone(child, watch, stage) or memory.exceeded(stage)
            if failure is not None:
                child.kill()
                yield from self._failed(waiting, failure, watch, child)
                return
            if not events and watch.due(_TICK_S):
                watch.look()
                self._listener.tick()

    def _goes_on(self, watch: Watch, event: Event, run: PlannedRun) -> None:
        """An event of a run that neither starts nor ends it."""
        _set_clock(watch, event, run)
        if event.note is not None:
            self._listener.waiting(run, event.note)

    def _failed(
        self, waiting: Sequence[tuple[PlannedRun, Path]], failure: Failure, watch: Watch, child: Child
    ) -> Iterator[RunRecord]:
        """A failed record of the current run, or of all runs of a model that could not be loaded.

        A run that is only being checked is complete; the others get a new worker.
        """
        if watch.checking_since is not None:
            yield self._finished(*waiting[0], watch, None, unchecked=failure)
            return
        model = waiting[0][0].inputs.workload
        runs_of_model = takewhile(lambda pair: pair[0].inputs.workload is model, waiting)
        hit = list(runs_of_model) if failure.stage == "load" else waiting[:1]
        failure = self._model_host.explained(failure.model_copy(update={"log_tail": child.log_tail}))
        for run, folder in hit:
            yield self._failed_record(run, folder, failure, watch)

    def _failed_record(self, run: PlannedRun, folder: Path, failure: Failure, watch: Watch) -> RunRecord:
        record = self._record(run, watch, valid=False, reasons=[failure.reason], failure=failure)
        return self._placed(run, folder, record, watch)

    def _finished(
        self,
        run: PlannedRun,
        folder: Path,
        watch: Watch,
        end: WorkerEnd | None,
        unchecked: Failure | None = None,
    ) -> RunRecord:
        """The record of a completed run; `end` is the worker's if this was its last run."""
        check = None
        try:
            observed = Observed.model_validate_json((folder / OBSERVED).read_bytes())
            result = read_result(folder)
            if run.point.mode is Mode.ACCURACY:
                check = check_in(folder, unchecked)
            observed = with_profile(observed, folder)
        except (QutiperfError, ValueError, OSError) as error:
            failure = Failure(stage="run", kind="error", reason=f"its logs cannot be read: {error}")
            return self._failed_record(run, folder, failure, watch)
        window_ns = test_window_ns(folder)
        machine, hold = watch.disturbances(window_ns), hold_of(run.point, folder, watch, window_ns)
        record = self._judged(run, watch, observed, result, self._power(run, folder), machine, check)
        record = record.model_copy(update={"sustained": hold})
        if end is not None:
            record = with_end(record, end)
        (folder / OBSERVED).unlink()
        return self._placed(run, folder, record, watch)

    def _power(self, run: PlannedRun, folder: Path) -> PowerOutcome:
        return self._metering.finish(folder) if run.point.mode is Mode.PERFORMANCE else _NO_POWER

    def _judged(
        self,
        run: PlannedRun,
        watch: Watch,
        observed: Observed,
        result: LoadGenResult,
        power: PowerOutcome,
        machine: Disturbances,
        check: AccuracyCheck | None,
    ) -> RunRecord:
        point = run.point
        figures = metrics.figures(point.scenario, point.mode, result, observed)
        figures = figures.model_copy(update=power.figures)
        performance = point.mode is Mode.PERFORMANCE
        grade, reasons = (
            metrics.quality(point.scenario, figures, observed, self.tax, machine.foreign_cpu_percent, machine)
            if performance
            else metrics.accuracy_quality(check)
        )
        valid = result.validity == "VALID" if performance else not result.error_count
        if run.inputs.workload.model.part is not None:
            figures = metrics.compute_only(figures)
        return self._record(
            run,
            watch,
            valid=valid,
            quality=grade,
            reasons=[*result.invalid_reasons, *reasons],
            observed=observed,
            loadgen=result,
            figures=figures,
            power=power.record,
            power_source=power.source,
            power_reason=power.reason,
            accuracy_check=check,
        )

    def _record(self, run: PlannedRun, watch: Watch, **outcome: object) -> RunRecord:
        base: dict[str, object] = {
            "run_id": run.run_id,
            "attempt": self._attempts.get(run.run_id, 0) + 1,
            "probe_of": run.probe_of,
            "started_utc": watch.started_utc,
            "elapsed_s": round(watch.elapsed_s, 3),
            "preparation_s": round(watch.prepared_s, 3),
            "sample_cache": self._caches.get(run.run_id),
            "point": run.point,
            "inputs": run.inputs,
            "host": self._machine,
            "loadgen_host": self._loadgen_machine,
            "versions": self._versions,
            "power_reason": _INCOMPLETE,
            "prediction": self._predictions.get(run.run_id),
            "harness_tax": self.tax,
            "accuracy_run_id": run.accuracy_run_id,
            "quality": "ok",
            "figures": Figures(),
        }
        return RunRecord.model_validate({**base, **outcome})

    def _placed(self, run: PlannedRun, folder: Path, record: RunRecord, watch: Watch) -> RunRecord:
        if not self._store.is_one(self._store.folder):
            raise SetupError(
                "the results folder was deleted or moved during the run",
                where=str(self._store.folder),
                cure="leave it in place until the command ends; finished runs are where it is now",
            )
        folder.mkdir(parents=True, exist_ok=True)  # an adapter may have deleted it
        try:
            with (folder / "environment.csv").open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, Surroundings.COLUMNS)
                writer.writeheader()
                writer.writerows(watch.rows)
            self._model_host.collect(folder)
            (self._store.probes if run.probe_of else self._store).place(folder, record)
        except OSError as error:
            raise _not_writable(self._store.folder, error) from None
        self._attempts[run.run_id] = record.attempt
        self._listener.finished(run, record)
        return record


def _not_writable(folder: Path, error: OSError) -> SetupError:
    cure = "finished runs are kept; the same command continues once there is room"
    return SetupError(f"cannot be written to: {error.strerror or error}", where=str(folder), cure=cure)


def _set_clock(watch: Watch, event: Event, run: PlannedRun) -> None:
    """What an event of a run that goes on means for its time limit."""
    if event.event == "checking":
        watch.check()
    elif event.event == "waiting":
        watch.begin((event.seconds or 0.0) + LOAD_LIMIT_S)
    elif event.event in ("preparing", "prepared"):
        watch.prepare(started=event.event == "preparing")
    elif event.event == "estimated" and run.point.settings.time_limit_s is None:
        watch.limit_s = watch.elapsed_s - watch.prepared_s + 60 + 5 * (event.seconds or 0)


def _limit_s(run: PlannedRun) -> float:
    return run.point.settings.time_limit_s or LOAD_LIMIT_S
