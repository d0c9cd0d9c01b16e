"""A good tree passes, every dishonest edit of it is caught, and no harmless one is."""

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from qutiperf.submission.check import CheckReport, check_tree
from tests.submission.dishonest_edits import dishonest
from tests.submission.good_tree import ROUND, build
from tests.submission.harmless_edits import harmless

DISHONEST, HARMLESS = dishonest(), harmless()
_FAST_PER_CLASS = 6


def some_fast(names: Iterable[str]) -> list[ParameterSet]:
    """Six of each class are in the fast tier, which six is fixed."""
    names = list(names)
    of_kind: dict[str, list[str]] = {}
    for name in names:
        of_kind.setdefault(name.split(":")[0], []).append(name)
    dice = random.Random(7)
    fast = {each for kind in of_kind.values() for each in dice.sample(kind, _FAST_PER_CLASS)}
    return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in names]


def check(root: Path, round_name: str = ROUND) -> CheckReport:
    return check_tree(root, round_name, workers=1)


def lines(report: CheckReport) -> list[str]:
    return [str(finding) for finding in report.findings]


def test_a_good_tree_has_no_finding(tmp_path: Path) -> None:
    build(tmp_path)
    report = check(tmp_path)
    assert (lines(report), report.results, report.clean) == ([], 3, 3)


def test_there_are_edits_of_every_class() -> None:
    kinds = Counter(name.split(":")[0] for name in DISHONEST)
    assert set(kinds) == {"swapped", "forged", "shortened", "relabelled", "copied", "emptied", "crashed on"}
    assert sum(kinds.values()) >= 200
    assert min(kinds.values()) >= 15


@pytest.mark.parametrize("name", some_fast(DISHONEST))
def test_a_dishonest_edit_is_an_error(name: str, tmp_path: Path) -> None:
    DISHONEST[name](build(tmp_path))
    report = check(tmp_path)
    assert not report.passed, lines(report)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_edit_is_no_error(name: str, tmp_path: Path) -> None:
    HARMLESS[name](build(tmp_path))
    report = check(tmp_path)
    assert report.passed, lines(report)
