"""The results folder fills up, meets a limit, disappears, or is used by two runs; then the cure is tried."""

import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.attack.attack import OK, RUN, SETUP, Attack, Outcome, SkippedError, check_outcome, require, shown
from tests.attack.ground import Ground, Started
from tests.attack.processes import nothing_running, wait_for
from tests.attack.sweeps import (
    check_complete,
    check_kept,
    check_shown,
    records,
    snapshot,
    write_sut,
    write_sweep,
)

_RUNS = 4
_STOPPED = (SETUP, RUN)
_TIMES = "options: {latency_us: 100.0}\n"


def attacks(chance: random.Random) -> list[Attack]:
    return [
        *_named("disk of {} kB", (0, 30, 80, *_some(chance, 4, 90, 260)), _disk_full),
        *_named("files of {} bytes", (2_000, 4_000, *_some(chance, 4, 5_000, 16_000)), _file_size),
        *(_timed(name, act, chance) for name, act in _ACTS.items() for _ in range(2)),
        *_named("second run after {} s", _some(chance, 3, 0, 3_000), _second_run),
        Attack("second run after a SIGKILL of the first", _after_a_kill, limit_s=240),
        Attack("two runs at the same moment", _same_moment, limit_s=240),
        Attack("two runs into two folders", _two_folders, limit_s=240),
    ]


def _some(chance: random.Random, count: int, least: int, most: int) -> list[int]:
    return sorted(chance.sample(range(least, most), count))


def _named(
    name: str, values: "tuple[int, ...] | list[int]", run: Callable[[int, Ground], None]
) -> Iterator[Attack]:
    for value in values:
        yield Attack(
            name.format(value / 1000 if name.endswith(" s") else value), partial(run, value), limit_s=240
        )


def _sweep(ground: Ground, seconds: float = 0.3) -> list[str]:
    return write_sweep(ground, [write_sut(ground, "simulated", more=_TIMES)], "[1, 2, 4, 8]", seconds)


def _check_stopped(outcome: Outcome) -> None:
    """It ended with one error line, last of all."""
    errors = [line for line in outcome.err.splitlines() if line.startswith("qutiperf: ")]
    require(len(errors) == 1, f"{len(errors)} error lines: {shown(' | '.join(errors))}")
    require(outcome.last_line == errors[0], f"it ends with: {outcome.last_line}")


# --- no room


def _disk_full(kilobytes: int, ground: Ground) -> None:
    """The results folder is a file system of its own, which is full; with more room the command goes on."""
    arguments = _sweep(ground)
    ground.out.mkdir()
    _mount(
        [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size={kilobytes}k" if kilobytes else "size=4k",
            "attack",
            str(ground.out),
        ]
    )
    try:
        _runs_out_of_room(arguments, ground)
        _mount(["mount", "-o", "remount,size=64m", str(ground.out)])
        _completes(arguments, ground)
    finally:
        subprocess.run(["umount", "-l", str(ground.out)], check=False, capture_output=True)


def _mount(command: list[str]) -> None:
    if os.geteuid() != 0:
        raise SkippedError("only root may mount a file system")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SkippedError(f"a file system cannot be mounted: {shown(done.stderr.strip())}")


def _runs_out_of_room(arguments: list[str], ground: Ground, before: Callable[[], None] | None = None) -> None:
    outcome = ground.command(arguments, [OK, *_STOPPED], before=before, limit_s=90)
    if outcome.code == OK:  # the room was enough
        check_complete(ground, _RUNS)
    if outcome.code == SETUP:
        _check_stopped(outcome)
    if records(ground):
        check_shown(ground)


def _completes(arguments: list[str], ground: Ground) -> None:
    """The same command finishes the rest, what was finished is unchanged."""
    kept = snapshot(ground.out)
    ground.command(arguments, [OK], limit_s=90)
    check_kept(kept, ground.out)
    check_complete(ground, _RUNS)


def _file_size(most: int, ground: Ground) -> None:
    """RLIMIT_FSIZE: no file may grow beyond it."""
    arguments = _sweep(ground)
    _runs_out_of_room(arguments, ground, partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, most)))
    _completes(arguments, ground)


# --- the folder is changed while runs are measured


def _timed(name: str, act: Callable[[Ground], list[int]], chance: random.Random) -> Attack:
    runs, delay_ms = chance.randint(0, _RUNS - 1), chance.randrange(600)
    run = partial(_changed, act, runs, delay_ms / 1000)
    return Attack(f"{name} {delay_ms} ms after run {runs} of {_RUNS}", run, limit_s=240)


