"""What a worker leaves of the check of an accuracy run."""

from pathlib import Path

from qutiperf.results.record import AccuracyCheck, Failure
from qutiperf.run.job import CHECKED


def check_in(folder: Path, unchecked: Failure | None) -> AccuracyCheck | None:
    """What the worker left of its check, removed from the folder; raises ValueError or OSError."""
    if unchecked is not None:
        return AccuracyCheck(note=f"not checked: {unchecked.reason}")
    path = folder / CHECKED
    if not path.exists():
        return None
    check = AccuracyCheck.model_validate_json(path.read_bytes())
    path.unlink()
    return check
