"""The rows of attacks by name."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.attack import adapters, models, records, searches, server, signals, storage, yaml_and_commands
from tests.attack.attack import Attack, unique


@dataclass(frozen=True, slots=True)
class Row:
    """Attacks of one kind, and whether they run in the attacking process, under its memory limit."""

    attacks: Callable[[random.Random], list[Attack]]
    in_process: bool


ROWS = {
    "signals": Row(signals.attacks, in_process=False),
    "searches": Row(searches.attacks, in_process=False),
    "storage": Row(storage.attacks, in_process=False),
    "yaml": Row(yaml_and_commands.attacks, in_process=True),
    "models": Row(models.attacks, in_process=True),
    "adapters": Row(adapters.attacks, in_process=False),
    "server": Row(server.attacks, in_process=False),
    "records": Row(records.attacks, in_process=True),
}


def attacks_of(name: str, seed: int, share: float = 1.0) -> list[Attack]:
    """A row's attacks in their order, or a share of them drawn by the seed, at least one."""
    attacks = unique(ROWS[name].attacks(random.Random(f"{name} {seed}")))
    count = max(round(share * len(attacks)), 1)
    drawn = random.Random(f"share {name} {seed}").sample(range(len(attacks)), count)
    return [attacks[index] for index in sorted(drawn)]


def kills(seed: int, count: int) -> list[Attack]:
    """The first so many kills of the row `signals`, which has no end."""
    return signals.attacks(random.Random(f"signals {seed}"), count)


def chosen(attacks: Sequence[Attack], only: str) -> list[Attack]:
    """The attack of this name; where there is none, those whose name contains it."""
    return [each for each in attacks if each.name == only] or [each for each in attacks if only in each.name]
