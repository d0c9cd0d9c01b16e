"""A real Slurm on this machine: munge, slurmctld and a slurmd for each node, without systemd.

Debian's slurmd accepts -N, so that one machine can be several nodes. The last node has a folder of its
own in the place of one that exists everywhere, if the machine allows that.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from time import monotonic, sleep

import psutil

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
_START_LIMIT_S = 60.0
_KILL_WAIT_S = 5


def missing_daemon() -> str | None:
    """The first program of Slurm that is not installed."""
    return next((name for name in DAEMONS if _path(name) is None), None)


def _path(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass
class Cluster:
    """Nodes n1 and n2 in the partition main, n3 in apart; `unshared` is a folder that n3 does not share."""

    folder: Path
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    has_apart: bool = False

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def unshared(self) -> Path:
        return self.folder / "unshared"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def command(self, *words: str) -> str:
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def jobs(self, *states: str) -> list[str]:
        """Ids of the jobs in some states, by default of all that have not ended."""
        chosen = [f"--states={','.join(states)}"] if states else []
        return self.command("squeue", "--noheader", "--array", "--format=%i", *chosen).split()

    def start(self, name: str, *words: str, before: Sequence[str] = ()) -> None:
        program = _path(words[0])
        assert program is not None
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*before, program, *words[1:]],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        for name in ("n1", "n2", "n3", "slurmctld", "munged"):
            process = self.processes.get(name)
            if process is None:
                continue
            below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for child in below:
                with suppress(psutil.Error):
                    child.kill()


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Started, and stopped with everything that it started. Its path is short, for the sockets."""
    folder = Path(tempfile.mkdtemp(prefix="qutiperf-slurm-"))
    cluster = Cluster(folder)
    try:
        _configure(cluster)
        _start(cluster)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _start(cluster: Cluster) -> None:
    folder = cluster.folder
    munge = [
        f"--key-file={folder}/munge.key",
        f"--socket={folder}/munge.socket",
        f"--seed-file={folder}/seed",
    ]
    files = [f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log"]
    cluster.start("munged", "munged", "--foreground", "--force", "--num-threads=10", *munge, *files)
    _wait((folder / "munge.socket").exists, "munged does not start", cluster)
    cluster.start("slurmctld", "slurmctld", "-D", "-i")
    for node in ("n1", "n2"):
        cluster.start(node, "slurmd", "-D", "-N", node)
    hide = f'mount -t tmpfs none {cluster.unshared} && exec "$0" "$@"'
    apart = ["unshare", "--mount", "sh", "-c", hide]
    cluster.has_apart = subprocess.run([*apart, "true"], capture_output=True, check=False).returncode == 0
    if cluster.has_apart:
        cluster.start("n3", "slurmd", "-D", "-N", "n3", before=apart)
    nodes = 3 if cluster.has_apart else 2
    _wait(lambda: _idle(cluster) == nodes, "the nodes do not start", cluster)


def _idle(cluster: Cluster) -> int:
    done = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--format=%T"],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split().count("idle")


def _wait(condition: Callable[[], bool], problem: str, cluster: Cluster) -> None:
    limit = monotonic() + _START_LIMIT_S
    while not condition():
        if monotonic() > limit:
            logs = [path.read_text(errors="replace")[-1500:] for path in sorted(cluster.folder.glob("*.log"))]
            raise AssertionError(f"{problem}: {logs}")
        sleep(0.2)


def _configure(cluster: Cluster) -> None:
    folder, name, cores = cluster.folder, socket.gethostname(), os.cpu_count()
    folder.chmod(0o755)
    for part in ("state", "unshared"):
        (folder / part).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    ports = _free_ports(4)
    nodes = "\n".join(
        f"NodeName=n{number} NodeHostname={name} NodeAddr=127.0.0.1 Port={ports[number]} CPUs={cores}"
        for number in (1, 2, 3)
    )
    cluster.conf.write_text(
        f"""ClusterName=qutiperf
SlurmctldHost={name}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={getuser()}
SlurmdUser={getuser()}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait={_KILL_WAIT_S}
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
{nodes}
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=120
PartitionName=apart Nodes=n3
"""
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
