"""A system's operating modes are entered and left by their commands."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from qutiperf.cli import main
from qutiperf.results.store import Store
from qutiperf.run import operating_mode
from tests.conftest import FAULTY, SutFile

SweepFile = Callable[..., Path]


@pytest.mark.slow
def test_a_mode_is_entered_before_and_left_after(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    log = tmp_path / "log"
    modes = "\n".join(
        f'  {mode}: {{enter: [sh, -c, "echo {mode} on >> {log}"],'
        f' leave: [sh, -c, "echo {mode} off >> {log}"]}}'
        for mode in ("fast", "slow")
    )
    sut = sut_file("simulated", extra=f"options: {{latency_us: 100}}\noperating_modes:\n{modes}\n")
    sweep = sweep_file(sut)
    chosen = ["--set", "deployment.operating_mode=slow,fast", "--out", str(tmp_path / "out")]
    assert main(["run", str(sweep), *chosen], debug=False) == 0
    assert log.read_text().split("\n") == ["slow on", "slow off", "fast on", "fast off", ""]


@pytest.mark.slow
def test_a_mode_that_cannot_be_entered_gives_failed_records_and_the_sweep_goes_on(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    failing = '[sh, -c, "echo first >&2; echo no such board >&2; exit 255"]'
    modes = f"operating_modes:\n  fast: {{enter: {failing}}}\n  dumb: {{enter: ['false']}}\n  plain: {{}}\n"
    sweep = sweep_file(sut_file("simulated", extra=modes), extra="modes: [PerformanceOnly]\n")
    out = tmp_path / "out"
    chosen = ["--out", str(out), "--set", "deployment.operating_mode=fast,dumb,plain"]
    assert main(["run", str(sweep), *chosen], debug=True) == 3
    found = {r.point.deployment["operating_mode"]: r for r in Store.open(out).records()}
    assert found["plain"].valid
    assert [found[mode].reasons for mode in ("fast", "dumb")] == [
        [
            "device: operating_modes.fast.enter: sh -c echo first >&2; echo no such board >&2; exit 255: "
            "exit status 255: first no such board"
        ],
        ["device: operating_modes.dumb.enter: false: exit status 1"],
    ]
    assert all(found[mode].failure.setup_missing for mode in ("fast", "dumb"))  # type: ignore[union-attr]


def test_a_command_that_is_not_installed_is_reported_before_anything_is_measured(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, capsys: pytest.CaptureFixture[str]
) -> None:
    modes = "operating_modes:\n  fast: {leave: [no-such-command-anywhere]}\n"
    sweep = sweep_file(sut_file("simulated", extra=modes))
    chosen = ["--out", str(tmp_path / "out"), "--set", "deployment.operating_mode=fast"]
    assert main(["run", str(sweep), *chosen]) == 3
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("qutiperf: device: operating_modes.fast.leave: command 'no-such-command")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["qutiperf-results.json"]


KILLED = [
    pytest.param(signal.SIGTERM, "parent", id="parent-SIGTERM"),
    pytest.param(signal.SIGHUP, "parent", id="parent-SIGHUP"),
    pytest.param(signal.SIGINT, "parent", id="parent-SIGINT"),
    pytest.param(signal.SIGKILL, "parent", id="parent-SIGKILL"),
    pytest.param(signal.SIGKILL, "worker", id="worker-SIGKILL"),
    pytest.param(signal.SIGKILL, "supervisor", id="supervisor-SIGKILL"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "target"), KILLED)
def test_a_kill_leaves_nothing_running_and_nothing_switched_on(
    number: signal.Signals, target: str, tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    process, log = _start(tmp_path, sut_file, sweep_file)
    children = psutil.Process(process.pid).children(recursive=True)
    [supervisor] = [child for child in children if "supervisor.py" in " ".join(child.cmdline())]
    worker = next(child for child in children if "qutiperf.run.worker" in child.cmdline())
    started = [child for child in children if "3471" in child.cmdline()]
    assert len(started) == 2  # one of them in a session of its own
    os.kill({"parent": process.pid, "worker": worker.pid, "supervisor": supervisor.pid}[target], number)
    code = process.wait(60)
    expected = {"worker": 4, "supervisor": 4}.get(target, -9 if number == signal.SIGKILL else 130)
    assert code == expected
    if code == 130:
        line = "qutiperf: interrupted; finished runs are kept, and the same command continues "
        line += "with the remaining ones"
        assert (tmp_path / "errors").read_text().splitlines()[-1] == line
    _, alive = psutil.wait_procs(children, timeout=20)
    for child in alive:
        child.kill()
    # nothing is left to find a process in a session of its own after its supervisor was killed
    assert alive == ([started[1]] if target == "supervisor" else [])
    assert log.read_text().splitlines()[:2] == ["on", "off"]
    assert list((tmp_path / "state").glob("qutiperf/modes/*")) == []


@pytest.mark.slow
def test_the_next_start_leaves_a_mode_that_a_kill_of_everything_left_on(
    tmp_path: Path,
    sut_file: SutFile,
    sweep_file: SweepFile,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process, log = _start(tmp_path, sut_file, sweep_file)
    children = psutil.Process(process.pid).children(recursive=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert main(["doctor"]) == 0  # the run still goes on: its mode is its own
    assert "left on" not in capsys.readouterr().out
    for victim in [psutil.Process(process.pid), *children]:
        victim.suspend()
    for victim in [*children, psutil.Process(process.pid)]:
        victim.kill()
    process.wait()
    psutil.wait_procs(children, timeout=20)
    assert log.read_text() == "on\n"
    assert main(["doctor"]) == 0
    warning = "operating mode 'fast' of device was left on by a run that was killed; left it now"
    assert warning in capsys.readouterr().out
    assert log.read_text() == "on\noff\n"
    assert list((tmp_path / "state").glob("qutiperf/modes/*")) == []


def test_only_the_host_that_entered_a_mode_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that share a home see each other's journals."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = operating_mode.journal_folder()
    folder.mkdir(parents=True)
    for host in ("elsewhere", socket.gethostname(), ""):
        leave = ["touch", str(tmp_path / f"left-{host}")]
        entry = operating_mode.JournalEntry(sut="board", mode="fast", leave=leave, host=host)
        (folder / f"{host or 'none'}.json").write_text(entry.model_dump_json())
    line = "operating mode 'fast' of board was left on by a run that was killed; left it now"
    assert operating_mode.undo_left_on() == [line, line]
    assert [path.name for path in folder.iterdir()] == ["elsewhere.json"]
    assert not (tmp_path / "left-elsewhere").exists()


def _start(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> tuple["subprocess.Popen[bytes]", Path]:
    """A run that is measuring in the mode `fast`, on an adapter with two child processes; its mode log."""
    log = tmp_path / "log"
    mode = f'{{enter: [sh, -c, "echo on >> {log}"], leave: [sh, -c, "echo off >> {log}"]}}'
    sut = sut_file(f"{FAULTY}:StartsChildren", extra=f"operating_modes: {{fast: {mode}}}\n")
    chosen = ["--set", "deployment.operating_mode=fast", "--set", "modes=PerformanceOnly"]
    chosen += ["--set", "settings.min_duration_s=30", "--out", str(tmp_path / "out")]
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "qutiperf", "run", str(sweep_file(sut)), *chosen],
            stderr=errors,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )
    limit = time.monotonic() + 60
    while time.monotonic() < limit and process.poll() is None:
        if list((tmp_path / "out").glob(".staging/*/*/mlperf_log_summary.txt")) and log.exists():
            return process, log
        time.sleep(0.05)
    raise AssertionError("the run did not start")
