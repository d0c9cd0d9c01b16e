"""Writes the fitted or measured properties of a platform as a SUT file that extends another."""

from pathlib import Path

import yaml

from qutiperf.errors import SetupError
from qutiperf.spec import catalog
from qutiperf.spec.catalog import CatalogFile, merge
from qutiperf.spec.config import Yaml, read_yaml
from qutiperf.spec.level0_terms import Calibration


def write_calibration(out: Path, base: CatalogFile, name: str, fitted: Calibration) -> None:
    """Raises SetupError if the file cannot be written."""
    calibration: Yaml = fitted.model_dump(exclude_none=True)
    calibration["terms"] = fitted.terms.model_dump(exclude_defaults=True)
    write_platform(out, base, name, {"calibration": calibration})


def write_platform(out: Path, base: CatalogFile, name: str, platform: Yaml) -> None:
    """A SUT file `name` with these keys of its platform; raises SetupError if it cannot be written.

    A file can only extend one that extends none: the new file extends the base of the base, if there is one,
    and includes the base's keys.
    """
    stated = read_yaml(base.path)
    if "extends" not in stated:
        stated = {"kind": "sut", "schema_version": catalog.SCHEMA_VERSION, "extends": _name(base.path)}
    data = merge(stated, {"name": name, "platform": platform})
    try:
        out.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    except OSError as error:
        cure = "name another file"
        raise SetupError(f"cannot be written: {error.strerror}", where=str(out), cure=cure) from None


def _name(path: Path) -> str:
    """The name of a shipped file, else the whole path."""
    shipped = catalog.root() / "sut"
    return path.relative_to(shipped).with_suffix("").as_posix() if path.is_relative_to(shipped) else str(path)