def _changed(act: Callable[[Ground], list[int]], runs: int, delay_s: float, ground: Ground) -> None:
    """The act gives the exit codes to expect; afterwards the same command finishes the sweep."""
    arguments = _sweep(ground)
    started = ground.start(arguments)
    _wait_for_runs(started, runs, ground)
    time.sleep(delay_s)
    if not started.running:
        check_outcome(started.end(1), [OK])
        return
    done = len(list(ground.out.glob("*/record.json"))) == _RUNS
    codes = act(ground)
    outcome = started.end(90)
    check_outcome(outcome, [OK, *codes] if done else codes)
    if outcome.code == SETUP:
        _check_stopped(outcome)
    nothing_running()
    aside = ground.work / "aside"
    if aside.is_dir():
        if ground.out.exists():
            ground.out.unlink()  # the file in its place
        aside.rename(ground.out)
        require(len(records(ground)) >= runs, "finished runs are lost")
    _completes(arguments, ground)


def _wait_for_runs(started: Started, runs: int, ground: Ground) -> None:
    """Until so many runs are finished and the results folder is marked."""
    marker = ground.out / "qutiperf-results.json"

    def reached() -> bool:
        return (
            marker.is_file() and len(list(ground.out.glob("*/record.json"))) >= runs
        ) or not started.running

    require(wait_for(reached, 60), "the sweep does not start")


def _delete(ground: Ground) -> list[int]:
    shutil.rmtree(ground.out, ignore_errors=True)
    return list(_STOPPED)


def _delete_and_make(ground: Ground) -> list[int]:
    shutil.rmtree(ground.out, ignore_errors=True)
    ground.out.mkdir(exist_ok=True)
    return list(_STOPPED)


def _move(ground: Ground) -> list[int]:
    ground.out.rename(ground.work / "aside")
    return list(_STOPPED)


def _replace_by_a_file(ground: Ground) -> list[int]:
    _move(ground)
    ground.out.write_text("")
    return list(_STOPPED)


def _delete_staging(ground: Ground) -> list[int]:
    """What was staged is lost; what is finished is kept, and no other run is."""
    shutil.rmtree(ground.out / ".staging", ignore_errors=True)
    return [OK, *_STOPPED]


def _delete_marker(ground: Ground) -> list[int]:
    (ground.out / "qutiperf-results.json").unlink()
    return [OK, *_STOPPED]


def _delete_lock(ground: Ground) -> list[int]:
    (ground.out / ".qutiperf-lock").unlink(missing_ok=True)
    return [OK]


_ACTS: dict[str, Callable[[Ground], list[int]]] = {
    "folder deleted": _delete,
    "folder deleted and made anew": _delete_and_make,
    "folder moved": _move,
    "folder replaced by a file": _replace_by_a_file,
    "staging folder deleted": _delete_staging,
    "marker deleted": _delete_marker,
    "lock deleted": _delete_lock,
}


# --- two at once


def _second_run(delay_ms: int, ground: Ground) -> None:
    """The second is refused with the first's process id; the first does not notice."""
    arguments = _sweep(ground)
    first = ground.start(arguments)
    _wait_for_lock(first, ground)
    time.sleep(delay_ms / 1000)
    require(first.running, "the first run ended early")
    outcome = ground.start(arguments).end(30)
    if first.running:
        check_outcome(outcome, [SETUP])
        _check_stopped(outcome)
        named = f"is in use by process {first.process.pid}, which started at"
        require(named in outcome.err, f"the first run is not named: {shown(outcome.err)}")
    check_outcome(first.end(60), [OK])
    nothing_running()
    check_complete(ground, _RUNS)
    require(len(records(ground)) == _RUNS, "runs were measured twice")


def _wait_for_lock(started: Started, ground: Ground) -> None:
    lock: Path = ground.out / ".qutiperf-lock"
    require(wait_for(lambda: lock.exists() and lock.stat().st_size, 60), "the folder is not locked")
    require(started.running, "the first run ended early")


def _after_a_kill(ground: Ground) -> None:
    arguments = _sweep(ground)
    first = ground.start(arguments)
    _wait_for_lock(first, ground)
    first.process.kill()
    check_outcome(first.end(10), [-9])
    _completes(arguments, ground)


def _same_moment(ground: Ground) -> None:
    arguments = _sweep(ground)
    both = [ground.start(arguments), ground.start(arguments)]
    outcomes = sorted((started.end(90) for started in both), key=lambda outcome: outcome.code)
    check_outcome(outcomes[0], [OK])
    check_outcome(outcomes[1], [SETUP])
    _check_stopped(outcomes[1])
    check_complete(ground, _RUNS)
    require(len(records(ground)) == _RUNS, "runs were measured twice")


def _two_folders(ground: Ground) -> None:
    arguments = _sweep(ground)
    other = ground.work / "other"
    both = [ground.start(arguments), ground.start([*arguments[:-1], str(other)])]
    for started in both:
        check_outcome(started.end(90), [OK])
    nothing_running()
    check_complete(ground, _RUNS)
    require(len(records(ground, other)) == _RUNS, "the second folder lacks runs")
