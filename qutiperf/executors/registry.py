"""The executors by name; `run/executor.py` has the interface.

An executor is chosen by the user alone, with `--executor`: no sweep and no system names one.
"""

from collections.abc import Callable
from pathlib import Path

from qutiperf.errors import InputError
from qutiperf.run.executor import HERE, Executor
from qutiperf.spec.config import nearest, shortened

LOCAL = "local"


def make_executor(name: str = LOCAL, options: Path | None = None) -> Executor:
    """The executor with the options of a YAML file; raises InputError or SetupError."""
    if name not in EXECUTORS:
        problem = f"there is no executor '{shortened(name, 80)}'"
        raise InputError(problem, where="--executor", cure=nearest(name, EXECUTORS))
    return EXECUTORS[name](options)


def _local(options: Path | None) -> Executor:
    if options is not None:
        cure = f"leave it out, or name another --executor than {LOCAL}"
        raise InputError("this machine has no options", where="--executor-options", cure=cure)
    return HERE


EXECUTORS: dict[str, Callable[[Path | None], Executor]] = {LOCAL: _local}
