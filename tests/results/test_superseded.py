"""Runs of files that have changed since."""

from qutiperf.results.record import RunRecord
from qutiperf.results.superseded import superseded
from tests.results.test_metrics import a_record

MACHINE: dict[str, object] = {"cores": 2, "cpu_model": "x"}


def started(
    run_id: str, second: int, attempt: int = 1, batch_size: int = 8, valid: bool = True, **machine: object
) -> RunRecord:
    return a_record(
        run_id,
        attempt,
        batch_size=batch_size,
        started_utc=f"2026-01-01T00:00:{second:02}+00:00",
        valid=valid,
        host=MACHINE | machine,
    )


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


def test_other_points_other_machines_and_the_same_run_are_kept() -> None:
    first = started("aaaaaaaaaaaa", 1)
    others = [
        started("bbbbbbbbbbbb", 2, batch_size=16),
        started("cccccccccccc", 2, cores=4),
        started("aaaaaaaaaaaa", 2, attempt=2),
    ]
    assert [superseded([first, other]) for other in others] == [frozenset()] * 3


def test_the_kernels_patch_level_is_not_another_machine() -> None:
    first, second = (
        started("aaaaaaaaaaaa", 1, kernel="6.1.0"),
        started("bbbbbbbbbbbb", 2, kernel="6.1.1"),
    )
    assert superseded([first, second]) == {"aaaaaaaaaaaa"}
