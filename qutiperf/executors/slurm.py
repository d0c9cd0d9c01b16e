"""The executor `slurm`: one job per load on an exclusive node, results on a folder that the nodes share.

The first job of a command reports what a node is like; the sweep is planned for such nodes. A wave of groups
is one array of jobs. Each job is the local executor on its node (node_job.py), which stores its own records
and reports to a file. When a job ends without them, the command stores failed records with the reason.
"""

import contextlib
import glob
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from time import monotonic, sleep

import psutil
from pydantic import ValidationError

from qutiperf import host
from qutiperf.errors import InputError, SetupError
from qutiperf.executors.node_job import ANSWER, NodeAnswer, NodeTask, look, measure
from qutiperf.executors.node_run import NodeRun
from qutiperf.executors.slurm_options import SlurmOptions
from qutiperf.executors.slurm_queue import NEVER, JobQueue, JobState, check_slurm
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from qutiperf.run import operating_mode
from qutiperf.run.child import Nursery
from qutiperf.run.executor import Measuring, SweepWork, WorkObserver
from qutiperf.run.operating_mode import JournalEntry, journal_folder
from qutiperf.run.plan import Group, PlannedRun
from qutiperf.run.possible import NO_DEVICES, Devices
from qutiperf.run.runner import Runner
from qutiperf.spec.sut import SystemUnderTest

_LOOK_S = 1.0
_STATES_S = 5.0  # between two questions to Slurm, which serves a whole cluster
_GONE = 3  # answers in a row without a job, until it is lost
_VISIBLE_S = 90.0  # a network file system may show new entries of a folder after a minute
_LOOK_MIN = 5
_AT_ONCE = 500  # jobs of an array; Slurm's default limit is 1,000


