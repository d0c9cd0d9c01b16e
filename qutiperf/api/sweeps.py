"""Measures from Python: a sweep, or one model; both return a DataFrame with one row a run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qutiperf.api.frame import frame_of_records, warn_of_damaged
from qutiperf.api.progress import Progress, Tracker
from qutiperf.models.workload_of import workload_of_file
from qutiperf.run.sweep import PlannedSweep, measure_sweep, plan_model, plan_sweep
from qutiperf.spec.config import apply_overrides

if TYPE_CHECKING:
    from pandas import DataFrame

DEFAULT_SUT = "cpu-onnxruntime"
DEFAULT_SCENARIOS = ("SingleStream", "Offline")
_LOG = logging.getLogger("qutiperf")


def measure(
    model: str | Path,
    *,
    sut: str | Path | Sequence[str | Path] = DEFAULT_SUT,
    scenarios: str | Sequence[str] = DEFAULT_SCENARIOS,
    batch: int | Sequence[int] = 1,
    shape: Mapping[str, Sequence[int | str]] | None = None,
    out: str | Path | None = None,
    set: Mapping[str, object] | None = None,  # noqa: A002 - as the option of the command line
    profile: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> "DataFrame":
    """Measures an ONNX or TFLite file on random data; there is no accuracy.

    As `qutiperf run --model`: `sut` is one or more systems under test, `shape` the sizes that the file leaves
    open (`{"image": ["batch", 3, 224, 224]}`), `set` overrides of the sweep's keys, `profile` "submission",
    "standard" or "test_run". `out` is the results folder, by default results/MODEL. Valid runs that are
    stored there are not repeated.

    Returns the rows of the measured and stored runs as `load` does; a run that failed is a row with `failure`
    and `reasons`. Raises InputError or SetupError before anything is measured. KeyboardInterrupt, or an
    exception of `progress`, ends the worker process; finished runs are kept.
    """
    suts = [sut] if isinstance(sut, str | Path) else sut
    given = apply_overrides({}, {"scenarios": scenarios, "batch": batch})
    planned = plan_model(
        workload_of_file(Path(model), _shape_text(shape)),
        [str(name) for name in suts],
        given["scenarios"],
        given["batch"],
        _overrides(set, profile),
    )
    return _measured(planned, out, progress)


def run(
    sweep: str | Path,
    out: str | Path | None = None,
    *,
    set: Mapping[str, object] | None = None,  # noqa: A002 - as the option of the command line
    profile: str | None = None,
    round_name: str | None = None,
    audit_config: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> "DataFrame":
    """Measures a shipped sweep or a sweep file, as `qutiperf run`; the rest as in `measure`.

    `set` overrides keys of the sweep: `{"deployment.batch_size": [1, 8], "workloads": "digits-*"}`. `out` is
    by default results/SWEEP. `round_name` requires the LoadGen that carries the seeds of an MLPerf round.
    """
    planned = plan_sweep(str(sweep), _overrides(set, profile))
    return _measured(planned, out, progress, audit_config, round_name)


def _measured(
    planned: PlannedSweep,
    out: str | Path | None,
    progress: Callable[[Progress], None] | None,
    audit_config: str | Path | None = None,
    round_name: str | None = None,
) -> "DataFrame":
    records = measure_sweep(
        planned,
        Path(out) if out is not None else default_folder(planned),
        Tracker(progress or _ignore, _LOG.info, warn_of_damaged),
        audit_config=Path(audit_config) if audit_config is not None else None,
        round_name=round_name,
    )
    return frame_of_records(records)


def default_folder(planned: PlannedSweep) -> Path:
    """results/SWEEP in the working directory."""
    return Path("results") / planned.sweep.name


def _overrides(given: Mapping[str, object] | None, profile: str | None) -> dict[str, object]:
    return {**(given or {}), **({"profile": profile} if profile is not None else {})}


def _shape_text(shape: Mapping[str, Sequence[int | str]] | None) -> str | None:
    """As --shape has it."""
    if not shape:
        return None
    return " ".join(f"{name}={','.join(map(str, sizes))}" for name, sizes in shape.items())


def _ignore(_: Progress) -> None:
    return
