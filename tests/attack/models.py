import random

from tests.attack.attack import Attack

AT_LEAST = 0


def attacks(chance: random.Random) -> list[Attack]:
    return []
