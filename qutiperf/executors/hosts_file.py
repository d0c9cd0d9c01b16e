"""The boards of a rack, from a YAML file: how each is reached, and what it can run."""

import fnmatch
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from qutiperf.errors import InputError
from qutiperf.regular_file import unreadable
from qutiperf.spec.config import SchemaVersion, StrictModel, parse_model, read_yaml, shortened

HOSTS = "hosts"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADDRESS = re.compile(r"[A-Za-z0-9:\[][A-Za-z0-9._:%\[\]-]{0,254}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("should be one line of text")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("should have up to 64 letters, digits, dots, dashes and underscores")
    return text


def _address(text: str) -> str:
    """OpenSSH would read an address that starts with a dash as an option."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("should be a host name or an IP address")
    return text


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise ValueError("should be a user name")
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise ValueError("should be the name of an environment variable")
    return text


Line = Annotated[str, Field(max_length=1000), AfterValidator(_one_line)]
Variable = Annotated[str, AfterValidator(_variable)]


class RackHost(StrictModel):
    """A board; what is left out comes from the user's ssh configuration.

    `key` and `known_hosts` are files here, relative to the hosts file; `python` and `folder` are paths on the
    board. `suts` are names or patterns of the systems that it can run. `power` is the meter of this board.
    `place` is that of a labgrid `coordinator`; a board that was switched on answers within `boot_s`.
    """

    name: Annotated[str, AfterValidator(_name)]
    address: Annotated[str, AfterValidator(_address)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    user: Annotated[str, AfterValidator(_user)] | None = None
    key: Line | None = None
    known_hosts: Line | None = None
    python: Line = "python3"
    folder: Line | None = None
    suts: Annotated[list[Line], Field(min_length=1)] = ["*"]
    environment: dict[Variable, Annotated[str, Field(max_length=10_000)]] = {}
    power: Line | list[Line] | None = None
    place: Annotated[str, AfterValidator(_name)] | None = None
    coordinator: Annotated[str, AfterValidator(_address)] | None = None
    power_cycle: bool = True
    boot_s: Annotated[float, Field(ge=0, le=3600)] = 180.0

    def runs(self, sut: str) -> bool:
        return any(fnmatch.fnmatchcase(sut, pattern) for pattern in self.suts)


class HostsFile(StrictModel):
    """All boards of a rack."""

    kind: Literal["hosts"] = "hosts"
    schema_version: SchemaVersion = 1
    hosts: Annotated[list[RackHost], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [each.name for each in self.hosts]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the name '{twice}' appears twice: give each host its own")
        return self


def read_hosts(path: Path) -> list[RackHost]:
    """The boards, with absolute paths of the files here; raises InputError."""
    data, where = read_yaml(path), shortened(str(path))
    if data.get("kind") != HOSTS:
        raise InputError(
            f"kind: is not '{HOSTS}'", where=where, cure=f"a hosts file starts with kind: {HOSTS}"
        )
    if "schema_version" not in data:
        raise InputError("schema_version: missing", where=where, cure="add schema_version: 1")
    rack = parse_model(HostsFile, data, where)
    return [_with_files(each, path.parent, f"{where}: {each.name}") for each in rack.hosts]


def _with_files(spec: RackHost, beside: Path, where: str) -> RackHost:
    files = {}
    for key in ("key", "known_hosts"):
        text = getattr(spec, key)
        if text is not None:
            file = (beside / Path(text).expanduser()).absolute()
            if (problem := unreadable(file)) is not None:
                cure = "the path is relative to the hosts file"
                raise InputError(f"{key}: {shortened(text)}: {problem}", where=where, cure=cure)
            files[key] = str(file)
    return spec.model_copy(update=files)
