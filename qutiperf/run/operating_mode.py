"""Operating modes of a device: check, enter, leave, and undo one that a killed run left on.

Before a mode with a `leave` command is entered, it is written to an undo journal: one file per system and
mode below the user's state folder ($XDG_STATE_HOME, else ~/.local/state). The supervisor keeps the file
locked while the mode is on; an unlocked file is the remainder of a run whose processes were all killed.
"""

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from qutiperf.errors import SetupError
from qutiperf.host import available_core_numbers
from qutiperf.run.child import Nursery
from qutiperf.run.governor import check_governor, commands
from qutiperf.run.supervisor import run_command
from qutiperf.spec.config import StrictModel, sha256_of
from qutiperf.spec.sut import OperatingMode, SystemUnderTest, core_numbers


class JournalEntry(StrictModel):
    """The command that undoes an operating mode, or cancels jobs, on the host that did it.

    Several machines may share a home; an entry without a host is from a version that had no such key. `what`
    says what is left, if it is not an operating mode.
    """

    schema_version: int = 1
    sut: str
    mode: str
    leave: list[str]
    host: str = ""
    what: str = ""


def journal_folder() -> Path:
    """Raises SetupError if the user has no home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        return (Path(state) if state.startswith("/") else Path.home() / ".local/state") / "qutiperf/modes"
    except RuntimeError:
        cure = "set HOME or XDG_STATE_HOME"
        raise SetupError("there is no home directory for the undo journal", cure=cure) from None


def check_commands(modes: Iterable[tuple[SystemUnderTest, str]]) -> None:
    """Raises SetupError for the first mode whose command, governor or cores this machine does not have."""
    for sut, name in modes:
        mode = sut.operating_modes[name]
        _check_cpu(mode, f"{sut.name}: operating_modes.{name}")
        for when, command in (("enter", mode.enter), ("leave", mode.leave)):
            if command and shutil.which(command[0]) is None:
                where = f"{sut.name}: operating_modes.{name}.{when}"
                raise SetupError(f"command '{command[0]}' is not installed", where=where, cure="install it")


def _check_cpu(mode: OperatingMode, where: str) -> None:
    if mode.governor is not None:
        check_governor(mode.governor, f"{where}.governor")
    missing = set(core_numbers(mode.cores)) - set(available_core_numbers()) if mode.cores else set()
    if missing:
        what = f"core {min(missing)} is not available"
        cure = f"this process may use {', '.join(map(str, available_core_numbers()))}"
        raise SetupError(what, where=f"{where}.cores", cure=cure)


def cores_of(sut: SystemUnderTest, name: str) -> list[int] | None:
    """The cores that a mode allows; None for all."""
    cores = sut.operating_modes[name].cores
    return None if cores is None else core_numbers(cores)


def enter(nursery: Nursery, sut: SystemUnderTest, name: str) -> None:
    """Raises SetupError with the end of the command's stderr if the mode cannot be entered."""
    mode = sut.operating_modes[name]
    if not (mode.enter or mode.leave or mode.governor):
        return
    into, out = (mode.enter, mode.leave) if mode.governor is None else commands(mode.governor)
    entry = JournalEntry(sut=sut.name, mode=name, leave=out, host=socket.gethostname())
    journal = journal_folder() / f"{sha256_of([sut.name, name, entry.host])[:16]}.json"
    problem = nursery.enter_mode(into, out, journal, entry.model_dump_json())
    if problem is not None:
        raise SetupError(problem, where=f"{sut.name}: operating_modes.{name}.enter")


def leave(nursery: Nursery, sut: SystemUnderTest, name: str) -> None:
    """Raises SetupError if the command fails; the journal then still has it."""
    problem = nursery.leave_mode()
    if problem is not None:
        where = f"{sut.name}: operating_modes.{name}.leave"
        raise SetupError(problem, where=where, cure="`qutiperf doctor` tries it again")


def undo_left_on() -> list[str]:
    """Leaves every mode that a killed run left on; one line each, with success or failure."""
    with contextlib.suppress(SetupError):
        return [line for path in sorted(journal_folder().glob("*.json")) if (line := _undone(path))]
    return []


def _undone(path: Path) -> str | None:
    """None if a run in progress holds the mode, or if it is that of another host."""
    if _is_elsewhere(path):
        return None
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return None if isinstance(error, FileNotFoundError) else f"{path} cannot be read: {error.strerror}"
    with os.fdopen(descriptor, "rb") as stream:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            entry = JournalEntry.model_validate_json(stream.read())
        except BlockingIOError:
            return None
        except ValidationError:
            return f"{path} is damaged: check the device's operating mode, then delete the file"
        problem = run_command(entry.leave)
        mode = f"operating mode '{entry.mode}' of {entry.sut} was left on by a run that was killed"
        what = entry.what or mode
        if problem is not None:
            return f"{what} and cannot be {'cancelled' if entry.what else 'left'}: {problem}"
        path.unlink(missing_ok=True)
        return f"{what}; {'cancelled them now' if entry.what else 'left it now'}"


def _is_elsewhere(path: Path) -> bool:
    """Without locking the file, which would be in the way of its host."""
    try:
        entry = JournalEntry.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return False
    return entry.host not in ("", socket.gethostname())
