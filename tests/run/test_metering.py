"""The power of whole runs, and which meter a system gets."""

import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qutiperf.cli import main
from qutiperf.errors import InputError, SetupError
from qutiperf.mlperf_logs import test_window_ns as window_ns
from qutiperf.power.rapl import Rapl
from qutiperf.results.record import PowerRecord
from qutiperf.results.store import Store, read_record
from qutiperf.run.metering import Metering, check_power
from qutiperf.spec.sut import Power, load_sut
from tests.conftest import SutFile, fails
from tests.places import DATA
from tests.power.boards import xeon
from tests.power.redfish_server import Resources, controller, with_environment

SweepFile = Callable[..., Path]
TIMES = "options: {latency_us: 400, latency_per_input_us: 100}\n"
PERFORMANCE = "modes: [PerformanceOnly]\n"


def test_the_window_is_that_of_the_log(tmp_path: Path) -> None:
    line = ':::MLLOG {{"key": "{}", "value": "{}", "metadata": {{}}}}\n'
    text = line.format("power_begin", "11-22-2026 13:17:10.946") + line.format(
        "power_end", "11-22-2026 13:17:12.000"
    )
    (tmp_path / "mlperf_log_detail.txt").write_text(text)
    assert window_ns(tmp_path) == (1_795_353_430_946_000_000, 1_795_353_432_000_000_000)
    (tmp_path / "mlperf_log_detail.txt").write_text(line.format("power_begin", "11-22-2026 13:17:10.946"))
    assert window_ns(tmp_path) is None


@pytest.mark.parametrize(
    ("meters", "what"),
    [
        (["raple"], "no meter named 'raple'; did you mean 'rapl'"),
        ([], "power.meter: names no meter; write none"),
        (["rapl", "none"], "power.meter: 'none' is beside other meters; name it alone"),
        (["file"], "file needs to know where it reads; write file:PATH"),
        (["redfish:bmc"], "is not the address of a management controller"),
    ],
)
def test_a_wrong_meter_is_an_input_error(meters: list[str], what: str) -> None:
    with pytest.raises(InputError, match=what):
        check_power(Power(meter=meters), "device")


