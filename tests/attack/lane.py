"""Runs attacks in forked processes: what kills one, or takes too much memory, is a failure of one attack."""

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.attack.attack import Attack, NotHeldError, SkippedError
from tests.attack.ground import Ground
from tests.attack.processes import kill_all, nothing_running, running

_PR_SET_CHILD_SUBREAPER = 36
_MEMORY_BYTES = 3 << 30  # beyond what the process has at its start
_GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """How one attack ended; `reason` is why it did not hold, or why it was skipped."""

    name: str
    held: bool
    reason: str = ""
    skipped: bool = False
    elapsed_s: float = 0.0


def run_attacks(attacks: Sequence[Attack], *, in_process: bool) -> Iterator[Result]:
    """In the order given, one process for as many as it survives."""
    left = list(attacks)
    while left:
        for result in _one_process(left, in_process=in_process):
            left = left[1:]
            yield result


def _one_process(attacks: Sequence[Attack], *, in_process: bool) -> Iterator[Result]:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _child(attacks, write_end, in_process=in_process)
    os.close(write_end)
    try:
        yield from _follow(child, read_end, attacks)
    finally:
        os.close(read_end)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _follow(child: int, pipe: int, attacks: Sequence[Attack]) -> Iterator[Result]:
    """Results as they come; one of its own for an attack that ended or outlasted the process."""
    buffer = b""
    for attack in attacks:
        started = time.monotonic()
        limit = started + attack.limit_s + _GRACE_S
        while b"\n" not in buffer:
            if not select.select([pipe], [], [], max(limit - time.monotonic(), 0.0))[0]:
                _end(child)
                yield Result(attack.name, False, f"no end within {attack.limit_s + _GRACE_S:.0f} s")
                return
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                yield Result(attack.name, False, f"ended the process: {_status(child)}")
                return
            buffer += chunk
        line, _, buffer = buffer.partition(b"\n")
        yield Result(**json.loads(line))


def _end(child: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(child)
        kill_all([*process.children(recursive=True), process])


def _status(child: int) -> str:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _child(attacks: Sequence[Attack], pipe: int, *, in_process: bool) -> None:
    """Never returns; orphans of its commands become its children, so that none is lost."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if in_process:
            most = psutil.Process().memory_info().vms + _MEMORY_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in (signal.SIGINT, signal.SIGHUP):  # ignored in the background, or under nohup
            signal.signal(number, signal.default_int_handler)
        for attack in attacks:
            os.write(pipe, json.dumps(_result(attack)).encode() + b"\n")
        status = 0
    except BaseException:  # noqa: BLE001 - a fork must not go on in its parent's code
        traceback.print_exc()
    finally:
        with contextlib.suppress(psutil.Error):
            kill_all(psutil.Process().children(recursive=True))
        os._exit(status)


def _result(attack: Attack) -> dict[str, object]:
    started = time.monotonic()
    held, skipped, reason = True, False, ""
    root = Path(tempfile.mkdtemp(prefix="attack-"))
    try:
        attack.run(Ground(root))
        nothing_running()
    except NotHeldError as error:
        held, reason = False, str(error)
    except SkippedError as error:
        skipped, reason = True, str(error)
    except Exception as error:  # noqa: BLE001 - a mistake in the attack is a failure, not the end
        last = traceback.extract_tb(error.__traceback__)[-1]
        held, reason = (
            False,
            f"the attack itself: {type(error).__name__}: {error} ({last.name}:{last.lineno})",
        )
    finally:
        kill_all(running())
        shutil.rmtree(root, ignore_errors=True)
    elapsed = round(time.monotonic() - started, 3)
    return {"name": attack.name, "held": held, "reason": reason, "skipped": skipped, "elapsed_s": elapsed}
