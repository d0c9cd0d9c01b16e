"""Processes that commands left running, and waiting for them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence

import psutil

from tests.attack.attack import require


def running() -> list[psutil.Process]:
    """What this process's commands left running; zombies are collected, as this process is their reaper."""
    found = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if each.status() == psutil.STATUS_ZOMBIE:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(each.pid, os.WNOHANG)
            else:
                found.append(each)
    return found


def nothing_running(grace_s: float = 2.0) -> None:
    """Raises NotHeldError for what still runs after the grace, and kills it."""
    limit = time.monotonic() + grace_s
    while (left := running()) and time.monotonic() < limit:
        time.sleep(0.05)
    names = sorted({_name(process) for process in left})
    kill_all(left)
    require(not left, f"left running: {'; '.join(names)[:200]}")


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Kills and collects them."""
    kill_at_once(processes)
    psutil.wait_procs(processes, timeout=5)


def kill_at_once(processes: Sequence[psutil.Process]) -> None:
    """Stops them all before it kills, so that none sees another die."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[-60:] or process.name()
    return "a process that has just ended"


def wait_for(condition: Callable[[], object], limit_s: float) -> bool:
    """Whether it came true within the time."""
    limit = time.monotonic() + limit_s
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
