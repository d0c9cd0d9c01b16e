"""The executor ssh with a real sshd: this machine is the rack, and each folder a board."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
import yaml

from qutiperf.cli import main
from qutiperf.results.record import RunRecord
from qutiperf.results.store import Store
from tests.conftest import FAULTY, SutFile, fails
from tests.executors.sshd import Sshd, missing_program, running_sshd

MISSING = missing_program()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MISSING is not None, reason=f"{MISSING} is not installed: apt install openssh-server"),
]
SweepFile = Callable[..., Path]
FAST = "options: {latency_us: 100}\n"
SIMULATED = ["--set", "modes=PerformanceOnly"]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


class Boards:
    """Writes hosts files; the folder of each board must be empty at the end."""

    def __init__(self, folder: Path) -> None:
        self.file, self._folder = folder / "rack.yaml", folder
        self.hosts: list[dict[str, object]] = []

    def add(self, server: Sshd, name: str, **more: object) -> Path:
        """The folder of the new board."""
        folder = self._folder / f"board-{name}"
        self.hosts.append(server.host(name, **{"python": sys.executable, "folder": str(folder), **more}))
        content = {"kind": "hosts", "schema_version": 1, "hosts": self.hosts}
        self.file.write_text(yaml.safe_dump(content))
        return folder

    @property
    def options(self) -> list[str]:
        return ["--executor", "ssh", "--hosts", str(self.file)]

    @property
    def left(self) -> list[str]:
        """Files on the boards, and processes of them, after some seconds at most."""
        limit = monotonic() + 15
        while (left := self._left()) and monotonic() < limit:
            sleep(0.1)
        return left

    def _left(self) -> list[str]:
        files = [str(path) for path in self._folder.glob("board-*/*")]
        for process in psutil.process_iter(["cmdline", "cwd"]):
            words = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
            if any("board-" in word and str(self._folder) in word for word in words):
                files.append(" ".join(words)[:200])
        return files


@pytest.fixture
def boards(tmp_path: Path) -> Boards:
    return Boards(tmp_path)


def records(out: Path) -> list[RunRecord]:
    return Store(out).read().records


def started(command: list[str], out: Path, runs: int = 1) -> "subprocess.Popen[bytes]":
    """A command of its own that has stored some runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qutiperf", *command, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    limit = monotonic() + 60
    while len(list(out.glob("*/record.json"))) < runs and process.poll() is None and monotonic() < limit:
        sleep(0.05)
    assert process.poll() is None, process.communicate()
    return process


def test_a_sweep_is_measured_on_two_boards(
    sshd: Sshd, boards: Boards, tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    boards.add(sshd, "one")
    boards.add(sshd, "two")
    sweep, out = str(sweep_file(sut_file("simulated", extra=FAST))), tmp_path / "out"
    command = ["run", sweep, *SIMULATED, "--set", "deployment.streams=1,2", "--set", "repeats=2"]
    command += ["--set", "settings.min_duration_s=1"]
    assert main([*command, "--out", str(out), *boards.options]) == 0
    measured = records(out)
    assert [record.failure for record in measured] == [None] * 4
    assert {str(record.host["board"]) for record in measured} == {"one", "two"}
    for record in measured:
        assert record.host["reached_over"] == "ssh"
        assert record.host["address"] == "127.0.0.1"
        assert record.loadgen_host is not None
        assert record.host["cpu_model"] == record.loadgen_host["cpu_model"]
        assert record.observed is not None
        assert record.observed.over_network
        assert record.observed.phases["transfer"].mean_ns > 0
        assert record.observed.adapter["server"].startswith("qutiperf ")
        assert record.observed.adapter_figures["link_round_trip_us"] > 0
        assert record.inputs.sut.adapter == "simulated"
        assert record.power_reason.startswith("the device is reached through a network")
    loads = {(record.point.deployment["streams"], str(record.host["board"])) for record in measured}
    assert len(loads) == 2  # repeats of a load are measured on one board
    assert boards.left == []
    assert main([*command, "--out", str(out), *boards.options]) == 0
    again = {record.run_id for record in records(out) if record.attempt == 2}
    assert again == {record.run_id for record in measured if not record.valid}
    assert main([*command, "--out", str(out)]) == 0  # on this machine itself, these are other runs
    assert len({record.run_id for record in records(out)}) == 8
    assert list(tmp_path.parent.glob("qutiperf-ssh-*")) == []


def test_accuracy_and_threads_are_those_of_a_real_model(
    sshd: Sshd, boards: Boards, tmp_path: Path, sweep_file: SweepFile
) -> None:
    boards.add(sshd, "one")
    out = tmp_path / "out"
    command = ["run", str(sweep_file("cpu-onnxruntime")), "--set", "deployment.threads=2", "--out", str(out)]
    assert main([*command, *boards.options]) == 0
    accuracy, performance = sorted(records(out), key=lambda record: record.point.mode.value)
    assert accuracy.figures.top1_percent == pytest.approx(98.2)
    assert performance.observed is not None
    assert performance.observed.adapter["platform"] == "qutiperf_onnxruntime"
    assert performance.point.deployment["threads"] == 2
    assert performance.inputs.sut.name == "cpu-onnxruntime"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"user": "nobody-here"},
            "it refuses the key; `ssh-copy-id`, or name user and key in the hosts file",
        ),
        ({"port": 1}, "nothing listens at its ssh port; is it switched on, and sshd running? check port"),
        ({"address": "no-such-host.invalid"}, "its address is not known; check address in the hosts file"),
        ({"known_hosts": "empty"}, "its host key is not known; connect once with ssh and check the key"),
        ({"known_hosts": "changed"}, "its host key is not the one in known_hosts; find out why it changed"),
        ({"python": "/nowhere/python3"}, "there is no /nowhere/python3 there; install it there"),
        ({"python": "/bin/false"}, "its agent ended with exit status 1"),
    ],
)
def test_a_board_that_cannot_be_reached_is_one_line(
    changes: dict[str, object],
    problem: str,
    sshd: Sshd,
    boards: Boards,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sweep_file: SweepFile,
) -> None:
    (tmp_path / "empty").write_text("")
    other = (sshd.folder / "user_key.pub").read_text().split()[:2]  # as if it were the host's
    (tmp_path / "changed").write_text(f"[127.0.0.1]:{sshd.port} {' '.join(other)}\n")
    boards.add(sshd, "one", **changes)
    command = ["run", str(sweep_file("cpu-onnxruntime")), *boards.options, "--out", str(tmp_path / "out")]
    line = fails(capsys, command, 4 if "exit status" in problem else 3)
    assert problem in line
    assert not (tmp_path / "out").exists()


