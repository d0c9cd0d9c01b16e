"""Meters whose readings come as text."""

import shlex
import sys
import time
from pathlib import Path

import pytest

from qutiperf.errors import InputError, SetupError
from qutiperf.power import recorded
from qutiperf.power.meter import Reading
from qutiperf.power.recorded import PowerCommand, PowerFile, Replay
from qutiperf.power.stamped_lines import StampedLines, moment_ns


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1.5,12"], [Reading(1_500_000_000, "supply", 12.0)]),
        (["1.5,usb,12"], [Reading(1_500_000_000, "usb", 12.0)]),
        (["time_s,watts", "2,3.25"], [Reading(2_000_000_000, "supply", 3.25)]),
        (["meter,time_s,rail,watts,joules", "rapl,2,p,,7"], [Reading(2_000_000_000, "p", 7.0)]),
        (["Timestamp,Energy_J", "1970-01-01T00:00:03+00:00,7"], [Reading(3_000_000_000, "supply", 7.0)]),
        (["# a remark", "", "1,2"], [Reading(1_000_000_000, "supply", 2.0)]),
    ],
)
def test_the_format(lines: list[str], expected: list[Reading]) -> None:
    reader = StampedLines()
    assert [reading for line in lines if (reading := reader.take(line))] == expected
    assert reader.unreadable == 0


@pytest.mark.parametrize(
    "line",
    ["1,nan", "1,inf", "x,1", "1e300,1", "-5,1", "1764374400123,5", "2026-11-29T00:00:00,1", "5", "1,2,3,4"],
)
def test_damage_is_counted(line: str) -> None:
    reader = StampedLines()
    assert reader.take(line) is None
    assert reader.unreadable == 1


def test_a_rail_has_watts_or_joules() -> None:
    reader = StampedLines()
    reader.take("time_s,rail,watts,joules")
    assert reader.take("1,a,5,") == Reading(1_000_000_000, "a", 5.0)
    assert reader.take("2,a,,5") is None


def test_times_are_seconds_or_have_a_zone() -> None:
    assert (
        moment_ns("1764374400.25") == moment_ns("2025-11-29T01:00:00.25+01:00") == 1_764_374_400_250_000_000
    )


def test_a_file_gives_what_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_MORE_S", 0.0)
    path = tmp_path / "watts.csv"
    path.write_text("time_s,watts\n1,2\n2,3")
    meter = PowerFile(str(path))
    [rail] = meter.open()
    assert (rail.name, rail.quantity) == ("supply", "power")
    assert meter.read() == [Reading(1_000_000_000, "supply", 2.0)]
    with path.open("a") as stream:
        stream.write(".5\n3,4\n")
    assert [reading.value for reading in meter.read()] == [3.5, 4.0]
    path.unlink()
    with pytest.raises(OSError, match=r"watts\.csv was deleted"):
        meter.read()
    meter.close()


def test_of_a_large_file_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_TAIL_BYTES", 100)
    path = tmp_path / "watts.csv"
    path.write_text("watts,time_s\n" + "".join(f"5,{number:08}\n" for number in range(1000)))
    meter = PowerFile(str(path))
    meter.open()
    assert [reading.time_ns // 10**9 for reading in meter.read()] == list(range(991, 1000))
    meter.close()


@pytest.mark.parametrize("content", ["", "no numbers at all\n", "time_s,watts\n"])
def test_a_file_without_a_reading_names_the_format(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "_FIRST_S", 0.05)
    path = tmp_path / "watts.csv"
    path.write_text(content)
    meter = PowerFile(str(path))
    with pytest.raises(SetupError, match="no reading; its lines are TIME,WATTS"):
        meter.open()
    meter.close()


def test_a_missing_file_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="start the meter's program first"):
        PowerFile(str(tmp_path / "none")).open()


def test_a_command_is_read_until_it_ends() -> None:
    meter = PowerCommand(f"{sys.executable} -c 'print(12.5); print(13.5, flush=True)'")
    before = time.time_ns()
    [rail] = meter.open()
    readings = meter.read()
    assert (rail.name, [reading.value for reading in readings]) == ("supply", [12.5, 13.5])
    assert all(before <= reading.time_ns <= time.time_ns() for reading in readings)
    with pytest.raises(OSError, match="the command ended with exit status 0"):
        read_on(meter)
    meter.close()


def read_on(meter: PowerCommand) -> None:
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        meter.read()


def test_a_command_may_print_its_rails_one_by_one() -> None:
    program = "import time\nfor n in range(9):\n"
    program += "    print(n, chr(97 + n % 3), 5, sep=chr(44), flush=True)\n    time.sleep(0.02)\n"
    meter = PowerCommand(shlex.join([sys.executable, "-c", program]))
    assert {rail.name for rail in meter.open()} == {"a", "b", "c"}
    meter.close()


@pytest.mark.parametrize(
    ("command", "error", "what"),
    [
        ("no-such-program-anywhere --x", SetupError, "'no-such-program-anywhere' is not installed"),
        ("false", SetupError, "the command ended with exit status 1"),
        ("'", InputError, "command: No closing quotation"),
    ],
)
def test_a_command_that_cannot_work(command: str, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        PowerCommand(command).open()


def test_a_recording_is_shifted_to_now(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    path.write_text("time_s,rail,watts,joules\n100,a,5,\n100.001,a,6,\n9000,a,7,\n")
    meter = Replay(str(path))
    before = time.time_ns()
    meter.open()
    time.sleep(0.002)
    first, second = meter.read()
    assert before <= first.time_ns <= time.time_ns()
    assert (second.time_ns - first.time_ns, first.value, second.value) == (1_000_000, 5.0, 6.0)
    assert meter.read() == []


def test_a_recording_starts_again_and_its_counters_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "power.csv"
    path.write_text("time_s,rail,watts,joules\n10,a,5,\n11,a,6,\n10,b,,100\n11,b,,103\n")
    now = 50 * 10**9
    monkeypatch.setattr(recorded, "time_ns", lambda: now)
    meter = Replay(str(path))
    meter.open()
    now += 3 * 10**9
    readings = meter.read()
    assert [(each.time_ns // 10**9, each.value) for each in readings if each.rail == "a"] == [
        (50, 5.0),
        (51, 6.0),
        (52, 5.0),
        (53, 6.0),
    ]
    assert [each.value for each in readings if each.rail == "b"] == [100.0, 103.0, 106.0, 109.0]
    assert meter.read() == []


def test_a_recording_of_a_moment_ends(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    path.write_text("1,5\n")
    meter = Replay(str(path))
    meter.open()
    assert len(meter.read()) == 1
    with pytest.raises(OSError, match="the recording is over"):
        meter.read()
