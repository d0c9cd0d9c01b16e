"""The context of a run, from its record and its folder."""

import csv
import statistics
from pathlib import Path

from qutiperf.explain.errors import round_of_seeds
from qutiperf.explain.finding import Context
from qutiperf.regular_file import unreadable
from qutiperf.results.metrics import generator_share
from qutiperf.results.record import RunRecord
from qutiperf.spec import catalog
from qutiperf.spec.scenario import Profile
from qutiperf.spec.sut import core_numbers

ENVIRONMENT = "environment.csv"
_MOST_BYTES = 64 << 20


def context_of(record: RunRecord, folder: Path | None, round_name: str | None = None) -> Context:
    """`folder` contains the record's environment.csv; `round_name` is the round to submit to."""
    point, observed, machine = record.point, record.observed, record.host
    phases = observed.phases if observed else {}
    return Context(
        mode=point.mode.value,
        round_name=round_name or _round_of(record),
        phase_mean_ns={name: time.mean_ns for name, time in phases.items() if name not in ("total", "wall")},
        generator_share=generator_share(point.scenario, record.figures, record.harness_tax),
        quality_reasons=tuple(record.reasons),
        batch_size=_whole(point.deployment.get("batch_size")),
        threads=_whole(point.deployment.get("threads")),
        streams=_whole(point.deployment.get("streams")),
        cores=_cores(record),
        load_1min=load_1min(folder) if folder else None,
        governor=str(machine["governor"]) if machine.get("governor") else None,
    )


def _cores(record: RunRecord) -> int | None:
    """The cores of the run's operating mode, else of the machine."""
    mode = record.inputs.sut.operating_modes.get(str(record.point.deployment.get("operating_mode")))
    if mode is not None and mode.cores is not None:
        return len(core_numbers(mode.cores))
    return _whole(record.host.get("cores"))


def load_1min(folder: Path) -> float | None:
    """Median load average of the run; None if environment.csv is missing or damaged."""
    path = folder / ENVIRONMENT
    if unreadable(path, _MOST_BYTES):
        return None
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            loads = [float(row["load_1min"]) for row in csv.DictReader(stream) if row.get("load_1min")]
    except (OSError, ValueError, csv.Error):
        return None
    return statistics.median(loads) if loads else None


def _round_of(record: RunRecord) -> str | None:
    """The round that a submission run is for: the one whose seeds it has, else the newest."""
    if record.point.profile is not Profile.SUBMISSION or record.loadgen is None:
        return None
    used = round_of_seeds(record.loadgen.seeds)
    return used.name if used else max(catalog.names("round"))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
