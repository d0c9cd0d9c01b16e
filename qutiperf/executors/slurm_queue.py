"""The jobs of one command in Slurm: submitted through submitit, followed by squeue, cancelled by their name.

squeue lists the jobs of any cluster, with or without accounting, but finished ones only for some minutes
(MinJobAge); sacct knows the state of older ones where there is accounting.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from time import monotonic, sleep

from qutiperf.errors import InputError, SetupError
from qutiperf.executors.slurm_options import SlurmOptions
from qutiperf.printable import bounded, one_line

_COMMANDS = ("sbatch", "squeue", "scancel", "srun")  # submitit looks for srun
_LIMIT_S = 60.0
_END_LIMIT_S = 60.0  # of cancelled jobs, which leave their operating mode first
_ALIVE = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING"),
    *("STAGE_OUT", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"),
}
# Why jobs wait for ever, unless somebody changes the job or the cluster.
NEVER = {
    *("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "InvalidAccount"),
    *("InvalidQOS", "AccountNotAllowed", "QOSNotAllowed", "AssocMaxWallDurationPerJobLimit"),
    *("QOSMaxWallDurationPerJobLimit",),
}
_WRONG = ("nvalid", "not permitted", "not available", "unspecified", "Unable to")


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as Slurm lists it; `reason` is why it waits, or why it failed."""

    state: str
    reason: str = ""
    node: str = ""

    @property
    def has_ended(self) -> bool:
        return self.state not in _ALIVE


def check_slurm() -> None:
    """Raises SetupError without Slurm's commands or without submitit."""
    missing = [command for command in _COMMANDS if shutil.which(command) is None]
    if missing:
        cure = "run this where jobs can be submitted: on a login node of the cluster"
        raise SetupError(
            f"Slurm's command '{missing[0]}' is not installed", where="--executor slurm", cure=cure
        )
    try:
        import submitit  # noqa: F401
    except ImportError:
        cure = "pip install 'qutiperf[slurm]'"
        raise SetupError("submitit is not installed", where="--executor slurm", cure=cure) from None


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hides that this process is in a job itself, whose variables would become those of the new jobs."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("SLURM_") and name not in ("SLURM_CONF", "SLURM_CLUSTERS")
    }
    for name in inherited:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(inherited)


class JobQueue:
    """Jobs that have one name, which no other job has; their logs are in `folder`."""

    def __init__(self, name: str, folder: Path, options: SlurmOptions, where: str) -> None:
        self.name, self.folder = name, folder
        self._options, self._where = options, where
        self.problem = ""  # of the last question to Slurm

    def submit(self, function: Callable[..., None], arguments: Sequence[object], minutes: int) -> list[str]:
        """The ids of one job for each argument, as an array; raises InputError or SetupError if refused."""
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        # without a shell between Slurm and Python, which would end before Python has cleaned up
        executor = submitit.SlurmExecutor(self.folder, python=f"exec {quote(sys.executable)}")
        executor.update_parameters(**self._parameters(minutes))
        noise = io.StringIO()  # submitit prints what sbatch says
        try:
            with contextlib.redirect_stderr(noise), _outside_of_jobs():
                jobs = executor.map_array(function, list(arguments))
        except (FailedJobError, FailedSubmissionError) as error:
            raise self._refused(str(error)) from None
        except OSError as error:
            raise SetupError(f"cannot be written to: {error.strerror}", where=str(self.folder)) from None
        return [job.job_id for job in jobs]

    def _parameters(self, minutes: int) -> dict[str, object]:
        options = self._options
        named = {
            name: getattr(options, name)
            for name in ("partition", "account", "qos", "constraint", "gres", "nodelist", "exclude")
        }
        return {
            **{name: value for name, value in named.items() if value is not None},
            "job_name": self.name,
            "time": options.time_min or minutes,
            "exclusive": True,
            "mem": "0",  # all of the node's
            "array_parallelism": options.jobs,
            "setup": list(options.setup),
            "stderr_to_stdout": True,
            "use_srun": False,  # a step would get the cores of one task, not those of the node
            "wckey": None,
            "additional_parameters": {"no-requeue": True, **options.sbatch},
        }

    def _refused(self, text: str) -> InputError | SetupError:
        lines = [line.removeprefix("sbatch: error: ") for line in text.splitlines() if "error" in line]
        reason = bounded(one_line("; ".join(lines) or text or "no reason given"), 300)
        reason = reason.replace("Batch job submission failed: ", "")
        if any(word in reason for word in _WRONG):
            cure = "check the executor's options; `sinfo` and `scontrol show partition` list what there is"
            return InputError(f"sbatch refuses the job: {reason}", where=self._where, cure=cure)
        return SetupError(f"sbatch refuses the job: {reason}", where="--executor slurm", cure="see `sinfo`")

    def states(self) -> dict[str, JobState] | None:
        """Every job that Slurm lists, by id; None, with the problem, if it does not answer."""
        command = ["squeue", "--noheader", "--array", "--states=all", f"--name={self.name}"]
        text = self._output([*command, "--format=%i|%T|%r|%N"])
        if text is None:
            return None
        rows = [line.strip().split("|", 3) for line in text.splitlines() if line.count("|") >= 3]
        return {row[0]: JobState(*row[1:]) for row in rows}

    def accounted(self, job_id: str) -> JobState | None:
        """The state of a job that is no longer listed, where there is accounting."""
        if shutil.which("sacct") is None:
            return None
        text = self._output(["sacct", "-n", "-X", "-P", "-j", job_id, "-o", "State,NodeList"]) or ""
        state, _, node = text.strip().partition("\n")[0].partition("|")
        return JobState(state.split(" ")[0], "", node) if state else None

    def log(self, job_id: str, most: int = 2000) -> str | None:
        """The end of a job's output; None if there is none, as on a node that cannot write it."""
        with contextlib.suppress(OSError):
            text = (self.folder / f"{job_id}_0_log.out").read_bytes()[-most:]
            return text.decode(errors="replace").strip()
        return None

    def wait_for_end(self) -> bool:
        """Whether no job runs any more, after a minute at most."""
        limit = monotonic() + _END_LIMIT_S
        while monotonic() < limit:
            states = self.states()
            if states is not None and all(state.has_ended for state in states.values()):
                return True
            sleep(0.5)
        return False

    def _output(self, command: Sequence[str]) -> str | None:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_LIMIT_S, check=False, errors="replace"
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self.problem = one_line(str(error))
            return None
        self.problem = bounded(one_line(done.stderr), 200) if done.returncode else ""
        return done.stdout if done.returncode == 0 else None
