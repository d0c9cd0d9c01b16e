"""Signals at random moments of a sweep with operating modes and child processes; then it is continued."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from tests.attack.attack import INTERRUPTED, OK, RUN, Attack, check_outcome, require
from tests.attack.ground import Ground, Started
from tests.attack.processes import kill_at_once, nothing_running, wait_for
from tests.attack.sweeps import (
    FAULTY,
    check_complete,
    check_kept,
    check_shown,
    check_switches,
    check_tidy,
    records,
    snapshot,
    write_sut,
    write_sweep,
    write_switches,
)

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_TARGETS = ("parent", "parent", "worker", "everything")  # the parent twice as often
_RUNS = 4
_LONGEST_S = 6.0  # a little more than the sweep takes on a quiet machine
_GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A signal to the parent or to the worker, or SIGKILL to all processes at once."""

    target: str
    number: signal.Signals
    moment_s: float

    @property
    def title(self) -> str:
        target = self.target if self.target == "everything" else f"the {self.target}"
        return f"{self.number.name} to {target} after {self.moment_s} s"


def a_kill(chance: random.Random) -> Kill:
    target = chance.choice(_TARGETS)
    sent = signal.SIGKILL if target == "everything" else chance.choice(_SIGNALS)
    return Kill(target, sent, round(chance.uniform(0.0, _LONGEST_S), 2))


def attacks(chance: random.Random, count: int = 46) -> list[Attack]:
    return kill_attacks("kill", _survives, chance, count)


def kill_attacks(
    word: str, survives: Callable[[Kill, Ground], None], chance: random.Random, count: int
) -> list[Attack]:
    kills = [a_kill(chance) for _ in range(count)]
    return [
        Attack(f"{word} {number}: {kill.title}", partial(survives, kill), limit_s=240)
        for number, kill in enumerate(kills, 1)
    ]


def _survives(kill: Kill, ground: Ground) -> None:
    sut = write_sut(ground, f"{FAULTY}:StartsChildren", more=_OPTIONS + write_switches(ground))
    arguments = write_sweep(ground, [sut], "[1, 8]", 0.4)
    arguments += ["--set", "deployment.operating_mode=fast,slow"]
    files = ground.files(results=False)
    started, finished = hit(kill, arguments, ground)
    _check_end(kill, started, finished, ground)
    kept = snapshot(ground.out)
    _resumes(arguments, ground)
    check_kept(kept, ground.out)
    ground.check_files(files, results=False)


_OPTIONS = "options: {good_batches: 1000000}\n"


def hit(kill: Kill, arguments: list[str], ground: Ground) -> tuple[Started, int]:
    """The command that was hit, and how many runs were finished then; earlier where it had ended before."""
    moment = kill.moment_s
    while True:
        started = ground.start(arguments)
        begun = wait_for(partial(_catches_signals, started.process.pid), 60)
        require(begun, "the command does not start")
        time.sleep(moment)
        victims = _victims(kill.target, started)
        if victims:
            finished = len(list(ground.out.glob("*/record.json")))
            kill_at_once(victims) if kill.target == "everything" else victims[0].send_signal(kill.number)
            return started, finished
        check_outcome(started.end(60), [OK])
        shutil.rmtree(ground.out)
        moment /= 2


def _catches_signals(pid: int) -> bool:
    """Whether the command is past Python's start: it has its own handler of SIGHUP (bit 0 of SigCgt)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next((line for line in status.splitlines() if line.startswith("SigCgt:")), "SigCgt:\t0")
    return bool(int(caught.split()[1], 16) & 1)


def _victims(target: str, started: Started) -> list[psutil.Process]:
    """Whom the signal goes to; nobody if the command has ended."""
    if target == "worker":
        wait_for(lambda: _workers(started) or not started.running, 60)
        return _workers(started)
    if not started.running:
        return []
    parent = psutil.Process(started.process.pid)
    return [parent, *started.descendants()] if target == "everything" else [parent]


def _workers(started: Started) -> list[psutil.Process]:
    found = []
    for child in started.descendants():
        try:
            if "qutiperf.run.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.Error:
            continue
    return found


def _check_end(kill: Kill, started: Started, finished: int, ground: Ground) -> None:
    """What must hold as soon as the command has ended, before it is repeated."""
    outcome = started.end(90)
    if kill.target == "worker":
        check_outcome(outcome, [OK, RUN])
        _check_worker_record(kill, outcome.code, ground)
    elif kill.number == signal.SIGKILL:
        check_outcome(outcome, [-signal.SIGKILL])
    else:
        # all was stored when the signal came: the command ends well, or while Python is shutting down
        late = [OK, -kill.number] if finished == _RUNS else []
        # -2, which a shell calls 130 too, is Python's own: it was interrupted in a native module's import
        check_outcome(outcome, [INTERRUPTED, -signal.SIGINT, *late])
        if outcome.code not in late:
            require(
                outcome.last_line.startswith("qutiperf: interrupted; "), f"it ends with: {outcome.last_line}"
            )
    nothing_running(_GRACE_S)
    require(len(list(ground.out.glob("*/record.json"))) >= finished, "finished runs are lost")
    if kill.target != "everything":
        check_switches(ground)
    if kill.number != signal.SIGKILL or kill.target == "worker":
        check_tidy(ground) if ground.out.is_dir() else None
    if records(ground):
        check_shown(ground)


def _check_worker_record(kill: Kill, code: int, ground: Ground) -> None:
    """A worker's death is one failed record, or a failed close, and no other run is lost by it."""
    found = records(ground)
    require(len({record.run_id for record in found}) == _RUNS, f"{len(found)} of {_RUNS} runs have a record")
    failures = [found for record in found for found in (record.failure, record.close_failure) if found]
    require(bool(failures) == (code == RUN), f"exit code {code} with {len(failures)} failures")
    # a death while the model is loaded is one of all runs of the mode
    most = _RUNS // 2 if any(failure.stage == "load" for failure in failures) else 1
    require(len(failures) <= most, f"{len(failures)} runs failed of one signal")
    for failure in failures:
        named = kill.number.name in failure.reason or "KeyboardInterrupt" in failure.reason
        require(named, f"the reason does not name {kill.number.name}: {failure.reason}")


def _resumes(arguments: list[str], ground: Ground) -> None:
    """The same command finishes the rest; a failed close stays in its record, and in the exit code."""
    close_failed = any(record.close_failure for record in records(ground))
    ground.command(arguments, [RUN] if close_failed else [OK], limit_s=90)
    check_complete(ground, _RUNS)
    check_switches(ground)
