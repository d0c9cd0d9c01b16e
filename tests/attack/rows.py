"""The rows of attacks by name."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.attack import adapters, models, records, server, signals, storage, yaml_and_commands
from tests.attack.attack import Attack
from tests.attack.lane import Result, run_attacks


@dataclass(frozen=True, slots=True)
class Row:
    """Attacks of one kind: how many there are at least, and whether they run in the attacking process."""

    attacks: Callable[[random.Random], list[Attack]]
    at_least: int
    in_process: bool


ROWS = {
    "signals": Row(signals.attacks, signals.AT_LEAST, in_process=False),
    "storage": Row(storage.attacks, storage.AT_LEAST, in_process=False),
    "yaml": Row(yaml_and_commands.attacks, yaml_and_commands.AT_LEAST, in_process=True),
    "models": Row(models.attacks, models.AT_LEAST, in_process=True),
    "adapters": Row(adapters.attacks, adapters.AT_LEAST, in_process=False),
    "server": Row(server.attacks, server.AT_LEAST, in_process=False),
    "records": Row(records.attacks, records.AT_LEAST, in_process=True),
}


def attacks_of(name: str, seed: int, share: float = 1.0) -> list[Attack]:
    """A share of a row by lot; beyond 1 the row again with further seeds."""
    row, found, part = ROWS[name], list[Attack](), share
    while part > 1e-9:
        number = seed + len(found)
        attacks = row.attacks(random.Random(f"{name} {number}"))
        if found:
            attacks = [Attack(f"{each.name} (seed {number})", each.run, each.limit_s) for each in attacks]
        if part < 1:
            chosen = random.Random(f"share {name} {seed}").sample(range(len(attacks)), max(round(part * len(attacks)), 1))
            attacks = [attacks[index] for index in sorted(chosen)]
        found, part = [*found, *attacks], part - 1
    return found


def run_row(name: str, seed: int, share: float = 1.0, only: str = "") -> Iterator[Result]:
    """Results as they come; `only` attacks whose name holds this text."""
    chosen = [attack for attack in attacks_of(name, seed, share) if only in attack.name]
    yield from run_attacks(chosen, in_process=ROWS[name].in_process)
