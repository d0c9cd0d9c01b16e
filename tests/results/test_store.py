"""The results folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qutiperf.errors import InputError
from qutiperf.results.store import MARKER, RECORD, Store, read_record
from tests.results.test_metrics import a_record


def placed(store: Store, attempt: int = 1) -> Path:
    folder = store.stage() / "run"
    folder.mkdir()
    (folder / "mlperf_log_detail.txt").write_text("log")
    return store.place(folder, a_record(attempt=attempt))


def test_a_run_is_placed_whole(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results")
    folder = placed(store)
    assert folder.name == "0123456789ab-1"
    assert {path.name for path in folder.iterdir()} == {RECORD, "mlperf_log_detail.txt"}
    assert read_record(folder) == a_record()
    assert list(Store.open(tmp_path / "results").records()) == [a_record()]


def test_a_run_that_was_not_placed_is_not_there(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    placed(store)
    half = store.stage() / "run"
    half.mkdir()
    (half / RECORD).write_text(a_record(attempt=2).model_dump_json()[:50])
    assert [record.attempt for record in Store.open(tmp_path).records()] == [1]


def test_the_last_attempt_counts(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    placed(store)
    placed(store, attempt=2)
    assert [record.attempt for record in store.latest()] == [2]
    assert {run_id: len(found) for run_id, found in store.attempts().items()} == {"0123456789ab": 2}


def test_damaged_records_are_named_and_skipped(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    path = placed(store) / RECORD
    placed(store, attempt=2)
    whole = path.read_text()
    for text in (whole[: len(whole) // 2], whole.replace('"schema_version": 1', '"schema_version": 2'), "{}"):
        path.write_text(text)
        contents = store.read()
        assert [record.attempt for record in contents.records] == [2]
        assert [error.where for error in contents.damaged] == [str(path)]


def test_a_record_of_another_version_names_the_version_read(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    path = placed(store) / RECORD
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(InputError, match=r"record.json: .*this qutiperf reads schema_version 1"):
        read_record(path.parent)


def test_a_cut_record_is_reported_in_one_line(tmp_path: Path) -> None:
    path = placed(Store.create(tmp_path)) / RECORD
    path.write_text('{"run')
    with pytest.raises(InputError, match=r"record.json: Invalid JSON: EOF"):
        read_record(path.parent)


def test_a_folder_that_lost_its_marker_is_repaired(tmp_path: Path) -> None:
    folder = placed(Store.create(tmp_path))
    (tmp_path / MARKER).unlink()
    with pytest.raises(InputError, match="is not a results folder"):
        Store.open(tmp_path)
    assert [record.run_id for record in Store.create(tmp_path).records()] == [folder.name.partition("-")[0]]
    (tmp_path / MARKER).unlink()
    (folder / RECORD).unlink()
    with pytest.raises(InputError, match=f"is not a results folder; it contains {folder.name}"):
        Store.create(tmp_path)


def test_nothing_is_staged_before_there_is_a_run(tmp_path: Path) -> None:
    Store.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["qutiperf-results.json"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    left, mine = tmp_path / f".staging/{gone.pid}-left", store.stage()
    left.mkdir()
    store.clean()
    assert not left.exists()
    assert mine.is_dir()
    assert mine.name.startswith(f"{os.getpid()}-")
