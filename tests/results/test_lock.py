"""One process at a time in a folder."""

import errno
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from qutiperf.errors import SetupError
from qutiperf.results.lock import LOCK, Holder, locked

HOLD = """
import sys, pathlib
from qutiperf.results.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(folder: Path) -> "subprocess.Popen[str]":
    """A process that holds the lock until its input ends or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has none."""

    def refused(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)


def sign(folder: Path, holder: Holder) -> None:
    (folder / LOCK).write_text(
        json.dumps({"pid": holder.pid, "started": holder.started, "host": holder.host})
    )


def test_a_second_process_is_refused_and_the_first_named(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        with (
            pytest.raises(SetupError, match=rf"is in use by process {process.pid}, which started at 20"),
            locked(tmp_path),
        ):
            pytest.fail("two processes hold the lock")
        process.communicate()
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        process.kill()
        process.wait()
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_the_lock_ends_with_an_error_inside(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1e999, "started": 0, "host": ""}', "[" * 4000])
def test_a_damaged_lock_file_is_taken_over(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LOCK).write_text(text)
    without_locks(monkeypatch)
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_without_file_locks_a_running_holder_keeps_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    sign(tmp_path, Holder.this_process())
    with pytest.raises(SetupError, match=rf"is in use by process {os.getpid()}, "), locked(tmp_path):
        pytest.fail("the holder was ignored")


def test_without_file_locks_a_reused_process_id_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    started = psutil.Process().create_time() - 3600
    sign(tmp_path, Holder(os.getpid(), started, socket.gethostname()))
    with locked(tmp_path):
        assert Holder(**json.loads((tmp_path / LOCK).read_text())).is_alive


def test_without_file_locks_a_holder_on_another_host_keeps_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    sign(tmp_path, Holder(1, 0.0, "far\x1b[2J"))
    expected = re.escape(
        f"{tmp_path}: is in use by process 1 on far\\x1b[2J, which started at 1970-01-01 00:00:00+00:00; "
        "wait for it to end, or name another folder with --out; "
        f"if it no longer runs, delete {tmp_path / LOCK}"
    )
    with pytest.raises(SetupError, match=expected), locked(tmp_path):
        pytest.fail("the holder was ignored")


def test_a_folder_that_cannot_be_written_to_is_an_error_of_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match="cannot be locked: No such file or directory"),
        locked(tmp_path / "gone"),
    ):
        pytest.fail("there is no folder")
