"""The agent on its own: what a board runs, whatever happens at the other end."""

import ast
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from qutiperf import host
from qutiperf.executors import board_agent
from qutiperf.executors.board_agent import GREETING, PREFIX, facts
from tests.places import PACKAGE

SOURCE = PACKAGE / "executors" / "board_agent.py"
SERVER = (
    "import subprocess, sys, time; child = subprocess.Popen(['sleep', '600'], start_new_session=True); "
    "print('serving x at http://127.0.0.1:4711', flush=True); print(child.pid, flush=True); time.sleep(600)"
)


@contextmanager
def agent(folder: Path, silence_s: float = 60.0, start: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    settings = {"folder": str(folder), "silence_s": silence_s, "start_s": 30.0}
    program = f"{start}exec(open({str(SOURCE)!r}).read()); main({settings!r})"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def answer(
    process: "subprocess.Popen[bytes]", request: object = None, content: bytes = b""
) -> dict[str, object]:
    assert process.stdin is not None
    assert process.stdout is not None
    if request is not None:
        process.stdin.write(json.dumps(request).encode() + b"\n" + content)
    assert select.select([process.stdout], [], [], 20)[0]
    line = process.stdout.readline().decode()
    found: dict[str, object] = json.loads(line.removeprefix(GREETING))
    return found


def started(process: "subprocess.Popen[bytes]") -> list[int]:
    """The server and its child, which has left its session."""
    answer(process)
    request = {"do": "start", "argv": [sys.executable, "-c", SERVER], "environment": {"A": "b"}}
    assert answer(process, request) == {"port": 4711}
    pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert len(pids) == 2
    return pids


def gone(pids: list[int]) -> bool:
    limit = monotonic() + 15
    while any(map(psutil.pid_exists, pids)) and monotonic() < limit:
        sleep(0.02)
    return not any(map(psutil.pid_exists, pids))


def test_it_needs_python_3_9_and_the_standard_library() -> None:
    tree = ast.parse(SOURCE.read_bytes(), feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names <= sys.stdlib_module_names
    vermin = Path(sys.executable).with_name("vermin")
    command = [str(vermin), "--target=3.9-", "--violations", "--no-tips", str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_its_facts_are_those_of_a_local_run() -> None:
    assert facts() == host.facts()


@pytest.mark.slow
def test_a_closed_input_ends_everything(tmp_path: Path) -> None:
    with agent(tmp_path) as process:
        pids = started(process)
        assert process.stdin is not None
        process.stdin.close()
        assert gone(pids)
        assert process.wait(15) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_so_does_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    with agent(tmp_path) as process:
        pids = started(process)
        process.send_signal(number)
        assert gone(pids)
        assert process.wait(15) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_so_does_silence(tmp_path: Path) -> None:
    with agent(tmp_path, silence_s=0.5) as process:
        pids = started(process)
        assert process.wait(15) == 0
        assert gone(pids)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_its_server_dies_with_it_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    with agent(tmp_path) as process:
        [server, _] = started(process)
        process.kill()
        process.wait()
        assert gone([server])
    [left] = tmp_path.iterdir()
    assert left.name.startswith(PREFIX)
    os.utime(left, (0, 0))
    with agent(tmp_path) as process:
        answer(process)
        assert answer(process, {"do": "put", "name": "a", "bytes": 3}, b"abc") == {}
        [folder] = tmp_path.iterdir()
        assert folder.name != left.name
        assert (folder / "a").read_bytes() == b"abc"


@pytest.mark.slow
def test_without_room_the_next_request_is_still_answered(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
    with agent(tmp_path, start=limit) as process:
        answer(process)
        error = answer(process, {"do": "put", "name": "a", "bytes": 5000}, bytes(5000))
        assert error["error"] == "File too large"
        assert answer(process, {"do": "put", "name": "b", "bytes": 10}, bytes(10)) == {}
        [folder] = tmp_path.iterdir()
        assert [path.name for path in folder.iterdir()] == ["b"]


@pytest.mark.slow
def test_a_server_that_ends_is_an_answer(tmp_path: Path) -> None:
    with agent(tmp_path) as process:
        answer(process)
        request = {"do": "start", "argv": [sys.executable, "-c", "print('no'); exit(3)"], "environment": {}}
        assert answer(process, request) == {"ended": 3, "log": "no\n"}
        missing = answer(process, {**request, "argv": ["/nowhere/python"]})
        assert missing == {"error": "No such file or directory", "where": "/nowhere/python"}
        assert answer(process, {"do": "state"}) == {"runs": False, "code": None, "log": ""}


def test_a_log_is_sent_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = board_agent.BoardAgent({"folder": str(tmp_path), "silence_s": 1.0, "start_s": 1.0})
    monkeypatch.setattr(board_agent, "_MOST_SENT", 5)
    log = Path(made.folder) / "device.log"
    log.write_bytes(b"0123456789")
    assert made.do_state()["log"] == "56789"
    log.write_bytes(b"0123456789ab")
    assert made.do_state()["log"] == "ab"
    log.write_bytes(b"x")  # cut, because it was too long
    assert made.do_state()["log"] == "x"
    made.close()
    assert list(tmp_path.iterdir()) == []
