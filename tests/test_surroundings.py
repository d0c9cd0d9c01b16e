"""The state of the machine, from a tree that stands in for /proc and /sys, and over a window."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from qutiperf import surroundings
from qutiperf.surroundings import Disturbances, EnvironmentRow, Surroundings, disturbances


def tree(root: Path) -> None:
    for core, counts in ((0, (2, 1)), (1, (0, 0))):
        folder = root / f"sys/devices/system/cpu/cpu{core}/thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{counts[0]}\n")
        (folder / "package_throttle_count").write_text(f"{counts[1]}\n")
    chip = root / "sys/class/hwmon/hwmon2"
    chip.mkdir(parents=True)
    (chip / "name").write_text("coretemp\n")
    (chip / "temp1_input").write_text("61000\n")
    (chip / "temp2_input").write_text("67500\n")
    pressure(root, 1_000_000)


def pressure(root: Path, total_us: int) -> None:
    path = root / "proc/pressure/memory"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"some avg10=1.00 avg60=0.50 avg300=0.10 total={total_us}\nfull avg10=0.00 total=5\n")


def test_a_sample_has_the_changes_since_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path)
    times = iter([(10.0, 100.0, 1.0), (14.0, 108.0, 1.4)])  # busy, all, stolen
    monkeypatch.setattr(surroundings, "_cpu_seconds", lambda: next(times))
    moments = iter([50.0, 52.0])
    monkeypatch.setattr(surroundings, "monotonic", lambda: next(moments))
    cores = [SimpleNamespace(current=2000.0), SimpleNamespace(current=3000.0)]
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: cores)
    monkeypatch.setattr("os.getloadavg", lambda: (1.234, 0, 0))
    around = Surroundings(tmp_path)
    pressure(tmp_path, 1_500_000)
    (tmp_path / "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count").write_text("4\n")
    row = around.look(own_cpu_s=2.0, elapsed_s=2.0)
    assert row == {
        "elapsed_s": 2.0,
        "foreign_cpu_percent": 25.0,  # 2 of 8 s
        "steal_percent": 5.0,
        "load_1min": 1.23,
        "cpu_frequency_mhz": 2500.0,
        "cpu_frequency_max_mhz": 3000.0,
        "temperature_c": 67.5,
        "throttle_count": 4,
        "memory_pressure_percent": 25.0,  # 0.5 of 2 s
    }
    assert set(row) == set(Surroundings.COLUMNS)


def test_what_the_system_does_not_report_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: [])
    row = Surroundings(tmp_path).look(0.0, 1.0)
    unknown = ("cpu_frequency_mhz", "cpu_frequency_max_mhz", "temperature_c", "throttle_count")
    assert [row[name] for name in (*unknown, "memory_pressure_percent")] == [None] * 5


def test_a_board_has_thermal_zones(tmp_path: Path) -> None:
    for number, value in enumerate((41_500, 48_000)):
        zone = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(f"{value}\n")
    assert Surroundings(tmp_path).look(0.0, 1.0)["temperature_c"] == 48.0


def row(elapsed_s: float, **values: float | None) -> EnvironmentRow:
    return {"elapsed_s": elapsed_s, **values}


def test_a_window_weighs_each_sample_by_its_overlap() -> None:
    rows = [
        row(1.0, foreign_cpu_percent=90.0, throttle_count=5, temperature_c=90.0),  # before the window
        row(2.0, foreign_cpu_percent=10.0, throttle_count=1, temperature_c=50.0),
        row(4.0, foreign_cpu_percent=40.0, throttle_count=2, temperature_c=60.0),
        row(5.0, foreign_cpu_percent=90.0, throttle_count=0, temperature_c=95.0),  # after it
    ]
    seen = disturbances(rows, 1.5, 4.0)
    assert seen.foreign_cpu_percent == pytest.approx((0.5 * 10 + 2 * 40) / 2.5)
    assert (seen.throttle_count, seen.temperature_c) == (3, 60.0)


def test_the_clock_is_the_lowest_of_the_highest() -> None:
    rows = [
        row(number, cpu_frequency_max_mhz=clock) for number, clock in ((1, 3000.0), (2, 1500.0), (3, 2000.0))
    ]
    assert disturbances(rows, 0.0, 3.0).clock_percent == 50.0
    assert disturbances(rows, 0.0, 2.0).clock_percent is None  # two samples are not a drop


def test_one_unknown_sample_makes_the_mean_unknown() -> None:
    rows = [row(1.0, foreign_cpu_percent=10.0), row(2.0, foreign_cpu_percent=None)]
    assert disturbances(rows, 0.0, 2.0).foreign_cpu_percent is None
    assert disturbances([], 0.0, 1.0) == Disturbances()
