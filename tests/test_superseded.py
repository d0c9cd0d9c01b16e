"""Runs of files that have changed since."""

import pytest

from qutiperf.record import RunRecord
from qutiperf.superseded import superseded
from tests.test_metrics import a_record

MACHINE = {"cores": 2, "cpu_model": "x"}


def started(run_id: str, second: int, **more: object) -> RunRecord:
    return a_record(run_id, started_utc=f"2026-01-01T00:00:{second:02}+00:00", **({"host": MACHINE} | more))


def test_the_newest_contents_of_a_points_files_count() -> None:
    records = [started("aaaaaaaaaaaa", 1), started("bbbbbbbbbbbb", 3), started("cccccccccccc", 2)]
    for order in (records, records[::-1]):
        assert superseded(order) == {"aaaaaaaaaaaa", "cccccccccccc"}


def test_a_failed_run_of_new_files_supersedes_too() -> None:
    assert superseded([started("aaaaaaaaaaaa", 1), started("bbbbbbbbbbbb", 2, valid=False)]) == {
        "aaaaaaaaaaaa"
    }


def test_the_last_attempt_decides() -> None:
    """As when an edit is undone and the first files are run again."""
    again = [started("aaaaaaaaaaaa", 1), started("bbbbbbbbbbbb", 2), started("aaaaaaaaaaaa", 3, attempt=2)]
    assert superseded(again) == {"bbbbbbbbbbbb"}


@pytest.mark.parametrize(
    "other", [{"batch_size": 16}, {"host": {"cores": 4, "cpu_model": "x"}}, {"run_id": "aaaaaaaaaaaa"}]
)
def test_other_points_other_machines_and_the_same_run_are_kept(other: dict[str, object]) -> None:
    arguments: dict[str, object] = {"run_id": "bbbbbbbbbbbb", "second": 2, **other}
    assert superseded([started("aaaaaaaaaaaa", 1), started(**arguments)]) == frozenset()  # type: ignore[arg-type]


def test_the_kernels_patch_level_is_not_another_machine() -> None:
    first = started("aaaaaaaaaaaa", 1, host=MACHINE | {"kernel": "6.1.0"})
    assert superseded([first, started("bbbbbbbbbbbb", 2, host=MACHINE | {"kernel": "6.1.1"})]) == {
        "aaaaaaaaaaaa"
    }