class SlurmExecutor:
    """Submits jobs with `options`; `where` is their file, `note` prints a line."""

    parallel = True

    def __init__(self, options: SlurmOptions, where: str, note: Callable[[str], None]) -> None:
        check_slurm()
        self._options, self._where, self._note = options, where, note

    def machine(self, folder: Path) -> host.Facts:
        """Runs a job that reports its node, in a folder beside the results, which it removes."""
        for line in operating_mode.undo_left_on():
            self._note(line)
        whole = folder.absolute()
        _check_path(whole)
        beside = next(path for path in (whole, *whole.parents) if path.is_dir())
        _remove_left_over(beside)
        try:
            scratch = Path(tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-", dir=beside))
        except OSError as error:
            raise SetupError(f"cannot be written to: {error.strerror}", where=str(beside)) from None
        try:
            with self._queue(scratch, self._note) as queue:
                [job_id] = queue.submit(look, [str(scratch)], _LOOK_MIN)
                return _Look(queue, job_id, scratch, self._note).answer()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def devices(self, _suts: Sequence[SystemUnderTest]) -> Devices:
        return NO_DEVICES

    @contextmanager
    def open(self, work: SweepWork, store: Store, observer: WorkObserver) -> Iterator[Measuring]:
        scratch = store.stage()  # removed by the next run, should this one be killed
        try:
            with self._queue(scratch, observer.note) as queue, Nursery() as nursery:
                yield _Jobs(queue, work, store, observer, scratch, nursery, self._options)
        finally:
            store.discard(scratch)

    @contextmanager
    def _queue(self, folder: Path, note: Callable[[str], None]) -> Iterator[JobQueue]:
        """Cancels its jobs at the end; if this process is killed, its supervisor does, or the next run."""
        name = f"qutiperf-{secrets.token_hex(6)}"
        cancel = [shutil.which("scancel") or "scancel", f"--name={name}"]
        what = f"the jobs {name} of a run that was killed were left in Slurm"
        entry = JournalEntry(sut="Slurm", mode=name, leave=cancel, host=socket.gethostname(), what=what)
        with Nursery() as nursery:
            problem = nursery.enter_mode(
                [], cancel, journal_folder() / f"{name}.json", entry.model_dump_json()
            )
            if problem is not None:
                raise SetupError(problem, where="--executor slurm")
            queue = JobQueue(name, folder / "slurm", self._options, self._where)
            try:
                yield queue
            finally:
                problem = nursery.leave_mode()
                if problem is not None:
                    note(
                        f"the jobs {name} could not be cancelled: {problem}; `qutiperf doctor` tries it again"
                    )
                elif not queue.wait_for_end():
                    note(f"the jobs {name} are cancelled and still ending: {queue.problem or 'see `squeue`'}")


def _check_path(path: Path) -> None:
    """Raises InputError for a path that cannot be in a job's script."""
    if "%" in str(path) or not str(path).isprintable():
        what = f"{ascii(str(path))[:200]} has a sign that means something else to Slurm"
        raise InputError(what, where="--out", cure="name a folder without % and line breaks in its path")


def _prefix() -> str:
    return f".qutiperf-node-{socket.gethostname()}-"


def _remove_left_over(beside: Path) -> None:
    """What commands on this machine left there that were killed while they waited for a node's answer."""
    for path in beside.glob(f"{glob.escape(_prefix())}*"):
        number = path.name.removeprefix(_prefix()).partition("-")[0]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(path, ignore_errors=True)


class _Look:
    """Waits for the job that reports its node."""

    def __init__(self, queue: JobQueue, job_id: str, folder: Path, note: Callable[[str], None]) -> None:
        self._queue, self._job_id, self._folder = queue, job_id, folder
        self._waits = _Waits(note)

    def answer(self) -> host.Facts:
        """Raises SetupError if the job leaves no answer, InputError if it can never start."""
        ended_s: float | None = None
        unlisted = 0
        state: JobState | None = None
        while True:
            with contextlib.suppress(OSError, ValidationError):
                return NodeAnswer.model_validate_json((self._folder / ANSWER).read_bytes()).machine
            if ended_s is not None and monotonic() - ended_s > _LOOK_S * 5:
                raise self._no_answer(state)
            states = self._queue.states()
            state = (states or {}).get(self._job_id)
            unlisted = unlisted + 1 if states is not None and state is None else 0
            if ended_s is None and (unlisted >= _GONE or (state is not None and state.has_ended)):
                ended_s = monotonic()
            if state is not None and state.state == "PENDING":
                self._waits.hear({self._job_id: state})
            sleep(_LOOK_S)

    def _no_answer(self, state: JobState | None) -> SetupError:
        log = self._queue.log(self._job_id)
        node = f"node {state.node}" if state and state.node else "its node"
        if state is not None and state.state == "CANCELLED":
            return SetupError(
                f"job {self._job_id}, which looks at a node, was cancelled", where="--executor slurm"
            )
        if log is None:
            what = f"is not shared: {node} cannot write to it"
            cure = "name a folder with --out that this machine and the nodes share"
            return SetupError(what, where=str(self._folder.parent), cure=cure)
        last = log.splitlines()[-1] if log else f"its state is {state.state if state else 'unknown'}"
        cure = "install qutiperf in a folder that the nodes share"
        return SetupError(
            f"qutiperf does not start on {node}: {last[:300]}", where="--executor slurm", cure=cure
        )


class _Waits:
    """Notes why jobs wait, when the reason changes."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self._last = note, ""

    def hear(self, states: dict[str, JobState]) -> None:
        """Raises InputError for a job that can never start."""
        waiting = {job: state.reason for job, state in states.items() if state.state == "PENDING"}
        never = next(((job, reason) for job, reason in waiting.items() if reason in NEVER), None)
        if never is not None:
            cure = "check the executor's options; `scontrol show partition` lists the limits"
            raise InputError(
                f"job {never[0]} can never start: {never[1]}", where="--executor slurm", cure=cure
            )
        reasons = sorted(
            {reason for reason in waiting.values() if reason not in ("None", "JobArrayTaskLimit")}
        )
        line = f"{len(waiting)} {'job waits' if len(waiting) == 1 else 'jobs wait'}: {', '.join(reasons)}"
        if reasons and line != self._last:
            self._note(line)
            self._last = line


class _Jobs:
    """The jobs of one sweep."""

    def __init__(
        self,
        queue: JobQueue,
        work: SweepWork,
        store: Store,
        observer: WorkObserver,
        scratch: Path,
        nursery: Nursery,
        options: SlurmOptions,
    ) -> None:
        self._queue, self._work, self._store, self._observer = queue, work, store, observer
        self._scratch, self._nursery, self._options = scratch, nursery, options
        self._waits = _Waits(self._note)
        self._noted: set[str] = set()
        self._folders = 0

    def run(self, groups: Sequence[Group]) -> list[RunRecord]:
        records: list[RunRecord] = []
        waiting = list(groups)
        while waiting:
            batch, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            minutes = max(_minutes(group) for group in batch)
            for job in self._followed(self._submitted(batch, minutes)):
                rest = self._closed(job, minutes)
                records += job.records
                waiting += [job.group.only(rest)] if rest else []
        self._wait_until_visible(records)
        return records

    def _submitted(self, groups: Sequence[Group], minutes: int) -> list[NodeRun]:
        tasks = []
        for group in groups:
            folder = self._scratch / f"job-{self._folders}"
            self._folders += 1
            try:
                folder.mkdir()
            except OSError as error:
                raise SetupError(f"cannot be written to: {error.strerror}", where=str(folder)) from None
            tasks.append(NodeTask(str(folder), str(self._store.folder.resolve()), self._work.only(group)))
        ids = self._queue.submit(measure, tasks, minutes)
        return [
            NodeRun(Path(task.folder), job_id, task.group, list(task.group.runs))
            for task, job_id in zip(tasks, ids, strict=True)
        ]

    def _followed(self, jobs: Sequence[NodeRun]) -> Iterator[NodeRun]:
        """Each job when it is over."""
        running, unlisted = list(jobs), {job.job_id: 0 for job in jobs}
        asked_s = 0.0
        while running:
            news = [job.read(self._observer, self._note) for job in running]
            if monotonic() - asked_s >= _STATES_S:
                asked_s = monotonic()
                self._look(running, unlisted)
            over = [job for job in running if job.is_over(monotonic())]
            running = [job for job in running if job not in over]
            for job in over:
                job.read(self._observer, self._note)
                yield job
            if running and not over and not any(news):
                self._observer.tick()
                sleep(_LOOK_S)

    def _look(self, running: Sequence[NodeRun], unlisted: dict[str, int]) -> None:
        states = self._queue.states()
        if states is None:
            self._note(f"Slurm does not answer: {self._queue.problem}")
            return
        self._waits.hear({job.job_id: states[job.job_id] for job in running if job.job_id in states})
        for job in running:
            state = states.get(job.job_id)
            unlisted[job.job_id] = unlisted[job.job_id] + 1 if state is None else 0
            if state is None and unlisted[job.job_id] == _GONE:
                state = self._queue.accounted(job.job_id)
                job.state, job.ended_s = state, monotonic()
            elif state is not None:
                job.state = state
                if state.has_ended and job.ended_s is None:
                    job.ended_s = monotonic()

    def _closed(self, job: NodeRun, minutes: int) -> list[PlannedRun]:
        """Stores failed records of runs that the job took with it; returns those for another job."""
        if not job.waiting:
            return []
        failure = job.failure(self._queue.log(job.job_id) or "", self._options.time_min or minutes)
        failed, rest = job.split()
        machine = job.machine or self._work.machine
        runner = Runner(self._store, self._observer, machine, self._nursery, self._work.audit_config)
        job.records += runner.fail(failed, failure)
        if rest:
            others = "1 other run" if len(rest) == 1 else f"{len(rest)} other runs"
            self._note(f"{others} of job {job.job_id} will be measured in another job")
        return rest

    def _note(self, text: str) -> None:
        """Once, however many jobs have it to say."""
        if text not in self._noted:
            self._noted.add(text)
            self._observer.note(text)

    def _wait_until_visible(self, records: Sequence[RunRecord]) -> None:
        """Until this machine sees what the nodes have stored."""
        expected = {f"{record.run_id}-{record.attempt}" for record in records}
        limit = monotonic() + _VISIBLE_S
        while missing := expected - {path.name for path in self._store.run_folders()}:
            if monotonic() > limit:
                cure = "`qutiperf show` reads them once they are"
                what = f"{len(missing)} runs that the nodes have stored are not visible here"
                raise SetupError(what, where=str(self._store.folder), cure=cure)
            with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=self._store.folder):
                pass  # writing there makes the file system look again
            sleep(_LOOK_S)


def _minutes(group: Group) -> int:
    """A job's time limit: generous, as the limits of the runs themselves come first."""
    return ceil(15 + 3 * group.estimated_s / 60)