def test_a_wrong_meter_ends_the_command_before_anything_is_written(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sweep = sweep_file(sut_file("simulated"))
    line = fails(capsys, ["run", str(sweep), "--out", str(out), "--power", "rapl", "--power", "auto"], 2)
    assert line == "qutiperf: device: power.meter: 'auto' is beside other meters; name it alone"
    sweep = sweep_file(sut_file("simulated"), extra="power: volts\n")
    line = fails(capsys, ["run", str(sweep), "--out", str(out)], 2)
    assert line.startswith("qutiperf: power: no meter named 'volts'; ")
    assert not out.exists()


def test_without_a_meter_the_record_has_the_reason(tmp_path: Path) -> None:
    metering = Metering(tmp_path)
    sut = load_sut("cpu-onnxruntime")[0]
    metering.enter(sut.model_copy(update={"power": Power(meter="none")}), "default")
    assert (metering.finish(tmp_path).reason, metering.idle_s, metering.pids) == ("power: none", 0.0, ())


@pytest.mark.slow
def test_a_meter_that_is_named_and_does_not_work_stops_the_command(
    sut_file: SutFile, sweep_file: SweepFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = sweep_file(sut_file("simulated"), extra=PERFORMANCE)
    arguments = ["run", str(sweep), "--out", str(tmp_path / "out"), "--power", f"rapl:{tmp_path}"]
    assert main(arguments, debug=False) == 3
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith(f"qutiperf: {tmp_path}/class/powercap: no RAPL")
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["qutiperf-results.json"]


def measured(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, *meters: str, more: str = "", seconds: int = 6
) -> PowerRecord | None:
    """The power of an Offline run, at two readings a second: gaps of 2.5 s are fine on a busy machine."""
    out = tmp_path / "out"
    sweep = sweep_file(
        sut_file("simulated", extra=f"{TIMES}power: {{rate_hz: 2{more}}}\n"), extra=PERFORMANCE
    )
    chosen = [part for meter in meters for part in ("--power", meter)]
    assert (
        main(["run", str(sweep), "--set", f"settings.min_duration_s={seconds}", "--out", str(out), *chosen])
        == 0
    )
    [record] = Store.open(out).latest()
    return record.power


@pytest.fixture
def watts(tmp_path: Path) -> str:
    """A command that prints 20 W and a little more, a hundred times a second."""
    program = tmp_path / "meter.py"
    program.write_text(
        "import time\n"
        "while True:\n"
        "    now = time.time()\n"
        "    print(f'{now:.6f},board,{20 + now % 1 / 1e6}', flush=True)\n"
        "    time.sleep(0.01)\n"
    )
    return f"command:{sys.executable} {program}"


@pytest.mark.slow
def test_a_run_has_its_power_and_its_readings(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, watts: str
) -> None:
    power = measured(tmp_path, sut_file, sweep_file, watts)
    [folder] = Store.open(tmp_path / "out").run_folders()
    record = read_record(folder)
    assert power is not None
    assert (power.valid, power.grade, power.reasons, power.counted_rails) == (True, "B", [], ["board"])
    figures = record.figures
    for watt in (figures.base_power_w, figures.idle_power_w, figures.full_power_w):
        assert watt == pytest.approx(20.0, abs=1e-3)
    assert (record.power_source, record.power_reason, record.inputs.sut.power.meter) == (watts, "", [watts])
    with (folder / "power.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    begin, end = window_ns(folder) or (0, 0)
    inside = [row for row in rows if begin / 1e9 <= float(row["time_s"]) <= end / 1e9]
    assert len(inside) == power.readings > 50
    assert float(rows[0]["time_s"]) < begin / 1e9 - 0.5
    assert {row["rail"] for row in rows} == {"board"}


@pytest.mark.slow
def test_energy_is_that_of_an_input_and_tables_have_it(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, watts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(tmp_path, sut_file, sweep_file, watts, more=", analyser: Yokogawa WT310E")
    capsys.readouterr()
    assert main(["show", str(tmp_path / "out"), "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["power_valid"], row["power_grade"], row["design_power_w"]) == (True, "A", None)
    assert row["energy_per_input_mj"] == pytest.approx(
        1000 * row["full_power_w"] / row["system_throughput_ips"]
    )
    assert row["ips_per_watt"] == pytest.approx(row["system_throughput_ips"] / row["full_power_w"])


@pytest.mark.slow
def test_a_counter_that_stands_still_gives_no_figure_and_explain_names_it(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile, watts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    xeon(tmp_path / "sys", sockets=1)
    power = measured(tmp_path, sut_file, sweep_file, f"rapl:{tmp_path / 'sys'}", watts)
    assert power is not None
    assert (power.valid, power.grade, power.energy_j) == (False, None, None)
    assert [reason.partition(" for ")[0] for reason in power.reasons] == [
        "rapl: package-0: repeated one value",
        "rapl: package-0/dram: repeated one value",
    ]
    [record] = Store.open(tmp_path / "out").latest()
    assert record.valid
    assert (record.figures.full_power_w, record.figures.base_power_w) == (None, None)
    capsys.readouterr()
    assert main(["explain", str(tmp_path / "out")]) == 0
    assert "power not valid" in capsys.readouterr().out


def changing(resources: Resources) -> Iterator[None]:
    """At each request, a reading that differs from the last one."""
    for number in itertools.count():
        resources.update(with_environment(130 + number % 2 / 10))
        yield


@pytest.mark.slow
def test_the_counters_of_a_processor_are_confirmed_by_the_servers_meter(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    """Two packages of 40 W with 5 W of memory each, in a server of 130 W."""
    xeon(tmp_path / "sys")
    program = tmp_path / "counters.py"
    program.write_text(
        "import pathlib, sys, time\n"
        "begin = time.time()\n"
        "while True:\n"
        "    elapsed = time.time() - begin\n"
        "    for zone, watts in {'0': 40, '0:1': 5, '1': 40, '1:1': 5}.items():\n"
        "        path = pathlib.Path(sys.argv[1]) / f'class/powercap/intel-rapl:{zone}'\n"
        "        (path / 'new').write_text(f'{round(watts * elapsed * 1e6)}')\n"
        "        (path / 'new').replace(path / 'energy_uj')\n"
        "    time.sleep(0.002)\n"
    )
    resources = with_environment(130.0)
    turns = changing(resources)
    with (
        subprocess.Popen([sys.executable, program, tmp_path / "sys"]) as counters,
        controller(resources, look=lambda _: next(turns)) as address,
    ):
        try:
            meters = (f"rapl:{tmp_path / 'sys'}", f"redfish:{address}")
            power = measured(tmp_path, sut_file, sweep_file, *meters, seconds=11)
        finally:
            counters.kill()
    assert power is not None
    assert (power.valid, power.grade, power.reasons) == (True, "C", [])
    assert {rail: round(watts or 0) for rail, watts in power.rails_w.items()} == {
        "package-0": 40,
        "package-0/core": 0,
        "package-0/dram": 5,
        "package-1": 40,
        "package-1/core": 0,
        "package-1/dram": 5,
        "psys": 0,
    }
    [record] = Store.open(tmp_path / "out").latest()
    assert record.figures.full_power_w == pytest.approx(90.0, rel=0.05)
    assert power.notes[0].startswith("checked: rapl ")
    assert ", redfish 130" in power.notes[0]


@pytest.mark.slow
def test_a_meter_that_ends_during_a_run_loses_nothing(
    tmp_path: Path, sut_file: SutFile, sweep_file: SweepFile
) -> None:
    program = tmp_path / "ends.py"
    program.write_text(
        "import time\n"
        "for number in range(450):\n"
        "    print(5 + number / 1e6, flush=True)\n"
        "    time.sleep(0.01)\n"
    )
    power = measured(tmp_path, sut_file, sweep_file, f"command:{sys.executable} {program}")
    assert power is not None
    assert not power.valid
    assert "command: stopped: the command ended with exit status 0" in power.reasons
    [record] = Store.open(tmp_path / "out").latest()
    assert record.valid
    assert record.figures.system_throughput_ips


def test_an_old_record_has_no_power() -> None:
    [record, *_] = Store.open(DATA / "results_862dfec").records()
    assert record.power is None


def test_a_sampler_that_cannot_be_started_is_a_setup_error(tmp_path: Path) -> None:
    sut = load_sut("cpu-onnxruntime")[0].model_copy(update={"power": Power(meter="rapl")})
    with pytest.raises(SetupError, match="rapl: its sampler cannot be started: No such file or directory"):
        Metering(tmp_path / "missing").check([sut])


def test_a_missing_right_of_an_automatic_meter_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SetupError("only root may read it", where="energy_uj", cure="sudo chmod a+r it")

    notes: list[str] = []
    monkeypatch.setattr(Rapl, "start", refuse)
    metering = Metering(tmp_path, notes.append)
    metering.check([load_sut("cpu-onnxruntime")[0]])
    assert notes == ["no power is measured: energy_uj: only root may read it; sudo chmod a+r it"]
    assert metering.reason == "rapl: energy_uj: only root may read it; sudo chmod a+r it"
