"""Sweeps in jobs of a real Slurm, and what is done to them there."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from qutiperf.run.sweep import plan_sweep
from tests.attack.processes import wait_for
from tests.conftest import SutFile
from tests.executors.cluster import Cluster, missing_daemon, running_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing_daemon() is not None, reason=f"{missing_daemon()} of Slurm is not installed"),
]
SweepFile = Callable[..., Path]
LIMIT_S = 300.0  # of a busy machine


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_is_left(cluster: Cluster) -> Iterator[None]:
    yield
    assert wait_for(lambda: not cluster.jobs(), 20), cluster.jobs()
    journal = Path(os.environ["XDG_STATE_HOME"]) / "qutiperf/modes"
    assert not list(journal.glob("*")) if journal.is_dir() else True


class Command:
    """`qutiperf run SWEEP --executor slurm` as a process; its sweep has short or long runs."""

    def __init__(self, cluster: Cluster, folder: Path, sweep: Path, *more: str) -> None:
        self.cluster, self.out = cluster, folder / "out"
        self.words = [sys.executable, "-m", "qutiperf", "run", str(sweep), "--executor", "slurm"]
        self.words += ["--out", str(self.out), *more]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "subprocess.Popen[str]":
        self.process = subprocess.Popen(
            self.words,
            env=self.cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self.process

    def end(self) -> tuple[int, str]:
        """Exit code and standard error."""
        assert self.process is not None
        try:
            _, error = self.process.communicate(timeout=LIMIT_S)
        finally:
            self.process.kill()
            self.process.communicate()
        return self.process.returncode, error

    def run(self, *more: str) -> tuple[int, str]:
        words, self.words = self.words, [*self.words, *more]
        self.start()
        self.words = words
        return self.end()

    def wait_for_run(self) -> psutil.Process:
        """The Python process of the first job that has started a run."""
        assert wait_for(lambda: self._events("started"), LIMIT_S)
        [job, *_] = self.job_processes()
        return job

    def _events(self, name: str) -> bool:
        files = self.out.glob(".staging/*/job-*/events.jsonl")
        return any(f'"event":"{name}"' in path.read_text() for path in files)

    def job_processes(self) -> list[psutil.Process]:
        place = str(self.out)
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if "submitit.core._submit" in words and place in words and "exec " not in words:
                found.append(process)
        return found

    @property
    def records(self) -> list[RunRecord]:
        return list(Store.open(self.out).records())

    @property
    def staging(self) -> list[Path]:
        return list((self.out / ".staging").glob("*"))


Starter = Callable[..., Command]


@pytest.fixture
def command(cluster: Cluster, tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile) -> Starter:
    """A sweep over two loads with two runs each, of `seconds`."""

    def make(seconds: float = 0.2, *more: str, sut: str = "", streams: str = "1,2") -> Command:
        system = sut_file("simulated", extra=f"options: {{latency_us: 500}}\n{sut}")
        sweep = sweep_file(system, extra="modes: [PerformanceOnly]\n")
        sizes = ["--set", f"deployment.streams={streams}", "--set", "deployment.batch_size=1,8"]
        return Command(cluster, tmp_path, sweep, *sizes, "--set", f"settings.min_duration_s={seconds}", *more)

    return make


def test_a_sweep_in_jobs_is_one_as_here(command: Starter) -> None:
    """Records as of a local run, with the same ids, from two jobs; the same command finds them."""
    made = command()
    code, error = made.run()
    assert (code, [line for line in error.splitlines() if "WARNING" in line]) == (0, [])
    records = made.records
    assert [record.failure for record in records] == [None] * 4
    valid = sum(record.valid for record in records)  # LoadGen may find a run too short on a busy machine
    assert valid > 0
    jobs = {record.point.deployment["streams"]: record.host["slurm_job"] for record in records}
    assert len(set(jobs.values())) == 2
    assert all(record.harness_tax is not None for record in records)
    assert all((made.out / f"{each.run_id}-1" / "environment.csv").is_file() for each in records)
    overrides = [word for flag, word in zip(made.words, made.words[1:], strict=False) if flag == "--set"]
    here = plan_sweep(made.words[4], overrides)
    assert {run.run_id for group in here.groups for run in group.runs} == {each.run_id for each in records}
    assert made.staging == []
    code, error = made.run()
    assert (code, f"{valid} of 4 runs are done already" in error) == (0, True)
    assert len(made.records) == 4 + (4 - valid)


def test_a_killed_job_costs_its_run_and_the_others_go_into_another_job(command: Starter) -> None:
    made = command(2.0, streams="1")
    made.start()
    made.wait_for_run().kill()
    code, error = made.end()
    failed, valid = sorted(made.records, key=lambda record: record.valid)
    assert failed.failure is not None
    assert "crashed or was killed: its state is FAILED" in failed.failure.reason
    assert (code, valid.valid, failed.valid, failed.failure.kind) == (4, True, False, "crash")
    assert "1 other run of job" in error
    assert failed.host["slurm_job"] != valid.host["slurm_job"]


def test_a_cancelled_job_becomes_failed_records_and_the_rest_goes_on(
    command: Starter, cluster: Cluster
) -> None:
    made = command(3.0)
    made.start()
    made.wait_for_run()
    [job, *_] = cluster.jobs("RUNNING")
    cluster.command("scancel", job)
    code, _ = made.end()
    failures = [record.failure for record in made.records if record.failure]
    reasons = {each.reason.replace("on n2", "on n1") for each in failures}
    assert (code, reasons) == (3, {f"job {job} on n1 was cancelled"})
    assert [each.setup_missing for each in failures] == [True] * 2
    assert len(made.records) == 4
    assert made.run()[0] == 0
    assert made.staging == []


def test_a_time_limit_and_a_lost_node_are_the_reasons_in_the_records(
    command: Starter, cluster: Cluster
) -> None:
    made = command(60.0, "--jobs", "2", "--only", "batch_size=8")
    made.start()
    made.wait_for_run()
    assert wait_for(lambda: len(cluster.jobs("RUNNING")) == 2, LIMIT_S)
    first, second = cluster.jobs("RUNNING")
    cluster.command("scontrol", "update", f"jobid={first}", "EndTime=now+1")
    node = cluster.command("squeue", "--noheader", f"--jobs={second}", "--format=%N")
    cluster.command("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    code, _ = made.end()
    cluster.command("scontrol", "update", f"nodename={node}", "state=idle")
    reasons = {each.failure.kind: each.failure.reason for each in made.records if each.failure}
    assert code == 3
    assert "reached its time limit" in reasons["time_limit"]
    assert reasons["error"] == f"job {second} on {node} lost its node"


def test_an_interrupted_command_cancels_its_jobs(command: Starter, cluster: Cluster, tmp_path: Path) -> None:
    """A second command is refused meanwhile; the operating mode of the node is left before the first ends."""
    mode = tmp_path / "mode"
    modes = f"operating_modes:\n  fast: {{enter: [touch, {mode}], leave: [rm, -f, {mode}]}}\n"
    made = command(60.0, "--set", "deployment.operating_mode=fast", sut=modes, streams="1")
    process = made.start()
    made.wait_for_run()
    assert mode.exists()
    code, error = made.run()
    assert (code, f"is in use by process {process.pid}" in error.splitlines()[-1]) == (3, True)
    made.process = process
    process.send_signal(signal.SIGINT)
    code, error = made.end()
    assert (code, error.splitlines()[-1].startswith("qutiperf: interrupted; finished runs are kept")) == (
        130,
        True,
    )
    assert (cluster.jobs(), mode.exists(), made.staging, made.job_processes()) == ([], False, [], [])


def test_the_supervisor_of_a_killed_command_cancels_its_jobs(command: Starter, cluster: Cluster) -> None:
    made = command(20.0, streams="1")
    process = made.start()
    made.wait_for_run()
    process.kill()
    assert wait_for(lambda: not cluster.jobs(), 20)
    assert wait_for(lambda: made.job_processes() == [], 20)
    made.end()
    assert made.records == []


def test_the_next_command_cancels_the_jobs_of_one_that_was_killed_with_its_supervisor(
    command: Starter, cluster: Cluster
) -> None:
    made = command(20.0, streams="1")
    process = made.start()
    made.wait_for_run()
    supervisors = psutil.Process(process.pid).children()
    for each in [*supervisors, psutil.Process(process.pid)]:
        each.suspend()
    for each in [*supervisors, psutil.Process(process.pid)]:
        each.kill()
    made.end()
    assert len(cluster.jobs()) == 1
    done = subprocess.run(
        [sys.executable, "-m", "qutiperf", "doctor"],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "of a run that was killed were left in Slurm; cancelled them now" in done.stdout + done.stderr
    assert wait_for(lambda: not cluster.jobs(), 20)
    assert made.records == []


def options_file(folder: Path, text: str) -> str:
    path = folder / "cluster.yaml"
    path.write_text(f"kind: slurm\nschema_version: 1\n{text}\n")
    return str(path)


@pytest.mark.parametrize(
    ("text", "code", "problem"),
    [
        ("partition: nowhere", 2, "sbatch refuses the job: invalid partition specified: nowhere"),
        ("gres: gpu:1", 2, "sbatch refuses the job: Invalid generic resource (gres) specification"),
        ("time_min: 600", 2, "can never start: Partition"),
        ("setup: [exit 3]", 3, "qutiperf does not start on node n1"),
    ],
)
def test_a_job_that_slurm_refuses_is_one_line(
    text: str, code: int, problem: str, command: Starter, tmp_path: Path
) -> None:
    made = command(0.2, "--executor-options", options_file(tmp_path, text))
    status, error = made.run()
    [line] = [line for line in error.splitlines() if not line.startswith("1 job waits")]
    assert (status, problem in line) == (code, True), line
    assert not made.out.exists()
    assert list(tmp_path.glob(".qutiperf-node-*")) == []


def test_a_path_that_slurm_reads_as_a_pattern_is_one_line(command: Starter, tmp_path: Path) -> None:
    made = command()
    made.words[made.words.index("--out") + 1] = str(tmp_path / "50%j")
    status, error = made.run()
    [line] = error.splitlines()
    assert (status, "has a sign that means something else to Slurm" in line) == (2, True)


def test_a_folder_that_a_node_does_not_share_is_one_line(
    command: Starter, cluster: Cluster, tmp_path: Path
) -> None:
    if not cluster.has_apart:
        pytest.skip("this machine does not allow a mount of its own for a process")
    made = command(0.2, "--executor-options", options_file(tmp_path, "partition: apart"))
    made.words[made.words.index("--out") + 1] = str(cluster.unshared / "out")
    status, error = made.run()
    [line] = error.splitlines()
    assert status == 3
    assert line == (
        f"qutiperf: {cluster.unshared}: is not shared: node n3 cannot write to it; "
        "name a folder with --out that this machine and the nodes share"
    )
    assert list(cluster.unshared.iterdir()) == []


def test_the_plan_of_a_dry_run_is_that_of_a_node(command: Starter) -> None:
    made = command(0.2, "--dry-run", "--json")
    process = made.start()
    output, error = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, error) == (0, "")
    assert len(json.loads(output)["runs"]) == 4
    assert not made.out.exists()
