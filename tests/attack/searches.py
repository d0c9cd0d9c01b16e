"""Signals at random moments of an adaptive search with child processes; then it is continued."""

import random
import signal

from qutiperf.results.left_out import read_left_out
from qutiperf.results.store import LEFT_OUT, PROBES
from tests.attack.attack import INTERRUPTED, OK, RUN, Attack, check_outcome, require
from tests.attack.ground import Ground
from tests.attack.processes import nothing_running
from tests.attack.signals import Kill, hit, kill_attacks
from tests.attack.sweeps import (
    FAULTY,
    check_kept,
    check_shown,
    check_tidy,
    records,
    snapshot,
    write_sut,
    write_sweep,
)

_BATCHES, _REPEATS = (1, 2, 4, 8, 16, 32), 2


def attacks(chance: random.Random, count: int = 12) -> list[Attack]:
    return kill_attacks("search", _goes_on, chance, count)


def _goes_on(kill: Kill, ground: Ground) -> None:
    sut = write_sut(ground, f"{FAULTY}:StartsChildren", more="options: {good_batches: 1000000}\n")
    batches = f"[{', '.join(map(str, _BATCHES))}]"
    arguments = write_sweep(ground, [sut], batches, 0.3, more=f"repeats: {_REPEATS}\n")
    arguments += ["--strategy", "pareto"]
    started, _ = hit(kill, arguments, ground)
    outcome = started.end(90)
    if kill.target == "worker":
        check_outcome(outcome, [OK, RUN])
    elif kill.number == signal.SIGKILL:
        check_outcome(outcome, [-signal.SIGKILL])
    else:  # the last run may be stored when the signal comes
        check_outcome(outcome, [INTERRUPTED, -signal.SIGINT, -kill.number, OK])
    nothing_running(30)
    full, probes = snapshot(ground.out), snapshot(ground.out / PROBES)
    ground.command(arguments, [RUN] if _close_failed(ground) else [OK], limit_s=90)
    check_kept(full, ground.out)
    check_kept(probes, ground.out / PROBES)
    _check_whole(ground)


def _close_failed(ground: Ground) -> bool:
    found = records(ground) + records(ground, ground.out / PROBES)
    return any(record.close_failure for record in found)


def _check_whole(ground: Ground) -> None:
    """Every run is measured, or left out with a reason, and nothing is lying about."""
    measured = {record.run_id for record in records(ground) if record.valid}
    kept = read_left_out(ground.out, measured)
    left = [run for setting in kept.settings for run in setting.run_ids] if kept else []
    require(bool(measured), "no run was measured in full")
    runs = len(_BATCHES) * _REPEATS
    found = len(measured | set(left))
    require(found == runs, f"{found} of {runs} runs are measured or left out")
    check_tidy(ground, also=(PROBES, LEFT_OUT))
    check_shown(ground)
