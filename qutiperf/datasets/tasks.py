"""The tasks by name: shipped ones, those of installed packages, and classes in a Python file."""

import importlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

from qutiperf.datasets.classification import Classification, Unjudged
from qutiperf.datasets.task import Task
from qutiperf.errors import InputError
from qutiperf.printable import error_text
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import nearest, shortened
from qutiperf.spec.workload import CLASSIFICATION, TASK_FILE, Workload

ENTRY_POINTS = "qutiperf.tasks"
TASKS: dict[str, type[Task]] = {CLASSIFICATION: Classification, "none": Unjudged}


def task_for(workload: Workload) -> Task:
    """The task of a workload; raises InputError if there is none of this name or it does not fit."""
    return task_class(workload.task, workload.name).of(workload)


def task_class(name: str, where: str) -> type[Task]:
    """The class behind a registered name or `file.py:Class`; raises InputError."""
    if name in TASKS:
        return TASKS[name]
    if TASK_FILE in name:
        path, _, attribute = name.rpartition(":")
        return _of_file(path, attribute, where)
    outside = {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINTS)}
    if name not in outside:
        cure = f"{nearest(name, [*TASKS, *outside])}, or file.py:Class"
        raise InputError(f"task: '{shortened(name)}' is not known", where=where, cure=cure)
    module, _, attribute = outside[name].partition(":")
    try:
        loaded = importlib.import_module(module)
    except Exception as error:
        # a package of others may raise anything
        raise InputError(f"task: '{name}' cannot be imported: {error_text(error)}", where=where) from error
    return _checked(getattr(loaded, attribute, None), name, where)


def _of_file(path: str, attribute: str, where: str) -> type[Task]:
    if (problem := unreadable(path)) is not None:
        cure = "the path is relative to the workload file"
        raise InputError(f"task: {shortened(path)}: {problem}", where=where, cure=cure)
    name = f"qutiperf_task_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"task: {shortened(path)} is not a Python file", where=where)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        problem = f"task: {shortened(path)} cannot be imported: {error_text(error)}"
        raise InputError(problem, where=where) from error
    if not hasattr(module, attribute):
        problem = f"task: {shortened(path)} defines no '{shortened(attribute)}'"
        raise InputError(problem, where=where, cure=nearest(attribute, vars(module)))
    return _checked(getattr(module, attribute), f"{Path(path).name}:{attribute}", where)


def _checked(task: object, name: str, where: str) -> type[Task]:
    if not (isinstance(task, type) and issubclass(task, Task)):
        raise InputError(f"task: {name} is not a qutiperf.datasets.task.Task", where=where)
    if missing := sorted(getattr(task, "__abstractmethods__", ())):
        raise InputError(f"task: {name} lacks {', '.join(missing)}", where=where)
    return task
