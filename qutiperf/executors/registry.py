"""The executors by name; `run/executor.py` has the interface.

An executor is chosen by the user alone, with `--executor`: no sweep and no system names one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.executors.hosts_file import read_hosts
from qutiperf.executors.slurm import SlurmExecutor
from qutiperf.executors.slurm_options import SLURM, read_slurm_options
from qutiperf.executors.ssh import SshExecutor
from qutiperf.run.executor import HERE, Executor
from qutiperf.spec.config import nearest, shortened

LOCAL = "local"
SSH = "ssh"


@dataclass(frozen=True, slots=True)
class ExecutorChoice:
    """What a user chose: a name, a YAML file with options, and the number of jobs at a time."""

    name: str = LOCAL
    options: Path | None = None
    jobs: int | None = None


def make_executor(choice: ExecutorChoice, note: Callable[[str], None]) -> Executor:
    """Raises InputError or SetupError; `note` gets lines for the user before the sweep has an observer."""
    if choice.name not in EXECUTORS:
        problem = f"there is no executor '{shortened(choice.name, 80)}'"
        raise InputError(problem, where="--executor", cure=nearest(choice.name, EXECUTORS))
    return EXECUTORS[choice.name](choice, note)


def _local(choice: ExecutorChoice, _note: Callable[[str], None]) -> Executor:
    for name, value in (("--executor-options", choice.options), ("--jobs", choice.jobs)):
        if value is not None:
            cure = "leave it out, or name another executor with --executor"
            raise InputError("has no effect: this machine measures one load at a time", where=name, cure=cure)
    return HERE


def _slurm(choice: ExecutorChoice, note: Callable[[str], None]) -> Executor:
    where = "--executor slurm" if choice.options is None else shortened(str(choice.options))
    return SlurmExecutor(read_slurm_options(choice.options, choice.jobs), where, note)


def _ssh(choice: ExecutorChoice, note: Callable[[str], None]) -> Executor:
    if choice.jobs is not None:
        cure = "leave it out: each board measures one load at a time"
        raise InputError("has no effect with ssh", where="--jobs", cure=cure)
    if choice.options is None:
        raise InputError(
            "names no hosts", where="--executor ssh", cure="add --hosts FILE; see docs/executors.md"
        )
    return SshExecutor(read_hosts(choice.options), shortened(str(choice.options)), note)


EXECUTORS: dict[str, Callable[[ExecutorChoice, Callable[[str], None]], Executor]] = {
    LOCAL: _local,
    SLURM: _slurm,
    SSH: _ssh,
}