def test_what_a_board_lacks_is_in_the_failed_record(
    sshd: Sshd, boards: Boards, tmp_path: Path, sweep_file: SweepFile
) -> None:
    """No numpy, no room, no such device; one board after the other."""
    wrappers = {"bare": 'exec {0} -S "$@"', "full": 'ulimit -f 20; exec {0} "$@"'}
    reasons = {}
    for name, script in wrappers.items():
        python = tmp_path / f"python-{name}"
        python.write_text(f"#!/bin/sh\n{script.format(sys.executable)}\n")
        python.chmod(0o755)
        boards.hosts.clear()
        boards.add(sshd, name, python=str(python))
        out = tmp_path / name
        assert main(["run", str(sweep_file("cpu-onnxruntime")), *boards.options, "--out", str(out)]) == 3
        reasons[name] = {record.failure.reason for record in records(out) if record.failure}
    [bare], [full] = reasons["bare"], reasons["full"]
    missing = "host bare: ModuleNotFoundError: No module named 'numpy'"
    assert bare == f"{missing}; install it there for {tmp_path}/python-bare"
    assert full.startswith("host full: ")
    assert "File too large; make room there, or name another folder in the hosts file" in full
    assert boards.left == []


def test_without_tunnels_the_record_says_so(boards: Boards, tmp_path: Path, sweep_file: SweepFile) -> None:
    (tmp_path / "sshd").mkdir()
    with running_sshd(tmp_path / "sshd", ["AllowTcpForwarding no"]) as server:
        boards.add(server, "one")
        out = tmp_path / "out"
        assert main(["run", str(sweep_file("cpu-onnxruntime")), *boards.options, "--out", str(out)]) == 3
        [reason] = {record.failure.reason for record in records(out) if record.failure}
    assert reason.startswith(
        "host one: no tunnel to its server: it allows no tunnel; AllowTcpForwarding local"
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("Crashes", "the server on one ended: killed by SIGSEGV"),
        (
            "RaisesInLoad",
            "host one: the device server did not start: the adapter failed to load: RuntimeError",
        ),
        ("LacksDevice", "host one: the device server did not start: no device npu7; plug it in"),
    ],
)
def test_a_failing_device_is_a_failed_record(
    fault: str,
    reason: str,
    sshd: Sshd,
    boards: Boards,
    tmp_path: Path,
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    boards.add(sshd, "one")
    sweep, out = str(sweep_file(sut_file(f"{FAULTY}:{fault}"))), tmp_path / "out"
    code = main(["run", sweep, *SIMULATED, *boards.options, "--out", str(out)])
    assert code == (3 if fault == "LacksDevice" else 4)
    [record] = records(out)
    assert record.failure is not None
    assert reason in record.failure.reason
    assert (out / f"{record.run_id}-1" / "device.log").is_file()
    assert boards.left == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_board_that_vanishes_is_a_failed_record_and_the_others_go_on(
    how: signal.Signals,
    sshd: Sshd,
    boards: Boards,
    tmp_path: Path,
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    (tmp_path / "sshd").mkdir()
    with running_sshd(tmp_path / "sshd") as other:
        boards.add(sshd, "steady")
        boards.add(other, "shaky")
        sweep, out = str(sweep_file(sut_file("simulated", extra=FAST))), tmp_path / "out"
        command = ["run", sweep, *SIMULATED, "--set", "deployment.streams=1,2,3,4"]
        command += ["--set", "settings.min_duration_s=3", *boards.options]
        process = started(command, out, 0)
        limit = monotonic() + 60
        while not list(tmp_path.glob("board-shaky/*/device.log")) and monotonic() < limit:
            sleep(0.05)
        sleep(2.5)  # into its first run
        other.send_to_sessions(how)
        _, stderr = process.communicate(timeout=180)
        other.send_to_sessions(signal.SIGCONT)
        assert boards.left == []
    measured = records(out)
    [failed] = [record for record in measured if record.failure]
    assert failed.failure is not None
    assert failed.host["board"] == "shaky"
    assert "host shaky: " in failed.failure.reason
    assert process.returncode == (3 if failed.failure.setup_missing else 4)
    assert [str(record.host["board"]) for record in measured if not record.failure] == ["steady"] * 3
    assert "other boards get its loads" in stderr.decode()
    boards.hosts.pop()
    boards.hosts.pop()
    boards.add(sshd, "steady")
    assert main([*command, "--out", str(out)]) == 0
    assert len({record.run_id for record in records(out) if not record.failure}) == 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_stays_on_a_board_when_the_command_is_ended(
    number: signal.Signals,
    sshd: Sshd,
    boards: Boards,
    tmp_path: Path,
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    folder = boards.add(sshd, "one")
    sweep, out = str(sweep_file(sut_file("simulated", extra=FAST))), tmp_path / "out"
    command = ["run", sweep, *SIMULATED, "--set", "repeats=30", "--set", "settings.min_duration_s=1"]
    process = started([*command, *boards.options], out)
    assert list(folder.iterdir()) != []
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == (-number if number is signal.SIGKILL else 130)
    assert b"Traceback" not in stderr
    assert boards.left == []
    command = [*command, "--set", "repeats=2"]
    assert main([*command, *boards.options, "--out", str(out)]) == 0
    assert not (out / ".staging").exists()


def test_an_operating_mode_is_entered_on_the_board(
    sshd: Sshd, boards: Boards, tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    boards.add(sshd, "one")
    log = tmp_path / "modes"
    modes = {
        "fast": {
            when: ["sh", "-c", f'echo "{when} over ${{SSH_CONNECTION%% *}}" >> "{log}"']
            for when in ("enter", "leave")
        }
    }
    extra = FAST + yaml.safe_dump({"operating_modes": modes})
    sweep, out = str(sweep_file(sut_file("simulated", extra=extra))), tmp_path / "out"
    command = ["run", sweep, *SIMULATED, "--set", "deployment.operating_mode=fast", "--out", str(out)]
    assert main([*command, *boards.options]) == 0
    assert log.read_text().splitlines() == ["enter over 127.0.0.1", "leave over 127.0.0.1"]


def test_two_commands_do_not_measure_on_one_board(
    sshd: Sshd,
    boards: Boards,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    boards.add(sshd, "one")
    sweep = str(sweep_file(sut_file("simulated", extra=FAST)))
    command = ["run", sweep, *SIMULATED, "--set", "repeats=100", "--set", "settings.min_duration_s=1"]
    process = started([*command, *boards.options], tmp_path / "out")
    try:
        assert main([*command, *boards.options, "--out", str(tmp_path / "other")]) == 3
        line = capsys.readouterr().err.splitlines()[-1]
        assert line == "qutiperf: host one: another qutiperf is measuring on this board; wait until it ends"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_a_meter_of_this_machine_does_not_measure_a_board(
    sshd: Sshd,
    boards: Boards,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    boards.add(sshd, "one")
    sweep = str(sweep_file(sut_file("simulated", extra=FAST)))
    command = ["run", sweep, *SIMULATED, "--power", "rapl", *boards.options, "--out", str(tmp_path / "out")]
    assert main(command) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("qutiperf: device: power: rapl measures this machine, not the board")


def test_the_folder_of_sockets_may_have_a_long_path(
    sshd: Sshd,
    boards: Boards,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sut_file: SutFile,
    sweep_file: SweepFile,
) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    boards.add(sshd, "one")
    sweep, out = str(sweep_file(sut_file("simulated", extra=FAST))), tmp_path / "out"
    assert main(["run", sweep, *SIMULATED, *boards.options, "--out", str(out)]) == 0
    shutil.rmtree(long)
    assert os.path.lexists(out)
