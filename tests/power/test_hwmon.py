"""Power sensors on trees with the layout of boards."""

from pathlib import Path

import pytest

from qutiperf.errors import SetupError
from qutiperf.power.hwmon import Hwmon, Ina
from tests.power.boards import agx_orin, hwmon, orin_nx, power_supply


def values(meter: Hwmon) -> dict[str, float]:
    return {reading.rail: round(reading.value, 9) for reading in meter.read()}


def test_the_input_rail_of_a_jetson_counts_alone(tmp_path: Path) -> None:
    orin_nx(tmp_path)
    meter = Ina(str(tmp_path))
    rails = meter.open()
    assert {rail.name: rail.counts for rail in rails} == {
        "VDD_IN": True,
        "VDD_CPU_GPU_CV": False,
        "VDD_SOC": False,
    }
    assert {rail.update_s for rail in rails} == {0.013}
    assert values(meter) == {"VDD_IN": 8.0, "VDD_CPU_GPU_CV": 2.0, "VDD_SOC": 1.5}
    assert meter.coverage == "supply"
    meter.close()


def test_rails_without_a_common_input_are_added_and_unused_channels_left_out(tmp_path: Path) -> None:
    agx_orin(tmp_path)
    meter = Ina(str(tmp_path))
    assert all(rail.counts for rail in meter.open())
    assert values(meter) == {
        "VDD_GPU_SOC": 4.0,
        "VDD_CPU_CV": 1.0,
        "VIN_SYS_5V0": 4.0,
        "VDDQ_VDD2_1V8AO": 0.5,
    }
    assert meter.coverage == "device"
    meter.close()


def test_an_ina238_has_power_itself(tmp_path: Path) -> None:
    files = {"in1_input": 12_000, "in1_label": "VIN", "curr1_input": 3000, "power1_input": 36_500_000}
    hwmon(tmp_path, 3, "ina238", files)
    meter = Ina(str(tmp_path))
    [rail] = meter.open()
    assert (rail.name, rail.counts, values(meter)) == ("VIN", True, {"VIN": 36.5})
    meter.close()


def test_the_only_chip_that_measures_power_is_taken(tmp_path: Path) -> None:
    power_supply(tmp_path)
    hwmon(tmp_path, 0, "k10temp", {"temp1_input": 45_000})
    meter = Hwmon(f"@{tmp_path}")
    [rail] = meter.open()
    assert (rail.name, rail.quantity, values(meter)) == ("power total", "power", {"power total": 98.0})
    meter.close()


def test_energy_counters_come_before_power(tmp_path: Path) -> None:
    files = {"energy1_input": 7_000_000, "energy1_label": "Esocket0", "power1_average": 1}
    hwmon(tmp_path, 0, "amd_energy", files)
    meter = Hwmon(f"amd_energy@{tmp_path}")
    [rail] = meter.open()
    assert (rail.name, rail.quantity, values(meter)) == ("Esocket0", "energy", {"Esocket0": 7.0})
    meter.close()


def test_two_chips_of_a_kind_have_rails_with_their_own_names(tmp_path: Path) -> None:
    power_supply(tmp_path, 5)
    power_supply(tmp_path, 6)
    meter = Hwmon(f"corsairpsu@{tmp_path}")
    assert [rail.name for rail in meter.open()] == ["power total", "hwmon6/power total"]
    meter.close()


def test_of_several_chips_one_must_be_named(tmp_path: Path) -> None:
    power_supply(tmp_path)
    orin_nx(tmp_path)
    with pytest.raises(SetupError) as error:
        Hwmon(f"@{tmp_path}").open()
    assert error.value.what == "several chips measure power: ina3221, corsairpsu"
    assert error.value.cure == "--power hwmon:ina3221 or --power hwmon:corsairpsu"


@pytest.mark.parametrize(
    ("meter", "what"),
    [
        (Hwmon, "no chip measures power"),
        (Ina, "no INA chip: none of ina3221, ina238"),
    ],
)
def test_none_is_a_setup_error(tmp_path: Path, meter: type[Hwmon], what: str) -> None:
    with pytest.raises(SetupError, match=what):
        meter(str(tmp_path) if meter is Ina else f"@{tmp_path}").open()


def test_an_unknown_chip_gets_the_nearest(tmp_path: Path) -> None:
    power_supply(tmp_path)
    with pytest.raises(SetupError, match=r"no chip 'corsair' that measures power; .*corsairpsu"):
        Hwmon(f"corsair@{tmp_path}").open()


def test_a_sensor_that_vanishes_is_an_os_error(tmp_path: Path) -> None:
    folder = power_supply(tmp_path)
    meter = Hwmon(f"@{tmp_path}")
    meter.open()
    (folder / "power1_input").write_text("")
    with pytest.raises(OSError, match="power1_input has no number"):
        meter.read()
    meter.close()
