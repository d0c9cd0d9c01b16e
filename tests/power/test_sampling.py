"""A sampler process and its parent."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from qutiperf.errors import InputError, SetupError
from qutiperf.power.power_trace import MeterWindow
from qutiperf.power.registry import automatic, make_meter, meter_class, states
from qutiperf.power.sampling import MeterProcess
from tests.power.boards import xeon


@pytest.mark.slow
def test_readings_reach_the_parent_until_the_moment_it_names(tmp_path: Path) -> None:
    xeon(tmp_path / "sys", sockets=1)
    process = MeterProcess(f"rapl:{tmp_path / 'sys'}", 0.01, tmp_path / "readings")
    assert (process.facts.name, process.facts.coverage, process.facts.missing) == ("rapl", "device", [])
    begin = time.time_ns()
    time.sleep(0.2)
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text("2000000\n")
    end = time.time_ns()
    process.collect(end)
    process.close()
    package, *_ = process.trace.over(MeterWindow(begin, end))
    assert package.readings > 3
    assert process.trace.values["package-0"][-1] == 2.0
    assert process.failure is None
    assert not psutil.pid_exists(process.pid)


@pytest.mark.slow
def test_a_meter_that_vanishes_keeps_what_it_gave(tmp_path: Path) -> None:
    xeon(tmp_path / "sys", sockets=1)
    process = MeterProcess(f"rapl:{tmp_path / 'sys'}", 0.01, tmp_path / "readings")
    process.collect(time.time_ns())
    counter = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    counter.write_text("")
    limit = time.monotonic() + 10
    while process.failure is None and time.monotonic() < limit:
        process.collect(time.time_ns())
    process.close()
    assert process.failure == f"{counter} has no number"
    assert process.trace.values["package-0"][0] == 1.0


@pytest.mark.slow
def test_a_sampler_that_is_killed_is_a_failure_and_loses_nothing(tmp_path: Path) -> None:
    xeon(tmp_path / "sys", sockets=1)
    process = MeterProcess(f"rapl:{tmp_path / 'sys'}", 0.01, tmp_path / "readings")
    process.collect(time.time_ns())
    os.kill(process.pid, signal.SIGKILL)
    process.collect(time.time_ns())
    process.close()
    assert process.failure == "its sampler does not answer"
    assert len(process.trace.times["package-0"]) >= 1


@pytest.mark.slow
def test_forgetting_empties_the_file_and_sampling_goes_on(tmp_path: Path) -> None:
    xeon(tmp_path / "sys", sockets=1)
    process = MeterProcess(f"rapl:{tmp_path / 'sys'}", 0.005, tmp_path / "readings")
    for _ in range(3):
        process.collect(time.time_ns())
        before = len(process.trace.times["package-0"])
        process.forget(time.time_ns())
        process.collect(time.time_ns())
        assert len(process.trace.times["package-0"]) > before
    assert process.failure is None
    process.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "error", "what"),
    [
        ("rapl:/nowhere", SetupError, "no RAPL counters"),
        ("raple", InputError, "power: no meter named 'raple'; did you mean 'rapl'"),
    ],
)
def test_a_meter_that_cannot_be_opened_raises_in_the_parent(
    tmp_path: Path, text: str, error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        MeterProcess(text, 0.1, tmp_path / "readings")


@pytest.mark.slow
def test_a_command_ends_with_its_sampler(tmp_path: Path) -> None:
    program = tmp_path / "meter.py"
    program.write_text("import time\nwhile True:\n    print(5.0, flush=True)\n    time.sleep(0.01)\n")
    process = MeterProcess(f"command:{sys.executable} {program}", 0.05, tmp_path / "readings")
    [command] = psutil.Process(process.pid).children()
    process.close()
    _, alive = psutil.wait_procs([command], timeout=10)
    assert alive == []


@pytest.mark.parametrize("name", ["redfish", "file", "command", "replay"])
def test_what_needs_a_place_says_so(name: str) -> None:
    with pytest.raises(InputError, match=f"power: {name} needs to know where it reads; write {name}:"):
        make_meter(name)


def test_the_meter_is_chosen_by_the_platform_and_never_for_a_device_elsewhere() -> None:
    assert automatic("cpu", over_network=False) == (["rapl"], "")
    assert automatic("gpu", over_network=False) == (["nvml", "amdsmi"], "")
    names, reason = automatic("cpu", over_network=True)
    assert (names, reason) == ([], "the device is reached through a network: name its meter with --power")
    names, reason = automatic("dpu", over_network=False)
    assert (names, reason) == ([], "no meter is chosen by itself for the family 'dpu': name one with --power")


def test_every_meter_says_how_it_was_tried_and_how_to_make_it_work() -> None:
    listed = {state.name: state for state in states()}
    assert {name: state.verified for name, state in listed.items()} == {
        "rapl": "replayed",
        "hwmon": "replayed",
        "ina": "replayed",
        "redfish": "replayed",
        "nvml": "untried",
        "amdsmi": "untried",
        "joulescope": "untried",
        "file": "real",
        "command": "real",
        "replay": "replayed",
    }
    assert all(state.state for state in listed.values())
    assert {meter_class(name).name for name in listed} == set(listed)
