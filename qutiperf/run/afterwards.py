"""What a worker leaves after a run: the check of an accuracy run, the profile of a model."""

from pathlib import Path

from pydantic import TypeAdapter

from qutiperf.results.record import AccuracyCheck, Failure, NodeTime, Observed
from qutiperf.run.job import CHECKED, PROFILE

NODES = TypeAdapter(list[NodeTime])


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


def with_profile(observed: Observed, folder: Path) -> Observed:
    """With the profile that the worker left, removed from the folder; raises ValueError or OSError."""
    path = folder / PROFILE
    if not path.exists():
        return observed
    nodes = NODES.validate_json(path.read_bytes())
    path.unlink()
    return observed.model_copy(update={"profile": nodes})
