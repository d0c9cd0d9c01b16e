"""What a submission is made of, as the user gives it."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qutiperf.submission.obstacle import Obstacle

_MOST_NAME_BYTES = 100
DIVISIONS = ("closed", "open")


@dataclass(frozen=True, slots=True)
class SubmissionOptions:
    """`fields` are texts for systems/*.json and measurements.json; `power` has a folder of the official power
    client by scenario; `run_ids` and `scenarios` limit what is taken, empty for everything.
    """

    round_name: str
    division: str
    submitter: str
    fields: Mapping[str, str] = field(default_factory=dict)
    scenarios: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    infer: bool = False
    power: Mapping[str, Path] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        return self.division == "closed"


def option_obstacles(options: SubmissionOptions, out: Path | None) -> list[Obstacle]:
    obstacles = []
    if options.division not in DIVISIONS:
        what = f"'{options.division}' is not a division that can be written"
        obstacles.append(Obstacle("--division", what, f"allowed: {', '.join(DIVISIONS)}"))
    if problem := folder_problem(options.submitter):
        obstacles.append(Obstacle("--submitter", problem, "use letters, digits, - and _"))
    if out is not None and (problem := out_problem(out)):
        obstacles.append(Obstacle(f"--out {out}", problem, "name a folder that does not exist yet"))
    return obstacles


def folder_problem(name: str) -> str | None:
    """Why a name cannot be that of one folder in a published tree."""
    if not name.strip():
        return "is empty"
    if name.startswith(".") or "/" in name or "\\" in name:
        return f"'{name[:80]}' cannot name a folder"
    if any(unicodedata.category(sign)[0] in "CZ" for sign in name):
        return f"{name[:80]!a} has a space or a control character"
    if not name.isascii():
        return f"'{name[:80]}' has signs other than ASCII"
    return f"has more than {_MOST_NAME_BYTES} bytes" if len(name) > _MOST_NAME_BYTES else None


def out_problem(out: Path) -> str | None:
    if "\0" in str(out):
        return "its name contains a NUL"
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        return "exists and is not a folder"
    try:
        first = next(iter(sorted(out.iterdir())), None) if out.is_dir() else None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if first is None:
        return None
    trees = [name for name in ("closed", "open", "network") if (out / name).is_dir()]
    return f"holds another tree ({trees[0]}/)" if trees else f"is not empty, it holds {first.name}"


def safe_folder(name: str) -> str:
    """A name as a folder of the tree: signs that folders should not have become `-`."""
    cleaned = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in name)
    return cleaned.strip(".-")[:_MOST_NAME_BYTES] or "system"
