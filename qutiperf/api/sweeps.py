"""Measures from Python: a sweep, or one model; both return a DataFrame with one row a run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.api.frame import frame_of_records, warn_of_damaged
from qutiperf.api.progress import Progress, Tracker
from qutiperf.executors.registry import LOCAL, ExecutorChoice, make_executor
from qutiperf.models.workload_of import Given
from qutiperf.run.effort import Effort, effort_of
from qutiperf.run.executor import Executor
from qutiperf.run.model_workload import workload_of_model
from qutiperf.run.sweep import MachineOf, PlannedSweep, measure_sweep, plan_model, plan_sweep
from qutiperf.spec.config import apply_overrides
from qutiperf.spec.sweep import Sweep

if TYPE_CHECKING:
    from pandas import DataFrame

DEFAULT_SUT = "cpu-onnxruntime"
_SUTS = {".tflite": "cpu-litert"}  # of files that the default system does not load
DEFAULT_SCENARIOS = ("SingleStream", "Offline")
_LOG = logging.getLogger("qutiperf")


def measure(
    model: str | Path,
    *,
    sut: str | Path | Sequence[str | Path] | None = None,
    scenarios: str | Sequence[str] = DEFAULT_SCENARIOS,
    batch: int | Sequence[int] = 1,
    shape: Mapping[str, Sequence[int | str]] | None = None,
    dim: Mapping[str, int] | None = None,
    constant: Mapping[str, float] | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    set: Mapping[str, object] | None = None,  # noqa: A002 - as the option of the command line
    profile: str | None = None,
    power: str | Sequence[str] | None = None,
    executor: str = LOCAL,
    executor_options: str | Path | None = None,
    jobs: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> "DataFrame":
    """Measures an ONNX or TFLite file on random data, or on `data`, with accuracy where that has labels.

    As `qutiperf run --model`: `sut` is one or more systems under test, by default cpu-onnxruntime, or
    cpu-litert for a .tflite file. `shape` has the sizes that the file leaves open
    (`{"image": ["batch", 3, 224, 224]}`), `dim` those of named dimensions (`{"seq": 128}`), `constant` values
    of inputs (`{"sr": 16000}`); `data` is an .npz file of samples by input name, and `label`. `set` has
    overrides of the sweep's keys, `profile` is "submission", "standard" or "test_run". `out` is the results
    folder, by default results/MODEL. Valid runs that are stored there are not repeated. `power` names the
    meter, or several. `executor` measures the runs, with the
    options of the file `executor_options` and up to `jobs` jobs at a time.

    Returns the rows of the measured and stored runs as `load` does; a run that failed is a row with `failure`
    and `reasons`. Raises InputError or SetupError before anything is measured. KeyboardInterrupt, or an
    exception of `progress`, ends the worker process; finished runs are kept.
    """
    suts = [sut] if isinstance(sut, str | Path) else sut or [default_sut(Path(model))]
    opened = Given(
        [f"{name}={','.join(map(str, sizes))}" for name, sizes in (shape or {}).items()],
        [f"{name}={size}" for name, size in (dim or {}).items()],
        [f"{name}={value}" for name, value in (constant or {}).items()],
        None if data is None else Path(data),
    )
    given = apply_overrides({}, {"scenarios": scenarios, "batch": batch})
    where = _executor(executor, executor_options, jobs)
    planned = plan_model(
        workload_of_model(Path(model), opened),
        [str(name) for name in suts],
        given["scenarios"],
        given["batch"],
        _overrides(set, profile),
        _meters(power),
        machine_for(where, out),
        where.devices,
    )
    return _measured(planned, out, progress, executor=where)


def run(
    sweep: str | Path,
    out: str | Path | None = None,
    *,
    set: Mapping[str, object] | None = None,  # noqa: A002 - as the option of the command line
    profile: str | None = None,
    round_name: str | None = None,
    audit_config: str | Path | None = None,
    power: str | Sequence[str] | None = None,
    executor: str = LOCAL,
    executor_options: str | Path | None = None,
    jobs: int | None = None,
    strategy: str | None = None,
    budget: str | float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> "DataFrame":
    """Measures a shipped sweep or a sweep file, as `qutiperf run`; the rest as in `measure`.

    `set` overrides keys of the sweep: `{"deployment.batch_size": [1, 8], "workloads": "digits-*"}`. `out` is
    by default results/SWEEP. `round_name` requires the LoadGen that carries the seeds of an MLPerf round.
    `strategy` is "full" or "pareto", `budget` the time that the call may take, in seconds or as "30m".
    """
    effort = effort_of(strategy, budget)
    where = _executor(executor, executor_options, jobs)
    planned = plan_sweep(
        str(sweep), _overrides(set, profile), _meters(power), machine_for(where, out), where.devices
    )
    return _measured(planned, out, progress, audit_config, round_name, executor=where, effort=effort)


def _measured(
    planned: PlannedSweep,
    out: str | Path | None,
    progress: Callable[[Progress], None] | None,
    audit_config: str | Path | None = None,
    round_name: str | None = None,
    *,
    executor: Executor,
    effort: Effort | None = None,
) -> "DataFrame":
    records = measure_sweep(
        planned,
        Path(out) if out is not None else default_folder(planned.sweep),
        Tracker(progress or _ignore, _LOG.info, warn_of_damaged),
        audit_config=Path(audit_config) if audit_config is not None else None,
        round_name=round_name,
        executor=executor,
        effort=effort,
    )
    return frame_of_records(records)


def default_sut(model: Path) -> str:
    """The system that measures a model file if none is named."""
    return _SUTS.get(model.suffix, DEFAULT_SUT)


def default_folder(sweep: Sweep) -> Path:
    """results/SWEEP in the working directory."""
    return Path("results") / sweep.name


def machine_for(executor: Executor, out: str | Path | None) -> MachineOf:
    """The machine that a sweep is planned for: the executor's."""
    return lambda sweep: executor.machine(Path(out) if out is not None else default_folder(sweep))


def _overrides(given: Mapping[str, object] | None, profile: str | None) -> dict[str, object]:
    return {**(given or {}), **({"profile": profile} if profile is not None else {})}


def _meters(power: str | Sequence[str] | None) -> Sequence[str]:
    return [power] if isinstance(power, str) else power or ()


def _executor(name: str, options: str | Path | None, jobs: int | None) -> Executor:
    choice = ExecutorChoice(name, None if options is None else Path(options), jobs)
    return make_executor(choice, _LOG.info)


def _ignore(_: Progress) -> None:
    return
