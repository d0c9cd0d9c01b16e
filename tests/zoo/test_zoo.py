"""Each cheat is caught by its audit, and its honest twin by none."""

from pathlib import Path

import pytest

from qutiperf.audit.registry import FINISHED
from tests.zoo.catalogue import ACCURACY_CHECK, ADAPTER_TEST, CHEATS, Cheat
from tests.zoo.enclosure import Enclosure, Sight

_TRIES = 3  # of a twin on a machine that is busy with other work


@pytest.mark.slow
@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.animal)
def test_the_cheat_is_caught_and_its_twin_is_not(cheat: Cheat, tmp_path: Path) -> None:
    for number in range(1, _TRIES + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        enclosure = Enclosure(cheat, folder)
        caught, honest = enclosure.sights()
        assert caught.shows(cheat.evidence), caught
        assert not honest.shows(cheat.evidence), honest
        sights = [honest]
        if cheat.audit != ADAPTER_TEST:
            sights += [enclosure.sight(enclosure.names[1], each) for each in (ACCURACY_CHECK, *FINISHED)]
        failed = [each for each in sights if each.outcome == "fail"]
        if not failed:
            return
        assert all(each.noisy for each in failed), failed
    pytest.skip(f"other processes keep the machine too busy for the honest twin: {failed[0].evidence}")


def test_a_sight_shows_only_what_failed() -> None:
    assert Sight("fail", ("2 of 9 answers differ",)).shows("answers differ")
    assert not Sight("pass", ("0 of 9 answers differ",)).shows("answers differ")
    assert not Sight("fail", ("too slow",)).shows("answers differ")
