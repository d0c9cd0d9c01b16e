"""Places of a labgrid coordinator: acquired while a board is used, power-cycled, and always released.

labgrid-client does the work, as its own command: labgrid itself stays out of this process. A place is held
as an operating mode is: when this process is killed, its supervisor releases it, or else the next run does.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from qutiperf.errors import SetupError
from qutiperf.executors.hosts_file import RackHost
from qutiperf.run.child import Nursery
from qutiperf.run.operating_mode import JournalEntry, journal_folder
from qutiperf.spec.config import sha256_of, shortened

_CLIENT = "labgrid-client"
_COORDINATOR = "LG_COORDINATOR"
_USUAL = "127.0.0.1:20408"  # labgrid's own default
_POWER_S = 60.0
# The mark is there while this command's place is held: a place that the user acquired is not released.
_ACQUIRE = '"$0" -x "$1" -p "$2" acquire && : > "$3"'
_RELEASE = 'if test -e "$3"; then "$0" -x "$1" -p "$2" release && rm "$3"; fi'


def require_labgrid(specs: Sequence[RackHost]) -> None:
    """Raises SetupError if a host has a place, and labgrid-client is not installed."""
    if any(spec.place for spec in specs) and shutil.which(_CLIENT) is None:
        cure = "pip install 'qutiperf[labgrid]', or add its folder to PATH"
        raise SetupError(f"{_CLIENT} is not installed", where="--executor ssh", cure=cure)


@contextmanager
def acquired_places(specs: Sequence[RackHost], note: Callable[[str], None]) -> Iterator[None]:
    """Acquires the places of those hosts that have one; raises SetupError if one is taken."""
    with ExitStack() as stack:
        for spec in specs:
            if spec.place is not None:
                stack.enter_context(_acquired(spec, spec.place, note))
        yield


@contextmanager
def _acquired(spec: RackHost, place: str, note: Callable[[str], None]) -> Iterator[None]:
    where, coordinator = f"host {spec.name}", _coordinator(spec)
    stem = journal_folder() / f"labgrid-{sha256_of([coordinator, place])[:16]}"
    words = [shutil.which(_CLIENT) or _CLIENT, coordinator, place, str(stem.with_suffix(".held"))]
    leave = ["sh", "-c", _RELEASE, *words]
    entry = JournalEntry(sut="labgrid", mode=place, leave=leave, host=socket.gethostname())
    with Nursery() as nursery:
        journal = stem.with_suffix(".json")
        problem = nursery.enter_mode(["sh", "-c", _ACQUIRE, *words], leave, journal, entry.model_dump_json())
        if problem is not None:
            what = f"place '{place}' cannot be acquired: {_last_part(problem)}"
            raise SetupError(what, where=where, cure=f"see `labgrid-client -x {coordinator} who`")
        try:
            yield
        finally:
            problem = nursery.leave_mode()
            if problem is not None:
                note(f"place '{place}' is not released: {_last_part(problem)}; `qutiperf doctor` tries again")


def power_cycle(spec: RackHost) -> None:
    """Switches an acquired place off and on; raises SetupError if labgrid cannot."""
    command = [_CLIENT, "-x", _coordinator(spec), "-p", str(spec.place), "power", "cycle"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_POWER_S,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _no_power(spec, str(error)) from None
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _no_power(spec, lines[-1] if lines else f"exit status {done.returncode}")


def _no_power(spec: RackHost, reason: str) -> SetupError:
    what = f"place '{spec.place}' cannot be power-cycled: {shortened(reason)}"
    cure = "check its resources, or set power_cycle: false"
    return SetupError(what, where=f"host {spec.name}", cure=cure)


def _coordinator(spec: RackHost) -> str:
    return spec.coordinator or os.environ.get(_COORDINATOR) or _USUAL


def _last_part(problem: str) -> str:
    """What labgrid says, without the command line before it."""
    text = problem.rpartition(f"{_CLIENT}: ")[2].removeprefix("Error: ")
    return shortened(text.strip().rstrip("."), 300)
