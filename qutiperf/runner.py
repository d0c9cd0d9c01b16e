"""Spawns workers, limits them, watches the machine meanwhile, and stores a record of every run."""

import contextlib
import csv
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

import psutil

from qutiperf import host, metrics
from qutiperf.errors import QutiperfError, SetupError
from qutiperf.job import JOB, OBSERVED, Event, Job, JobRun
from qutiperf.level0.of_records import Stored, prediction_of_run
from qutiperf.mlperf_logs import LoadGenResult, read_result
from qutiperf.plan import Group, PlannedRun
from qutiperf.record import Failure, Figures, HarnessTax, Observed, RunRecord
from qutiperf.scenario import Mode, Profile
from qutiperf.store import MAX_ATTEMPTS, Store

LOAD_LIMIT_S = 300.0
_TICK_S = 1.0
_LOG = "worker.log"
_LOG_TAIL_BYTES = 2000
_SAID_CHARACTERS = 300
NO_METER = "no power meter is read yet"


class Listener(Protocol):
    """Hears how a sweep goes on."""

    def started(self, run: PlannedRun) -> None: ...
    def finished(self, run: PlannedRun, record: RunRecord) -> None: ...
    def tick(self) -> None: ...


@dataclass(slots=True)
class _Watch:
    """What is known of the run that a worker is doing."""

    process: psutil.Process
    started: float = field(default_factory=monotonic)
    started_utc: str = ""
    limit_s: float = LOAD_LIMIT_S
    own_cpu_s: float = 0.0
    surroundings: host.Surroundings = field(default_factory=host.Surroundings)
    rows: list[dict[str, float | None]] = field(default_factory=list)

    def begin(self, limit_s: float) -> None:
        self.started, self.limit_s, self.rows = monotonic(), limit_s, []
        self.started_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.look()
        self.rows = []

    def look(self) -> None:
        before, self.own_cpu_s = self.own_cpu_s, _cpu_seconds(self.process) + sum(os.times()[:2])
        self.rows.append(self.surroundings.look(self.own_cpu_s - before, self.elapsed_s))

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self.started

    def foreign_cpu_percent(self) -> float | None:
        """Mean over the run of what other processes used, weighted by the time each look spans."""
        weighted, before = 0.0, 0.0
        for row in self.rows:
            if row["foreign_cpu_percent"] is None or row["elapsed_s"] is None:
                return None
            weighted += row["foreign_cpu_percent"] * (row["elapsed_s"] - before)
            before = row["elapsed_s"]
        return weighted / before if before else None


def _last_words(error: Exception) -> str:
    """What a command that failed said in the end, else what Python says of it."""
    said = str(error.stderr).strip() if isinstance(error, subprocess.CalledProcessError) else ""
    return said[-_SAID_CHARACTERS:] or str(error)


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


class Worker:
    """A worker process and its pipe of events."""

    def __init__(self, staging: Path) -> None:
        read_end, write_end = os.pipe()
        with (staging / _LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "qutiperf.worker", str(staging), str(write_end)],
                cwd=staging,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[write_end],
                start_new_session=True,
            )
        os.close(write_end)
        self._pipe = os.fdopen(read_end, "rb", buffering=0)
        self._buffer = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self.process = psutil.Process(self._process.pid)

    def events(self, timeout_s: float) -> list[Event] | None:
        """Events that came within the time; None once the worker has closed its pipe."""
        if not self._selector.select(timeout_s):
            return []
        chunk = os.read(self._pipe.fileno(), 1 << 16)
        if not chunk:
            return None
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [Event.model_validate_json(line) for line in lines]

    def kill(self) -> None:
        """Ends the process and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Waits for the process, cleans up, and gives its exit status."""
        status = self._process.wait()
        self.kill()
        self._selector.close()
        self._pipe.close()
        if self._process.stdin:
            self._process.stdin.close()
        return status


