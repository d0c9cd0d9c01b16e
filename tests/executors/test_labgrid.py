"""Boards that are places of a real labgrid coordinator; switching one off stops its sshd."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from time import monotonic, sleep

import pytest
import yaml

from qutiperf.cli import main
from qutiperf.results.store import Store
from tests.conftest import SutFile, fails
from tests.executors.labgrid_lab import PLACE, Lab, labgrid_path, missing_labgrid, running_lab
from tests.executors.sshd import Sshd, missing_program, running_sshd

MISSING = missing_program() or missing_labgrid()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MISSING is not None, reason=f"{MISSING} is not installed: see .ci/run"),
]
SweepFile = Callable[..., Path]
FAST = "options: {latency_us: 100}\n"


def rack(tmp_path: Path, server: Sshd, lab: Lab, **more: object) -> list[str]:
    folder = str(tmp_path / "board")
    host = server.host("one", python=sys.executable, folder=folder, place=PLACE, coordinator=lab.address)
    content = {"kind": "hosts", "schema_version": 1, "hosts": [{**host, **more}]}
    (tmp_path / "rack.yaml").write_text(yaml.safe_dump(content))
    return ["--executor", "ssh", "--hosts", str(tmp_path / "rack.yaml")]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, sshd: Sshd) -> Iterator[Lab]:
    def switch(value: str) -> None:
        """The board boots for a second."""
        if value == "0":
            sshd.stop()
        else:
            Timer(1.0, sshd.start).start()

    with running_lab(tmp_path_factory.mktemp("lab"), switch) as running:
        yield running


@pytest.fixture(autouse=True)
def _labgrid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", labgrid_path())


def test_a_board_is_acquired_switched_measured_and_released(
    sshd: Sshd, lab: Lab, tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    lab.switched.clear()
    sweep, out = str(sweep_file(sut_file("simulated", extra=FAST))), tmp_path / "out"
    command = [
        "run",
        sweep,
        "--set",
        "modes=PerformanceOnly",
        "--out",
        str(out),
        *rack(tmp_path, sshd, lab),
    ]
    assert main(command) == 0
    [record] = Store(out).read().records
    assert (record.failure, record.host["board"], record.host["place"]) == (None, "one", PLACE)
    assert lab.switched == ["0", "1"]
    assert not lab.is_acquired


def test_a_board_that_is_off_is_switched_on_to_be_planned_for(
    sshd: Sshd, lab: Lab, tmp_path: Path, sweep_file: SweepFile
) -> None:
    sshd.stop()
    lab.switched.clear()
    options = rack(tmp_path, sshd, lab)
    assert main(["run", str(sweep_file("cpu-onnxruntime")), "--dry-run", *options]) == 0
    assert lab.switched == ["0", "1"]
    assert not lab.is_acquired


def test_a_board_that_does_not_start_is_one_line_and_released(
    sshd: Sshd, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], sweep_file: SweepFile
) -> None:
    options = rack(tmp_path, sshd, lab, port=1, boot_s=1.0)
    line = fails(capsys, ["run", str(sweep_file("cpu-onnxruntime")), *options], 3)
    assert "nothing listens at its ssh port, 1 s after it was switched on; check it, or raise boot_s" in line
    assert not lab.is_acquired


def test_a_place_that_is_taken_is_one_line_and_stays_so(
    sshd: Sshd, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], sweep_file: SweepFile
) -> None:
    lab.client("acquire")
    try:
        line = fails(capsys, ["run", str(sweep_file("cpu-onnxruntime")), *rack(tmp_path, sshd, lab)], 3)
        assert line.startswith(f"qutiperf: host one: place '{PLACE}' cannot be acquired: You have already")
        assert lab.is_acquired
    finally:
        lab.client("release")


def test_an_unknown_place_is_one_line(
    sshd: Sshd, lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str], sweep_file: SweepFile
) -> None:
    options = rack(tmp_path, sshd, lab, place="pi-7")
    line = fails(capsys, ["run", str(sweep_file("cpu-onnxruntime")), *options], 3)
    assert line.startswith("qutiperf: host one: place 'pi-7' cannot be acquired: ")


def test_a_killed_command_releases_its_place(
    sshd: Sshd, lab: Lab, tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    sweep, out = str(sweep_file(sut_file("simulated", extra=FAST))), tmp_path / "out"
    settings = [
        "--set",
        "modes=PerformanceOnly",
        "--set",
        "repeats=50",
        "--set",
        "settings.min_duration_s=1",
    ]
    command = ["run", sweep, *settings, "--out", str(out), *rack(tmp_path, sshd, lab)]
    process = subprocess.Popen(
        [sys.executable, "-m", "qutiperf", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    limit = monotonic() + 90
    while not list(out.glob("*/record.json")) and process.poll() is None and monotonic() < limit:
        sleep(0.1)
    assert lab.is_acquired
    process.send_signal(signal.SIGKILL)
    process.wait()
    limit = monotonic() + 30
    while lab.is_acquired and monotonic() < limit:
        sleep(0.5)
    assert not lab.is_acquired
