"""Writes what was fitted or measured of a platform as a SUT file that extends another."""

from pathlib import Path

import yaml

from qutiperf.errors import SetupError
from qutiperf.level0_terms import Calibration

Platform = dict[str, object]


def write_calibration(out: Path, extended: str, name: str, found: Calibration) -> None:
    """Raises SetupError if the file cannot be written."""
    calibration = found.model_dump(exclude_none=True)
    calibration["terms"] = found.terms.model_dump(exclude_defaults=True)
    write_platform(out, extended, name, {"calibration": calibration})


def write_platform(out: Path, extended: str, name: str, platform: Platform) -> None:
    """A SUT file `name` with these keys of its platform; raises SetupError if it cannot be written."""
    data = {
        "kind": "sut",
        "schema_version": 1,
        "extends": extended,
        "name": name,
        "platform": platform,
    }
    try:
        out.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    except OSError as error:
        cure = "name another file"
        raise SetupError(f"cannot be written: {error.strerror}", where=str(out), cure=cure) from None