class Runner:
    """Runs groups of planned runs and puts their records into a store."""

    def __init__(
        self, store: Store, listener: Listener, machine: host.Facts, audit_config: str | None = None
    ) -> None:
        self._store, self._listener, self._machine = store, listener, machine
        self._versions = host.versions()
        self._audit_config = audit_config
        self._attempts = {run_id: len(found) for run_id, found in store.attempts().items()}
        self.tax: HarnessTax | None = None
        self._predictions: dict[str, Stored] = {}

    def run(self, group: Group) -> list[RunRecord]:
        """Records of all runs of the group, each already stored; a failure ends one worker, not the group."""
        records: list[RunRecord] = []
        pending = list(group.runs)
        try:
            self._operate(group, "enter")
            while pending:
                done = self._work(group, self._portion(pending))
                records += done
                pending = pending[len(done) :]
        finally:
            self._operate(group, "leave")
        return records

    def _portion(self, pending: Sequence[PlannedRun]) -> Sequence[PlannedRun]:
        """A submittable run has a process of its own, as LoadGen reads its built-in rules once a process."""
        return pending[:1] if pending[0].point.profile is Profile.SUBMISSION else pending

    def _operate(self, group: Group, when: str) -> None:
        mode = group.sut.operating_modes[group.operating_mode]
        command = mode.enter if when == "enter" else mode.leave
        if not command:
            return
        where = f"{group.sut.name}: operating_modes.{group.operating_mode}.{when}"
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60, text=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise SetupError(f"{' '.join(command)}: {_last_words(error)}", where=where) from None

    def _work(self, group: Group, runs: Sequence[PlannedRun]) -> list[RunRecord]:
        """One worker's life: records of the runs it did or failed, in order."""
        # before the worker starts: the parent does nothing while it measures
        for run in runs:
            found = prediction_of_run(group.sut, group.workload, run.point.deployment)
            self._predictions[run.run_id] = found
        staging = self._store.stage()
        folders = [staging / run.run_id for run in runs]
        for folder in folders:
            folder.mkdir()
        (staging / JOB).write_text(self._job(group, runs, folders).model_dump_json(), encoding="utf-8")
        worker = Worker(staging)
        try:
            return list(self._follow(worker, runs, folders))
        finally:
            worker.kill()
            worker.end()
            self._store.discard(staging)

    def _job(self, group: Group, runs: Sequence[PlannedRun], folders: Sequence[Path]) -> Job:
        return Job(
            sut=group.sut,
            workload=group.workload,
            options=group.options,
            streams=group.streams,
            audit_config=self._audit_config,
            runs=[
                JobRun(
                    folder=str(folder),
                    point=run.point,
                    samples_per_query=run.inputs.scenario.samples_per_query,
                )
                for run, folder in zip(runs, folders, strict=True)
            ],
        )

    def _follow(
        self, worker: Worker, runs: Sequence[PlannedRun], folders: Sequence[Path]
    ) -> Iterator[RunRecord]:
        """Yields a record as each run ends; stops after the first failure."""
        watch = _Watch(worker.process)
        watch.begin(runs[0].point.settings.time_limit_s or LOAD_LIMIT_S)
        waiting = list(zip(runs, folders, strict=True))
        running = False
        while waiting:
            run, folder = waiting[0]
            events = worker.events(min(_TICK_S, max(watch.limit_s - watch.elapsed_s, 0.0)))
            for event in events or []:
                if event.event == "started":
                    running = True
                    watch.begin(run.point.settings.time_limit_s or LOAD_LIMIT_S)
                    self._listener.started(run)
                elif event.event == "estimated" and run.point.settings.time_limit_s is None:
                    watch.limit_s = watch.elapsed_s + 60 + 5 * (event.seconds or 0)
                elif event.event == "done":
                    waiting.pop(0)
                    running = False
                    watch.look()
                    yield self._finished(run, folder, watch)
                    if waiting:
                        run, folder = waiting[0]
                elif event.event == "failed" and event.failure is not None:
                    yield from self._failed(waiting, event.failure, watch, worker)
                    return
            failure = self._gone(events, watch, worker, running) if waiting else None
            if failure is not None:
                yield from self._failed(waiting, failure, watch, worker)
                return
            if events == []:
                watch.look()
                self._listener.tick()

    def _gone(
        self, events: list[Event] | None, watch: _Watch, worker: Worker, running: bool
    ) -> Failure | None:
        """A failure that the worker could not tell itself: it died, or took too long."""
        stage = "run" if running else "load"
        if events is None:
            return Failure.model_validate({"stage": stage, "kind": "crash", "reason": _death(worker.end())})
        if watch.elapsed_s < watch.limit_s:
            return None
        worker.kill()
        reason = f"no end after the time limit of {watch.limit_s:.0f} s; settings.time_limit_s sets another"
        return Failure.model_validate({"stage": stage, "kind": "time_limit", "reason": reason})

    def _failed(
        self, waiting: Sequence[tuple[PlannedRun, Path]], failure: Failure, watch: _Watch, worker: Worker
    ) -> Iterator[RunRecord]:
        """A failed record of the run that was on; of all runs if the model could not even be loaded."""
        worker.kill()
        hit = waiting if failure.stage == "load" else waiting[:1]
        for run, folder in hit:
            told = failure.model_copy(update={"log_tail": _tail(folder.parent / _LOG)})
            record = self._record(run, watch, valid=False, reasons=[told.reason], failure=told)
            yield self._placed(run, folder, record, watch)

    def _finished(self, run: PlannedRun, folder: Path, watch: _Watch) -> RunRecord:
        try:
            observed = Observed.model_validate_json((folder / OBSERVED).read_bytes())
            result = read_result(folder)
        except (QutiperfError, ValueError, OSError) as error:
            failure = Failure(stage="run", kind="error", reason=f"its logs cannot be read: {error}")
            return self._placed(
                run,
                folder,
                self._record(run, watch, valid=False, reasons=[failure.reason], failure=failure),
                watch,
            )
        record = self._judged(run, watch, observed, result)
        (folder / OBSERVED).unlink()
        return self._placed(run, folder, record, watch)

    def _judged(self, run: PlannedRun, watch: _Watch, observed: Observed, result: LoadGenResult) -> RunRecord:
        point = run.point
        found = metrics.figures(point.scenario, point.mode, result, observed)
        foreign = watch.foreign_cpu_percent()
        performance = point.mode is Mode.PERFORMANCE
        grade, reasons = (
            metrics.quality(point.scenario, found, observed, self.tax, foreign) if performance else ("ok", [])
        )
        valid = result.validity == "VALID" if performance else not result.error_count
        return self._record(
            run,
            watch,
            valid=valid,
            quality=grade,
            reasons=[*result.invalid_reasons, *reasons],
            observed=observed,
            loadgen=result,
            figures=found,
        )

    def _record(self, run: PlannedRun, watch: _Watch, **found: object) -> RunRecord:
        base: dict[str, object] = {
            "run_id": run.run_id,
            "attempt": self._attempts.get(run.run_id, 0) + 1,
            "started_utc": watch.started_utc,
            "elapsed_s": round(watch.elapsed_s, 3),
            "point": run.point,
            "inputs": run.inputs,
            "host": self._machine,
            "versions": self._versions,
            "power_reason": NO_METER,
            "prediction": self._predictions.get(run.run_id),
            "harness_tax": self.tax,
            "accuracy_run_id": run.accuracy_run_id,
            "quality": "ok",
            "figures": Figures(),
        }
        return RunRecord.model_validate({**base, **found})

    def _placed(self, run: PlannedRun, folder: Path, record: RunRecord, watch: _Watch) -> RunRecord:
        with (folder / "environment.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, host.Surroundings.COLUMNS)
            writer.writeheader()
            writer.writerows(watch.rows)
        self._store.place(folder, record)
        self._attempts[run.run_id] = record.attempt
        self._listener.finished(run, record)
        return record


def wanted(group: Group, attempts: dict[str, list[RunRecord]]) -> list[PlannedRun]:
    """Runs of a group that have no valid record yet and were not tried twice in vain.

    A try on a machine that lacked something does not count: it may have it now.
    """
    return [run for run in group.runs if _is_wanted(attempts.get(run.run_id, []))]


def _is_wanted(records: Sequence[RunRecord]) -> bool:
    tried = [record for record in records if not (record.failure and record.failure.setup_missing)]
    return not any(record.valid for record in tried) and len(tried) < MAX_ATTEMPTS


def _death(status: int) -> str:
    if status >= 0:
        return f"the process ended with exit status {status} before the run was done"
    name = signal.Signals(-status).name
    meaning = {"SIGSEGV": " (segmentation fault)", "SIGKILL": " (killed, perhaps for lack of memory)"}.get(
        name, ""
    )
    return f"the process died of {name}{meaning}"


def _tail(log: Path) -> str:
    try:
        return log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""
