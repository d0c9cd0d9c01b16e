"""A tenth of the attacks, with a fixed seed, and ten kills; `python -m tests.attack` tries them all."""

import pytest

from tests.attack.attack import Attack
from tests.attack.lane import run_attacks
from tests.attack.rows import ROWS, attacks_of, kills

AT_LEAST = {
    "signals": 46,
    "searches": 12,
    "storage": 17,
    "yaml": 287,
    "models": 190,
    "adapters": 85,
    "server": 109,
    "records": 47,
}


def _not_held(attacks: list[Attack], row: str) -> list[str]:
    found = run_attacks(attacks, in_process=ROWS[row].in_process)
    return [f"{result.name}: {result.reason}" for result in found if not result.held]


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row != "signals"])
def test_a_tenth_of_a_row_holds(row: str) -> None:
    assert _not_held(attacks_of(row, seed=0, share=0.1), row) == []


@pytest.mark.slow
def test_ten_kills_lose_nothing_and_leave_nothing() -> None:
    assert _not_held(kills(seed=0, count=10), "signals") == []


def test_rows_have_as_many_attacks_as_they_must() -> None:
    counts = {name: len(attacks_of(name, seed=1)) for name in ROWS}
    assert {name for name, count in counts.items() if count < AT_LEAST[name]} == set()
    assert AT_LEAST.keys() == ROWS.keys()


def test_a_seed_gives_the_same_attacks_and_a_share_is_a_part_of_them() -> None:
    names = [attack.name for attack in attacks_of("signals", seed=3)]
    assert names == [attack.name for attack in attacks_of("signals", seed=3)]
    assert names != [attack.name for attack in attacks_of("signals", seed=4)]
    assert names == [attack.name for attack in kills(seed=3, count=46)]
    share = [attack.name for attack in attacks_of("signals", seed=3, share=0.1)]
    assert len(share) == 5
    assert set(share) < set(names)


def test_what_does_not_hold_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    """The fork, so that no attack can end the one after it."""
    from tests.attack.attack import SkippedError, require

    def kill(ground: object) -> None:
        raise SystemExit(7)

    def fail(ground: object) -> None:
        require(False, "left running: sleep")

    def skip(ground: object) -> None:
        raise SkippedError("only root may")

    attacks = [
        Attack("kills", kill),
        Attack("fails", fail),
        Attack("skips", skip),
        Attack("holds", lambda _: None),
    ]
    found = [(each.name, each.held, each.skipped) for each in run_attacks(attacks, in_process=False)]
    assert found == [
        ("kills", False, False),
        ("fails", False, False),
        ("skips", True, True),
        ("holds", True, False),
    ]
